"""Decides what happens to one transaction line. The README's table says the same in words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from retail.source import Line

#: The source counts petrol in thousandths of what sells at 1.79 to 3.26 dollars: a gallon.
GALLON = 1_000

#: The product type that is measured and not counted.
MEASURED_TYPE = "GASOLINE-REG UNLEADED"

# Why a line is not written: nothing was sold for nothing; with dust, see `Line`.
NOTHING_SOLD = "nothing-sold"
FLOAT_DUST = "float-dust"

# What was noted about a line that is written.
VALUE_WITHOUT_QUANTITY = "value-without-quantity"
GASOLINE_IN_GALLONS = "gasoline-in-gallons"
FREE = "free"
UNKNOWN_PRODUCT = "unknown-product"
TOTAL_NOT_A_MULTIPLE = "total-not-a-multiple"

NOTES = (VALUE_WITHOUT_QUANTITY, GASOLINE_IN_GALLONS, FREE, UNKNOWN_PRODUCT, TOTAL_NOT_A_MULTIPLE)


@dataclass(frozen=True)
class Written:
    """A line of an order, and the notes to count. The line's cents are never changed."""

    item: dict[str, Any]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Refused:
    """A line that no order has."""

    reason: str


@dataclass(frozen=True)
class Catalogue:
    """What deciding a line needs to know of the product table."""

    names: dict[int, str]
    measured: frozenset[int]


def decide(line: Line, catalogue: Catalogue) -> Written | Refused:
    """Makes an order's line of a transaction line, or says why not."""
    if line.quantity == 0 and line.cents == 0:
        return Refused(FLOAT_DUST if line.dust else NOTHING_SOLD)

    notes = []
    quantity = line.quantity
    if quantity == 0:
        quantity = 1
        notes.append(VALUE_WITHOUT_QUANTITY)
    elif is_measured(line.product_id, quantity, catalogue.measured):
        quantity = whole_gallons(quantity)
        notes.append(GASOLINE_IN_GALLONS)
    if line.cents == 0:
        notes.append(FREE)
    name = catalogue.names.get(line.product_id)
    if name is None:
        name = f"Unknown product {line.product_id}"
        notes.append(UNKNOWN_PRODUCT)
    if line.cents % quantity != 0:
        notes.append(TOTAL_NOT_A_MULTIPLE)

    item = {
        "productId": str(line.product_id),
        "name": name,
        "quantity": quantity,
        "lineTotal": line.cents,
    }
    return Written(item, tuple(notes))


def is_measured(product_id: int, quantity: int, measured: frozenset[int]) -> bool:
    """Whether the quantity is thousandths of a gallon.

    A quantity of 1 of petrol is a purchase paid before filling (10.00, 15.00, 20.00 dollars):
    one purchase and not a thousandth of a gallon.
    """
    return product_id in measured and quantity > 1


def whole_gallons(thousandths: int) -> int:
    """Rounds half up; a fill of less than half a gallon is still one."""
    return max(1, (thousandths + GALLON // 2) // GALLON)
