"""Makes a product of a row of the product table, which has no name, no text and no price."""

from __future__ import annotations

import re
from typing import Any

from retail.line import GALLON, MEASURED_TYPE
from retail.price import DEFAULT_PRICE_CENTS
from retail.source import SourceError

#: Enough to place every basket of the year live: the most that one product sells is 126,989.
INITIAL_STOCK = 1_000_000

#: The levels of the category tree, from the widest.
LEVELS = ("department", "product_category", "product_type")

_SIZE = re.compile(r"(\d+|\d*\.\d+) *([A-Z]+)")
_WORD = re.compile(r"(?<![A-Z0-9'])[A-Z][A-Z']*")


def product(row: dict[str, Any], price_cents: int | None) -> dict[str, Any]:
    """The import body. Without a price from sales it has the default price, and says so."""
    return {
        "productId": str(row["product_id"]),
        "name": name(row),
        "description": _description(row, price_cents is not None),
        "category": categories(row),
        "price": {
            "amount": DEFAULT_PRICE_CENTS if price_cents is None else price_cents,
            "currency": "USD",
            "discount": 0,
        },
        "attributes": _attributes(row),
        "tags": [],
        "brand": row["brand"],
        "status": "active",
        "initialStock": INITIAL_STOCK,
    }


def name(row: dict[str, Any]) -> str:
    """The narrowest level that is known, and the package size. Many products share a name."""
    narrowest = [row[level] for level in LEVELS if row[level]][-1]
    size = row["package_size"]
    return readable(narrowest) + (f", {' '.join(size.split())}" if size else "")


def categories(row: dict[str, Any]) -> list[dict[str, str]]:
    """The known levels from the widest to the narrowest, each with its path from the root."""
    found: list[dict[str, str]] = []
    for level in LEVELS:
        if not row[level]:
            continue
        title = readable(row[level])
        parent = found[-1] if found else None
        found.append(
            {
                "id": f"{parent['id']}/{slug(row[level])}" if parent else slug(row[level]),
                "name": title,
                "path": f"{parent['path']} > {title}" if parent else title,
            }
        )
    return found


class CategoryIds:
    """Refuses two categories that would share one id."""

    def __init__(self) -> None:
        self._paths: dict[str, str] = {}

    def check(self, body: dict[str, Any]) -> None:
        """Remembers the product's categories and compares them with all before."""
        for category in body["category"]:
            known = self._paths.setdefault(category["id"], category["path"])
            if known != category["path"]:
                raise SourceError(f"{known!r} and {category['path']!r} have one category id")


def is_measured_product(row: dict[str, Any]) -> bool:
    """Whether its quantities are measured and not counted."""
    return row["product_type"] == MEASURED_TYPE


def readable(text: str) -> str:
    """The source's capitals as words: ``FRZN ICE`` is ``Frzn Ice``. Abbreviations stay."""
    return _WORD.sub(lambda word: word[0].capitalize(), " ".join(text.split()))


def slug(text: str) -> str:
    """The text as a part of a category id: lower case letters, digits and dashes."""
    spoken = text.lower().replace("<=", " at most")
    return re.sub(r"[^a-z0-9]+", "-", spoken).strip("-")


def _description(row: dict[str, Any], sold: bool) -> str:
    path = categories(row)[-1]["path"]
    brand = "the grocer's own brand" if row["brand"] == "Private" else "a national brand"
    sentences = [f"{path}: {brand}, manufacturer {row['manufacturer_id']}."]
    if is_measured_product(row):
        sentences.append(
            f"Sold by the gallon ({GALLON} of the source's units); a prepaid fill counts as one."
        )
    if sold:
        sentences.append("The price is the median of a year's sales.")
    else:
        sentences.append("Not sold for money in the year: the price is a default.")
    return " ".join(sentences)


def _attributes(row: dict[str, Any]) -> list[dict[str, str]]:
    attributes = [{"name": "manufacturer", "value": str(row["manufacturer_id"])}]
    size = row["package_size"]
    if size:
        simple = _SIZE.fullmatch(size)
        if simple:
            attributes.append(
                {"name": "packageSize", "value": simple.group(1), "unit": simple.group(2)}
            )
        else:
            attributes.append({"name": "packageSize", "value": " ".join(size.split())})
    return attributes
