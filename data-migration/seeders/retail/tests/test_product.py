import unittest
from typing import Any

from retail.price import DEFAULT_PRICE_CENTS
from retail.product import CategoryIds, categories, name, product, readable, slug
from retail.source import SourceError

ICE = {
    "product_id": 25671,
    "manufacturer_id": 2,
    "department": "GROCERY",
    "brand": "National",
    "product_category": "FRZN ICE",
    "product_type": "ICE - CRUSHED/CUBED",
    "package_size": "22 LB",
}


def ice(**changes: Any) -> dict[str, Any]:
    return {**ICE, **changes}


class ProductTest(unittest.TestCase):
    def test_a_product_has_the_fields_of_the_import_file(self) -> None:
        body = product(ICE, 349)
        fields = "productId name description category price attributes tags brand status"
        self.assertEqual(list(body), [*fields.split(), "initialStock"])
        self.assertEqual(body["productId"], "25671")
        self.assertEqual(body["price"], {"amount": 349, "currency": "USD", "discount": 0})

    def test_a_product_never_sold_has_the_default_price_and_says_so(self) -> None:
        body = product(ICE, None)
        self.assertEqual(body["price"]["amount"], DEFAULT_PRICE_CENTS)
        self.assertIn("default", body["description"])

    def test_a_name_is_the_narrowest_level_and_the_size(self) -> None:
        self.assertEqual(name(ICE), "Ice - Crushed/Cubed, 22 LB")
        self.assertEqual(name(ice(product_type=None, package_size=None)), "Frzn Ice")
        self.assertEqual(name(ice(product_type=None, product_category=None)), "Grocery, 22 LB")

    def test_categories_go_from_wide_to_narrow_and_skip_what_is_unknown(self) -> None:
        ids = [category["id"] for category in categories(ICE)]
        self.assertEqual(
            ids, ["grocery", "grocery/frzn-ice", "grocery/frzn-ice/ice-crushed-cubed"]
        )
        self.assertEqual(categories(ICE)[1]["path"], "Grocery > Frzn Ice")
        ids = [category["id"] for category in categories(ice(product_category=None))]
        self.assertEqual(ids, ["grocery", "grocery/ice-crushed-cubed"])

    def test_two_categories_never_share_an_id(self) -> None:
        self.assertNotEqual(slug("PK CKTLS <="), slug("PK CKTLS"))
        ids = CategoryIds()
        ids.check(product(ICE, 1))
        ids.check(product(ICE, 1))
        with self.assertRaises(SourceError):
            ids.check(product(ice(product_category="FRZN/ICE"), 1))

    def test_a_simple_size_has_a_unit_and_any_other_stays_as_it_is(self) -> None:
        sizes = {
            "22 LB": {"name": "packageSize", "value": "22", "unit": "LB"},
            ".5OZ": {"name": "packageSize", "value": ".5", "unit": "OZ"},
            "A B D  8 OZ": {"name": "packageSize", "value": "A B D 8 OZ"},
            "1/2 GAL": {"name": "packageSize", "value": "1/2 GAL"},
        }
        for size, attribute in sizes.items():
            self.assertEqual(product(ice(package_size=size), 1)["attributes"][1], attribute)

    def test_capitals_become_words_and_figures_keep_their_letters(self) -> None:
        self.assertEqual(readable("SOFT DRINKS 12/18&15PK CAN"), "Soft Drinks 12/18&15PK Can")
        self.assertEqual(readable("BABY'S  FOOD"), "Baby's Food")
