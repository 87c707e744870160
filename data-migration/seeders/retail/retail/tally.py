"""Counts what happened to baskets, lines and cents, and checks that it adds up."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from retail.basket import NO_LINE_LEFT, Basket
from retail.line import GASOLINE_IN_GALLONS, NOTES, Refused


class TallyError(Exception):
    """Something disappeared unsaid: a defect of this converter."""


@dataclass
class Account:
    """One kind of thing: what was read is what was written plus what was refused."""

    read: int = 0
    written: int = 0
    refused: Counter[str] = field(default_factory=Counter)

    def check(self, what: str) -> None:
        """Raises `TallyError` unless the account balances."""
        refused = sum(self.refused.values())
        if self.read != self.written + refused:
            raise TallyError(f"{what}: {self.read} read, {self.written} + {refused} accounted for")

    def summary(self) -> dict[str, Any]:
        """The account as it stands in ``summary.json``."""
        return {
            "read": self.read,
            "written": self.written,
            "refused": dict(sorted(self.refused.items())),
        }


@dataclass
class UnknownProduct:
    """A product that lines name and the product table lacks."""

    lines: int = 0
    lines_written: int = 0
    cents: int = 0


class OrderTally:
    """What became of the chosen baskets.

    ``read`` counts come from the source's lines and ``written`` ones from the finished bodies,
    so that the two sides of an account do not share a mistake.
    """

    def __init__(self, known_products: set[int]) -> None:
        self._known_products = known_products
        self.baskets = Account()
        self.lines = Account()
        self.cents = Account()
        self.notes: Counter[str] = Counter({note: 0 for note in NOTES})
        self.gallons_written = 0
        self.thousandths_read = 0
        self.written_products: Counter[int] = Counter()
        self.written_households: set[int] = set()
        self.unknown_products: dict[int, UnknownProduct] = {}
        self._first: str | None = None
        self._last: str | None = None

    def count(self, basket: Basket, order: dict[str, Any] | None) -> None:
        """Counts one basket and the order made of it, if any."""
        self.baskets.read += 1
        if order is None:
            self.baskets.refused[NO_LINE_LEFT] += 1
        else:
            self._count_order(basket, order)
        for line, decision in zip(basket.lines, basket.decisions):
            self.lines.read += 1
            self.cents.read += line.cents
            refused = isinstance(decision, Refused)
            if line.product_id not in self._known_products:
                unknown = self.unknown_products.setdefault(line.product_id, UnknownProduct())
                unknown.lines += 1
                unknown.lines_written += not refused
                unknown.cents += line.cents
            if isinstance(decision, Refused):
                self.lines.refused[decision.reason] += 1
                self.cents.refused[decision.reason] += line.cents
                continue
            self.notes.update(decision.notes)
            if GASOLINE_IN_GALLONS in decision.notes:
                self.thousandths_read += line.quantity
                self.gallons_written += decision.item["quantity"]

    def check(self) -> None:
        """Raises `TallyError` unless baskets, lines and cents all balance."""
        self.baskets.check("baskets")
        self.lines.check("lines")
        self.cents.check("cents")

    def summary(self) -> dict[str, Any]:
        """The orders' part of ``summary.json``."""
        return {
            "baskets": self.baskets.summary(),
            "lines": self.lines.summary(),
            "cents": self.cents.summary(),
            "linesWrittenWithNote": dict(self.notes),
            "gasoline": {
                "thousandthsRead": self.thousandths_read,
                "gallonsWritten": self.gallons_written,
            },
            "mostUnitsOfOneProduct": max(self.written_products.values(), default=0),
            "firstCreatedAt": self._first,
            "lastCreatedAt": self._last,
        }

    def unknown_summary(self) -> list[dict[str, Any]]:
        """The products that lines name and the table lacks, by id."""
        return [
            {
                "productId": str(product_id),
                "lines": unknown.lines,
                "linesWritten": unknown.lines_written,
                "cents": unknown.cents,
            }
            for product_id, unknown in sorted(self.unknown_products.items())
        ]

    def _count_order(self, basket: Basket, order: dict[str, Any]) -> None:
        self.baskets.written += 1
        self.lines.written += len(order["items"])
        self.cents.written += sum(item["lineTotal"] for item in order["items"])
        for item in order["items"]:
            self.written_products[int(item["productId"])] += item["quantity"]
        self.written_households.add(basket.household_id)
        self._first = self._first or order["createdAt"]
        self._last = order["createdAt"]
