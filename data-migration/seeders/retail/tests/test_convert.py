import json
import unittest
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from retail.convert import Choice, convert
from retail.output import FILES, Output
from retail.source import EXPECTED_YEAR, Source, SourceError
from retail.tally import Account, TallyError
from tests import sample


class ConvertTest(unittest.TestCase):
    def setUp(self) -> None:
        directory = TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.directory = Path(directory.name)
        sample.write(self.directory)
        self.out = self.directory / "out"

    def convert(self, **choice: Any) -> dict[str, Any]:
        with Output(self.out) as output:
            chosen = Choice(**{"orders": None, **choice})
            return convert(Source(self.directory), output, chosen, sample.YEAR)

    def lines(self, name: str) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (self.out / name).read_text().splitlines()]

    def test_what_was_read_is_what_was_written_and_refused(self) -> None:
        orders = self.convert()["orders"]
        self.assertEqual(
            orders["baskets"], {"read": 4, "written": 3, "refused": {"no-line-left": 1}}
        )
        refused = {"float-dust": 1, "nothing-sold": 2}
        self.assertEqual(orders["lines"], {"read": 10, "written": 7, "refused": refused})
        self.assertEqual(orders["cents"]["read"], sample.YEAR.cents)
        written = sum(i["lineTotal"] for o in self.lines("orders.ndjson") for i in o["items"])
        self.assertEqual(written, sample.YEAR.cents)

    def test_each_refusal_has_its_line(self) -> None:
        self.convert()
        refused = [(line["key"], line["reason"]) for line in self.lines("refused.ndjson")]
        expected = [
            ("basket-103/product-2", "nothing-sold"),
            ("basket-103", "no-line-left"),
            ("basket-104/product-9", "nothing-sold"),
            ("basket-104/product-1", "float-dust"),
            ("product-9", "not-in-product-table"),
        ]
        self.assertEqual(refused, expected)

    def test_an_order_has_the_fields_of_the_import_file(self) -> None:
        self.convert()
        first = self.lines("orders.ndjson")[0]
        self.assertEqual(first["importKey"], "basket-101")
        self.assertEqual(first["customer"], {"username": "household-8"})
        self.assertEqual(first["createdAt"], "2017-01-01T12:00:00Z")
        self.assertEqual(first["currency"], "USD")
        item = {
            "productId": "1",
            "name": "Ice - Crushed/Cubed, 22 LB",
            "quantity": 3,
            "lineTotal": 800,
        }
        self.assertEqual(first["items"][0], item)

    def test_the_first_baskets_are_the_earliest(self) -> None:
        summary = self.convert(orders=2)
        self.assertEqual(summary["orders"]["baskets"]["read"], 2)
        keys = [order["importKey"] for order in self.lines("orders.ndjson")]
        self.assertEqual(keys, ["basket-101", "basket-102"])

    def test_a_product_is_the_same_however_many_baskets_are_chosen(self) -> None:
        self.convert(orders=1)
        few = (self.out / "products.ndjson").read_bytes()
        self.convert()
        self.assertEqual((self.out / "products.ndjson").read_bytes(), few)

    def test_only_used_leaves_out_what_no_written_order_names(self) -> None:
        summary = self.convert(orders=1, only_used=True)
        self.assertEqual([p["productId"] for p in self.lines("products.ndjson")], ["1", "3"])
        self.assertEqual([u["username"] for u in self.lines("users.ndjson")], ["household-8"])
        self.assertEqual(summary["products"]["notUsed"], 1)
        self.assertEqual(summary["users"]["notUsed"], 2)

    def test_every_order_names_a_user_and_known_or_listed_products(self) -> None:
        self.convert(only_used=True)
        users = {user["username"] for user in self.lines("users.ndjson")}
        products = {product["productId"] for product in self.lines("products.ndjson")}
        for order in self.lines("orders.ndjson"):
            self.assertIn(order["customer"]["username"], users)
            for item in order["items"]:
                self.assertIn(item["productId"], products | {"9"})

    def test_a_second_run_writes_the_same_bytes(self) -> None:
        self.convert()
        before = {name: (self.out / name).read_bytes() for name in FILES}
        self.convert()
        self.assertEqual({name: (self.out / name).read_bytes() for name in FILES}, before)

    def test_another_source_is_refused_and_leaves_the_files_alone(self) -> None:
        self.convert()
        before = {path.name: path.read_bytes() for path in self.out.iterdir()}
        with self.assertRaises(SourceError), Output(self.out) as output:
            convert(Source(self.directory), output, Choice(None), EXPECTED_YEAR)
        self.assertEqual({p.name: p.read_bytes() for p in self.out.iterdir()}, before)

    def test_an_account_that_does_not_balance_is_an_error(self) -> None:
        with self.assertRaises(TallyError):
            Account(read=2, written=1).check("lines")
