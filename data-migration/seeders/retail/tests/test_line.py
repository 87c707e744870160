import unittest

from retail.line import Catalogue, Refused, Written, decide, whole_gallons
from tests.sample import line

ICE, PETROL, UNKNOWN = 1, 3, 9
CATALOGUE = Catalogue({ICE: "Ice", PETROL: "Petrol"}, frozenset([PETROL]))


class LineTest(unittest.TestCase):
    def written(self, *facts: int) -> Written:
        decision = decide(line(*facts), CATALOGUE)
        assert isinstance(decision, Written)
        return decision

    def test_a_clean_line_is_written_as_it_is(self) -> None:
        item = {"productId": "1", "name": "Ice", "quantity": 2, "lineTotal": 500}
        self.assertEqual(self.written(ICE, 2, 500), Written(item, ()))

    def test_nothing_for_nothing_is_refused(self) -> None:
        self.assertEqual(decide(line(ICE, 0, 0), CATALOGUE), Refused("nothing-sold"))

    def test_nothing_for_less_than_a_cent_is_refused_under_its_own_reason(self) -> None:
        self.assertEqual(decide(line(ICE, 0, 0, dust=True), CATALOGUE), Refused("float-dust"))

    def test_money_without_a_quantity_buys_one(self) -> None:
        decision = self.written(ICE, 0, 50)
        self.assertEqual(decision.item["quantity"], 1)
        self.assertEqual(decision.item["lineTotal"], 50)
        self.assertEqual(decision.notes, ("value-without-quantity",))

    def test_a_free_line_is_written_with_a_total_of_nothing(self) -> None:
        decision = self.written(ICE, 3, 0)
        self.assertEqual((decision.item["quantity"], decision.item["lineTotal"]), (3, 0))
        self.assertEqual(decision.notes, ("free",))

    def test_petrol_is_written_in_gallons_and_keeps_its_cents(self) -> None:
        decision = self.written(PETROL, 12_345, 2_900)
        self.assertEqual((decision.item["quantity"], decision.item["lineTotal"]), (12, 2_900))
        self.assertEqual(decision.notes, ("gasoline-in-gallons", "total-not-a-multiple"))

    def test_petrol_paid_before_filling_is_one_purchase(self) -> None:
        self.assertEqual(self.written(PETROL, 1, 2_000).notes, ())

    def test_a_large_quantity_of_anything_else_is_kept(self) -> None:
        self.assertEqual(self.written(ICE, 12_345, 12_345).item["quantity"], 12_345)

    def test_an_unknown_product_is_written_under_a_name_that_says_so(self) -> None:
        decision = self.written(UNKNOWN, 1, 100)
        self.assertEqual(decision.item["name"], "Unknown product 9")
        self.assertEqual(decision.notes, ("unknown-product",))

    def test_a_total_that_the_quantity_does_not_divide_is_kept(self) -> None:
        decision = self.written(ICE, 3, 800)
        self.assertEqual(decision.item["lineTotal"], 800)
        self.assertEqual(decision.notes, ("total-not-a-multiple",))

    def test_gallons_are_rounded_half_up_and_never_to_none(self) -> None:
        gallons = [whole_gallons(n) for n in (10, 499, 1_499, 1_500, 89_638)]
        self.assertEqual(gallons, [1, 1, 1, 2, 90])
