"""A small year with every kind of dirt, as parquet tables."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from retail.source import Line, Year

NOON = datetime(2017, 1, 1, 12)

#: household, basket, product, quantity, dollars, minute after noon. In the order of the table.
SALES = [
    (7, 102, 1, 2, 5.00, 0),
    (7, 102, 9, 1, 3.00, 0),  # a product that the table lacks
    (8, 101, 1, 3, 8.00, 0),  # the same instant, the smaller basket; 800 / 3 is not whole
    (8, 101, 3, 12_345, 29.00, 0),  # petrol by the thousandth of a gallon
    (7, 103, 2, 0, 0.00, 1),  # all that the basket has is nothing
    (9, 104, 1, 0, 0.50, 2),  # paid, and no quantity
    (9, 104, 2, 1, 0.00, 2),  # free
    (9, 104, 9, 0, 0.00, 2),  # nothing of an unknown product
    (9, 104, 3, 1, 20.00, 2),  # petrol paid before filling
    (9, 104, 1, 0, 4e-16, 2),  # dust
]

PRODUCTS = [
    # id, manufacturer, department, brand, category, type, size
    (3, 69, "FUEL", "Private", "FUEL", "GASOLINE-REG UNLEADED", None),
    (1, 2, "GROCERY", "National", "FRZN ICE", "ICE - CRUSHED/CUBED", "22 LB"),
    (2, 5, "DRUG GM", "National", None, None, "A B D  8 OZ"),
]

YEAR = Year(baskets=4, lines=10, cents=6_550, products=3, households=3)


def write(directory: Path, sales: list[tuple] = SALES) -> None:
    """Writes the three tables to a directory."""
    at = [NOON.replace(minute=row[5]) for row in sales]
    _write(
        directory / "transactions.parquet",
        ["household_id", "basket_id", "product_id", "quantity", "sales_value"],
        [row[:5] for row in sales],
        {"transaction_timestamp": pa.array(at, pa.timestamp("ns"))},
    )
    columns = ["product_id", "manufacturer_id", "department", "brand"]
    columns += ["product_category", "product_type", "package_size"]
    _write(directory / "products.parquet", columns, PRODUCTS)
    columns = ["household_id", "age", "income", "home_ownership", "marital_status"]
    columns += ["household_size", "household_comp", "kids_count"]
    known = [(7, "45-54", "35-49K", None, "Married", "2", "2 Adults No Kids", "0")]
    _write(directory / "demographics.parquet", columns, known)


def line(product_id: int, quantity: int, cents: int, dust: bool = False) -> Line:
    """A line of some basket."""
    return Line(101, 8, product_id, quantity, cents, dust, NOON)


def _write(path: Path, names: list[str], rows: list[tuple], more: dict | None = None) -> None:
    columns = dict(zip(names, map(list, zip(*rows))))
    pq.write_table(pa.table({**columns, **(more or {})}), path)
