"""Sums of orders by household, product, day and instant: what is compared."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

#: What is summed for each key, in this order.
MEASURES = ("orders", "lines", "quantity", "cents")

#: What sums are kept by. Orders are counted once for each key that they have.
DIMENSIONS = ("total", "household", "product", "day", "instant")


@dataclass(frozen=True)
class Line:
    """A line of an order: product, pieces, cents."""

    product: str
    quantity: int
    cents: int


@dataclass
class Sums:
    """Orders, lines, pieces and cents by each dimension's keys."""

    by: dict[str, dict[str, list[int]]] = field(
        default_factory=lambda: {name: defaultdict(lambda: [0] * len(MEASURES)) for name in DIMENSIONS}
    )

    def add_order(self, household: str, instant: str, lines: list[Line]) -> None:
        """Adds an order of a household at an instant (RFC 3339, UTC, whole seconds)."""
        keys = {
            "total": "all",
            "household": household,
            "day": instant[:10],
            # Errors that cancel out over a household or a day do not cancel out here.
            "instant": f"{household} {instant}",
        }
        quantity = sum(line.quantity for line in lines)
        cents = sum(line.cents for line in lines)
        for name, key in keys.items():
            self._add(name, key, 1, len(lines), quantity, cents)
        for line in lines:
            self._add("product", line.product, 0, 1, line.quantity, line.cents)
        for product in {line.product for line in lines}:
            self._add("product", product, 1, 0, 0, 0)

    def total(self) -> dict[str, int]:
        """What all orders come to."""
        return dict(zip(MEASURES, self.by["total"]["all"]))

    def differences(self, other: Sums, name: str) -> list[tuple[str, list[int], list[int]]]:
        """The keys of a dimension whose sums differ, sorted, with both sums."""
        here, there, none = self.by[name], other.by[name], [0] * len(MEASURES)
        keys = sorted(here.keys() | there.keys())
        pairs = ((key, here.get(key, none), there.get(key, none)) for key in keys)
        return [(key, one, two) for key, one, two in pairs if one != two]

    def _add(self, name: str, key: str, *amounts: int) -> None:
        sums = self.by[name][key]
        for index, amount in enumerate(amounts):
            sums[index] += amount
