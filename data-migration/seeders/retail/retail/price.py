"""Finds a price for each product, which the product table lacks, in what was paid."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from itertools import groupby
from operator import itemgetter

import pyarrow as pa
import pyarrow.compute as pc

from retail.line import GALLON

#: The price in cents of a product that was never sold: the median of all prices found.
DEFAULT_PRICE_CENTS = 274


def median_prices(sales: pa.Table, measured: frozenset[int]) -> dict[int, int]:
    """The median unit price in whole cents of each product sold for money, over all the year.

    The unit price of measured lines is that of a gallon, from the quantity before rounding.
    """
    prices = {}
    for product_id, rows in groupby(_unit_prices(sales, measured), key=itemgetter(0)):
        prices[product_id] = median([(cents, quantity) for _, cents, quantity in rows])
    return prices


def median(ordered: list[tuple[int, int]]) -> int:
    """The median of ordered unit prices, each as (cents, quantity), rounded half up.

    Exact: the division happens once, between whole numbers.
    """
    middle = len(ordered) // 2
    upper = Fraction(*ordered[middle])
    if len(ordered) % 2 == 1:
        return round_half_up(upper)
    return round_half_up((Fraction(*ordered[middle - 1]) + upper) / 2)


def round_half_up(value: Fraction) -> int:
    """Rounds to a whole number, halves upwards."""
    return (value + Fraction(1, 2)).__floor__()


def _unit_prices(sales: pa.Table, measured: frozenset[int]) -> Iterator[tuple[int, int, int]]:
    """Lines with a price as (product, cents, quantity), by product and then unit price.

    Sorted by a floating quotient: two different prices of this source are at least one part
    in 1e13 apart, far more than the error of a division, so that the order is exact.
    """
    sold = sales.filter(pc.and_(pc.greater(sales["quantity"], 0), pc.greater(sales["cents"], 0)))
    # `line.is_measured`, for whole columns.
    in_gallons = pc.and_(
        pc.is_in(sold["product_id"], value_set=pa.array(sorted(measured), pa.int64())),
        pc.greater(sold["quantity"], 1),
    )
    cents = pc.if_else(in_gallons, pc.multiply(sold["cents"], GALLON), sold["cents"])
    unit = pc.divide(cents.cast(pa.float64()), sold["quantity"].cast(pa.float64()))
    table = pa.table(
        {
            "product_id": sold["product_id"],
            "cents": cents,
            "quantity": sold["quantity"],
            "unit": unit,
        }
    ).sort_by([("product_id", "ascending"), ("unit", "ascending")])
    for batch in table.to_batches(max_chunksize=65_536):
        columns = ("product_id", "cents", "quantity")
        yield from zip(*(batch[column].to_pylist() for column in columns))
