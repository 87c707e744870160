"""Converts the source to import files."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from itertools import islice
from typing import Any

from retail.basket import Basket, refusal
from retail.line import Catalogue
from retail.output import Output
from retail.price import median_prices
from retail.product import CategoryIds, is_measured_product, name, product
from retail.source import PACKAGE, VERSION, Source, SourceError, Year, survey
from retail.tally import OrderTally
from retail.user import user

#: Why a product is refused that lines name.
NOT_IN_PRODUCT_TABLE = "not-in-product-table"


@dataclass(frozen=True)
class Choice:
    """What to convert: the first ``orders`` baskets in the order of time, or all (``None``)."""

    orders: int | None
    only_used: bool = False


def convert(source: Source, output: Output, choice: Choice, expected: Year) -> dict[str, Any]:
    """Writes all files and returns the summary.

    Prices come from the whole year whatever is chosen, so that a product is the same in each
    conversion. Raises `SourceError` if the source is not the expected one, and `TallyError` if
    something was lost.
    """
    rows = source.products()
    measured = frozenset(row["product_id"] for row in rows if is_measured_product(row))
    sales = source.sales()
    year = survey(sales, len(rows))
    if year != expected:
        raise SourceError(f"the source has {year}, the decisions were made for {expected}")
    prices = median_prices(sales, measured)
    households = sorted(sales["household_id"].unique().to_pylist())
    del sales  # The largest thing in memory; not needed while streaming.

    catalogue = Catalogue({row["product_id"]: name(row) for row in rows}, measured)
    tally = _write_orders(source, output, choice, catalogue)
    if choice.orders is None and (tally.baskets.read, tally.lines.read, tally.cents.read) != (
        year.baskets,
        year.lines,
        year.cents,
    ):
        raise SourceError("streaming the year did not read all of it")

    summary = {
        "source": {"package": PACKAGE, "version": VERSION, "year": asdict(year)},
        "choice": {
            "orders": "all" if choice.orders is None else choice.orders,
            "onlyUsed": choice.only_used,
        },
        "orders": tally.summary(),
        "products": _write_products(output, choice, rows, prices, tally),
        "users": _write_users(output, choice, households, source.demographics(), tally),
    }
    output.document("summary.json", summary)
    return summary


def _write_orders(
    source: Source, output: Output, choice: Choice, catalogue: Catalogue
) -> OrderTally:
    tally = OrderTally(set(catalogue.names))
    for lines in islice(source.baskets(), choice.orders):
        basket = Basket.decided(lines, catalogue)
        order = basket.order()
        tally.count(basket, order)
        if order is not None:
            output.line("orders.ndjson", order)
        for refused in basket.refusals():
            output.line("refused.ndjson", refused)
    tally.check()
    return tally


def _write_products(
    output: Output,
    choice: Choice,
    rows: list[dict[str, Any]],
    prices: dict[int, int],
    tally: OrderTally,
) -> dict[str, Any]:
    ids = CategoryIds()
    written = priced = 0
    for row in rows:
        product_id = row["product_id"]
        body = product(row, prices.get(product_id))
        ids.check(body)
        if choice.only_used and product_id not in tally.written_products:
            continue
        output.line("products.ndjson", body)
        written += 1
        priced += product_id in prices
    for product_id in sorted(tally.unknown_products):
        output.line(
            "refused.ndjson", refusal("product", f"product-{product_id}", NOT_IN_PRODUCT_TABLE)
        )
    return {
        "read": len(rows),
        "written": written,
        "notUsed": len(rows) - written,
        "priceFromSales": priced,
        "priceByDefault": written - priced,
        "notInProductTable": tally.unknown_summary(),
    }


def _write_users(
    output: Output,
    choice: Choice,
    households: list[int],
    demographics: dict[int, dict[str, Any]],
    tally: OrderTally,
) -> dict[str, Any]:
    written = described = 0
    for household_id in households:
        if choice.only_used and household_id not in tally.written_households:
            continue
        output.line("users.ndjson", user(household_id, demographics.get(household_id)))
        written += 1
        described += household_id in demographics
    return {
        "read": len(households),
        "written": written,
        "notUsed": len(households) - written,
        "withDemographics": described,
    }

