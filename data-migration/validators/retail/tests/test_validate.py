"""The comparison from the command line to the exit code."""

from __future__ import annotations

import io
import json
import tempfile
import unittest
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

from tests import sample
from validate.__main__ import main
from validate.source import Source


class Comparison(unittest.TestCase):
    def setUp(self) -> None:
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.directory = Path(directory.name)
        sample.write(self.directory)

    def compare(self, listed: list[dict[str, Any]], *more: str, token: str = "operator") -> tuple[int, Any, str]:
        """The exit code, the report, the messages."""
        out, err = io.StringIO(), io.StringIO()
        with sample.FakeShop(listed) as shop, redirect_stdout(out), redirect_stderr(err):
            arguments = ["--refused", str(self.directory / "refused.ndjson"), "--url", shop.url]
            arguments += ["--token", token, "--output", "json", "--orders", "all", *more]
            code = main(arguments, Source(self.directory, sample.YEAR))
        return code, json.loads(out.getvalue() or "null"), err.getvalue()

    def test_a_shop_that_has_all_but_what_was_refused_agrees(self) -> None:
        code, report, _ = self.compare(sample.orders())
        self.assertEqual((code, report["verdict"], report["otherOrders"]), (0, "agree", 1))
        self.assertEqual(
            report["sums"]["baskets"], {"source": 4, "refused": 1, "imported": 3, "missing": 0}
        )
        self.assertEqual(
            report["sums"]["cents"], {"source": 6_550, "refused": 0, "imported": 6_550, "missing": 0}
        )
        self.assertEqual(report["sums"]["lines"]["refused"], 2)

    def test_every_planted_difference_is_found(self) -> None:
        def item(orders: list[dict[str, Any]], index: int) -> dict[str, Any]:
            return orders[2]["items"][index]

        def cent(orders: list[dict[str, Any]]) -> None:
            item(orders, 0)["lineTotal"]["amount"] += 1
            orders[2]["summary"]["totalAmount"] += 1
            orders[2]["summary"]["finalAmount"] += 1

        def cent_moved(orders: list[dict[str, Any]]) -> None:
            item(orders, 0)["lineTotal"]["amount"] += 1
            item(orders, 1)["lineTotal"]["amount"] -= 1

        def swapped(orders: list[dict[str, Any]]) -> None:
            orders[2]["userId"], orders[3]["userId"] = orders[3]["userId"], orders[2]["userId"]

        planted: dict[str, Callable[[list[dict[str, Any]]], Any]] = {
            "a cent too many": cent,
            "a cent on the wrong product": cent_moved,
            "an order of somebody else": swapped,
            "a missing order": lambda orders: orders.pop(),
            "an order twice": lambda orders: orders.append(orders[3]),
            "a missing line": lambda orders: orders[2]["items"].pop(),
            "a piece too few": lambda orders: item(orders, 0).update(quantity=2),
            "petrol by the thousandth": lambda orders: item(orders, 1).update(quantity=12_500),
            "another product": lambda orders: item(orders, 0).update(productId="2"),
            "another day": lambda orders: orders[3].update(createdAt="2017-01-02T12:00:00Z"),
            "another minute": lambda orders: orders[3].update(createdAt="2017-01-01T12:01:00Z"),
            "a summary that is not its lines'": lambda orders: orders[2]["summary"].update(finalAmount=1),
            "another currency": lambda orders: orders[2].update(currency="EUR"),
        }
        for name, plant in planted.items():
            with self.subTest(name):
                orders = sample.orders()
                plant(orders)
                code, report, messages = self.compare(orders)
                self.assertEqual(code, 3, messages)
                self.assertTrue(any(part["differing"] for part in report["compared"].values()))

    def test_a_refusal_that_nobody_told_of_is_missing(self) -> None:
        sample.lines(self.directory / "refused.ndjson", sample.REFUSED[:2])
        code, report, _ = self.compare(sample.orders())
        self.assertEqual((code, report["sums"]["lines"]["missing"]), (3, 1))

    def test_a_refusal_of_what_the_source_does_not_have_is_strange(self) -> None:
        more = {"what": "line", "key": "basket-101/product-4711", "reason": "nothing-sold"}
        sample.lines(self.directory / "refused.ndjson", [*sample.REFUSED, more])
        code, report, _ = self.compare(sample.orders())
        self.assertEqual((code, len(report["strangeRefusals"])), (3, 1))

    def test_what_the_shop_refused_is_taken_into_account(self) -> None:
        refused = [{"line": 3, "key": "basket-102", "reason": "422 No such user"}]
        file = sample.lines(self.directory / "shop.ndjson", refused)
        code, report, _ = self.compare(sample.orders()[:3], "--shop-refused", str(file))
        self.assertEqual((code, report["sums"]["cents"]["refused"]), (0, 500))

    def test_the_earliest_baskets_are_compared_where_only_those_were_converted(self) -> None:
        sample.lines(self.directory / "refused.ndjson", [])
        code, report, _ = self.compare(sample.orders()[2:3], "--orders", "1")
        self.assertEqual((code, report["sums"]["baskets"]["source"]), (0, 1), report)

    def test_what_cannot_be_checked_is_no_verdict(self) -> None:
        code, report, messages = self.compare(sample.orders(), token="nobody")
        self.assertEqual((code, report), (4, None))
        self.assertIn("403", messages)
        (self.directory / "refused.ndjson").write_text("{")
        self.assertEqual(self.compare(sample.orders())[0], 4)
        (self.directory / "refused.ndjson").unlink()
        self.assertEqual(self.compare(sample.orders())[0], 4)

    def test_another_source_is_not_checked(self) -> None:
        arguments = ["--refused", str(self.directory / "refused.ndjson"), "--token", "operator"]
        errors = io.StringIO()
        with redirect_stderr(errors):
            code = main(arguments, Source(self.directory, {**sample.YEAR, "cents": 6_551}))
        self.assertEqual(code, 4)
        self.assertIn("6550", errors.getvalue())

    def test_wrong_use_is_told_apart(self) -> None:
        with redirect_stderr(io.StringIO()), self.assertRaises(SystemExit) as ended:
            main(["--orders", "none"])
        self.assertEqual(ended.exception.code, 2)


if __name__ == "__main__":
    unittest.main()
