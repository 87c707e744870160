"""A small source as parquet files, and a shop that answers what it is told to."""

from __future__ import annotations

import json
import threading
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pyarrow as pa
import pyarrow.parquet as pq

#: household, basket, product, quantity, dollars, minute after noon.
SALES = [
    (7, 102, 1, 2, 5.00, 0),
    (8, 101, 1, 3, 8.00, 0),
    (8, 101, 3, 12_500, 29.00, 0),  # petrol by the thousandth of a gallon: 13 gallons
    (8, 101, 9, 1, 3.00, 0),  # a product that the table lacks
    (7, 103, 2, 0, 0.00, 1),  # all that the basket has is nothing
    (9, 104, 1, 0, 0.50, 2),  # paid, and no quantity: one piece
    (9, 104, 2, 0, 1.8e-15, 2),  # dust
    (9, 104, 3, 1, 20.00, 2),  # petrol paid before filling
]

YEAR = {
    "baskets": 4,
    "lines": 8,
    "cents": 6_550,
    "linesWithoutQuantity": 3,
    "linesWithoutValue": 1,
    "linesOfUnknownProducts": 1,
}

REFUSED = [
    {"what": "line", "key": "basket-103/product-2", "reason": "nothing-sold"},
    {"what": "basket", "key": "basket-103", "reason": "no-line-left"},
    {"what": "line", "key": "basket-104/product-2", "reason": "float-dust"},
    {"what": "product", "key": "product-9", "reason": "not-in-product-table"},
]


def write(directory: Path) -> None:
    """Writes the source's two tables and the list of what was refused."""
    names = ["household_id", "basket_id", "product_id", "quantity", "sales_value"]
    columns = dict(zip(names, map(list, zip(*(row[:5] for row in SALES)))))
    times = [datetime(2017, 1, 1, 12, row[5]) for row in SALES]
    columns["transaction_timestamp"] = pa.array(times, pa.timestamp("ns"))
    pq.write_table(pa.table(columns), directory / "transactions.parquet")
    kinds = {"product_id": [1, 2, 3], "product_type": ["ICE", None, "GASOLINE-REG UNLEADED"]}
    pq.write_table(pa.table(kinds), directory / "products.parquet")
    lines(directory / "refused.ndjson", REFUSED)


def lines(path: Path, documents: list[dict[str, Any]]) -> Path:
    """Writes documents, one a line."""
    path.write_text("".join(json.dumps(document) + "\n" for document in documents))
    return path


def order(user: int, minute: int, *items: tuple[str, int, int]) -> dict[str, Any]:
    """An imported order as a shop answers it; items are product, quantity, cents."""
    cents = sum(item[2] for item in items)
    return {
        "userId": user,
        "imported": True,
        "createdAt": f"2017-01-01T12:{minute:02}:00Z",
        "currency": "USD",
        "summary": {
            "itemCount": sum(item[1] for item in items),
            "totalAmount": cents,
            "finalAmount": cents,
        },
        "items": [
            {"productId": item[0], "quantity": item[1], "lineTotal": {"amount": item[2], "currency": "USD"}}
            for item in items
        ],
    }


#: What the shop has if all went well; user 1 is household 7 and so on.
USERS = [{"id": number, "username": f"household-{number + 6}"} for number in (1, 2, 3)]


def orders() -> list[dict[str, Any]]:
    """The orders of the source, and one that was placed live."""
    return [
        {**order(1, 5, ("1", 1, 100)), "imported": False},
        order(3, 2, ("1", 1, 50), ("3", 1, 2_000)),
        order(2, 0, ("1", 3, 800), ("3", 13, 2_900), ("9", 1, 300)),
        order(1, 0, ("1", 2, 500)),
    ]


class FakeShop:
    """Answers two lists, three items a page, over HTTP."""

    def __init__(self, listed: list[dict[str, Any]]) -> None:
        lists = {"/v1/users": USERS, "/v1/orders": listed}

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                url = urlsplit(self.path)
                start = int(parse_qs(url.query).get("cursor", ["0"])[0])
                items = lists.get(url.path)
                granted = self.headers["Authorization"] == "Bearer operator"
                page = {"items": (items or [])[start : start + 3]}
                if items and start + 3 < len(items):
                    page["next"] = str(start + 3)
                body = json.dumps(page).encode()
                self.send_response(200 if items is not None and granted else 403)
                self.send_header("Content-Length", str(len(body)))
                self.send_header("Madrigal-Lag", "0")
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def __enter__(self) -> FakeShop:
        return self

    def __exit__(self, *_: Any) -> None:
        self._server.shutdown()
        self._server.server_close()
