"""Reads a shop's imported orders over its public API."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, urlsplit

from validate.source import CannotCheck
from validate.sums import Line, Sums

#: The largest page that lists give.
PAGE = 200

#: How long the shop's view may take to catch up with what was imported, in seconds.
PATIENCE = 120


class Shop:
    """A shop, asked as an operator over one connection."""

    def __init__(self, url: str, token: str) -> None:
        parts = urlsplit(url)
        if parts.scheme != "http" or not parts.hostname:
            raise CannotCheck(f"{url} is no http:// address")
        self._connection = http.client.HTTPConnection(parts.hostname, parts.port or 80, timeout=60)
        self._headers = {"Authorization": f"Bearer {token}", "Accept": "application/json"}

    def imported(self) -> tuple[Sums, int]:
        """The sums of all imported orders of households, and how many other orders there are."""
        self._caught_up()
        names = {user["id"]: user["username"] for user in self._items("/v1/users")}
        sums, others = Sums(), 0
        for order in self._items("/v1/orders"):
            name = names.get(order["userId"], "")
            if not order.get("imported") or not name.startswith("household-"):
                others += 1
                continue
            sums.add_order(name, order["createdAt"], lines_of(order))
        return sums, others

    def _caught_up(self) -> None:
        until = time.monotonic() + PATIENCE
        while (lag := self._get("/v1/orders?limit=1")[1].get("Madrigal-Lag")) not in (None, "0"):
            if time.monotonic() > until:
                raise CannotCheck(f"the shop's view is {lag} events behind after {PATIENCE} s")
            time.sleep(0.2)

    def _items(self, path: str) -> Iterator[dict[str, Any]]:
        cursor = ""
        while True:
            page = self._get(f"{path}?limit={PAGE}{cursor}")[0]
            yield from page["items"]
            if not page.get("next"):
                return
            cursor = f"&cursor={quote(page['next'])}"

    def _get(self, path: str) -> tuple[Any, http.client.HTTPMessage]:
        try:
            self._connection.request("GET", path, headers=self._headers)
            answer = self._connection.getresponse()
            body = answer.read()
        except (OSError, http.client.HTTPException) as error:
            raise CannotCheck(f"the shop does not answer: {error}") from error
        if answer.status != 200:
            raise CannotCheck(f"GET {path} was answered {answer.status}: {body[:300]!r}")
        return json.loads(body), answer.headers


def lines_of(order: dict[str, Any]) -> list[Line]:
    """An imported order's lines; its own sums must be theirs."""
    lines = [
        Line(item["productId"], item["quantity"], item["lineTotal"]["amount"])
        for item in order["items"]
    ]
    summary, cents = order["summary"], sum(line.cents for line in lines)
    told = (summary["itemCount"], summary["totalAmount"], summary["finalAmount"], order["currency"])
    own = (sum(line.quantity for line in lines), cents, cents, "USD")
    if told != own:
        # Found by the comparison: the sums differ from the source by what the summary is wrong.
        return [*lines, Line("(summary)", told[0] - own[0], told[2] - own[2])]
    return lines
