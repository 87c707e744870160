"""Makes one order of a basket."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from retail.line import Catalogue, Refused, Written, decide
from retail.source import Line
from retail.user import username

CURRENCY = "USD"

#: Why a basket is not written.
NO_LINE_LEFT = "no-line-left"


@dataclass(frozen=True)
class Basket:
    """A basket after every one of its lines was decided."""

    lines: list[Line]
    decisions: list[Written | Refused]

    @classmethod
    def decided(cls, lines: list[Line], catalogue: Catalogue) -> Basket:
        """Decides each line."""
        return cls(lines, [decide(line, catalogue) for line in lines])

    @property
    def key(self) -> str:
        """Names the basket: the order's import key."""
        return f"basket-{self.lines[0].basket_id}"

    @property
    def household_id(self) -> int:
        """Who bought it."""
        return self.lines[0].household_id

    def order(self) -> dict[str, Any] | None:
        """The import body, or nothing if no line is left to write."""
        items = [decision.item for decision in self.decisions if isinstance(decision, Written)]
        if not items:
            return None
        return {
            "importKey": self.key,
            "customer": {"username": username(self.household_id)},
            "createdAt": rfc3339(self.lines[0].timestamp),
            "currency": CURRENCY,
            "items": items,
        }

    def refusals(self) -> Iterator[dict[str, Any]]:
        """What is refused of it: lines, and then the basket itself if none is left."""
        for line, decision in zip(self.lines, self.decisions):
            if isinstance(decision, Refused):
                key = f"{self.key}/product-{line.product_id}"
                yield refusal("line", key, decision.reason)
        if all(isinstance(decision, Refused) for decision in self.decisions):
            yield refusal("basket", self.key, NO_LINE_LEFT)


def refusal(what: str, key: str, reason: str) -> dict[str, Any]:
    """A line of ``refused.ndjson``."""
    return {"what": what, "key": key, "reason": reason}


def rfc3339(timestamp: datetime) -> str:
    """Writes a time of the source, which names no zone, as if it were UTC."""
    return timestamp.isoformat(timespec="seconds") + "Z"
