import unittest

import pyarrow as pa

from retail.price import median, median_prices


class PriceTest(unittest.TestCase):
    def test_the_median_of_an_odd_number_is_the_middle_one(self) -> None:
        self.assertEqual(median([(1, 1), (5, 1), (900, 1)]), 5)

    def test_the_median_of_an_even_number_is_between_the_middle_two(self) -> None:
        self.assertEqual(median([(1, 1), (4, 1), (8, 1), (900, 1)]), 6)

    def test_halves_are_rounded_up_and_not_to_even(self) -> None:
        self.assertEqual(median([(5, 2)]), 3)
        self.assertEqual(median([(2, 1), (3, 1)]), 3)

    def test_rounding_happens_once(self) -> None:
        # 1.4 and 1.5: each rounded first gives (1 + 2) / 2 = 1.5, and so 2. The middle is 1.45.
        self.assertEqual(median([(7, 5), (3, 2)]), 1)

    def test_lines_without_money_or_quantity_set_no_price(self) -> None:
        self.assertEqual(self.prices([(1, 0, 700), (1, 4, 0), (2, 2, 500)]), {2: 250})

    def test_prices_are_ordered_as_numbers_within_a_product(self) -> None:
        self.assertEqual(self.prices([(1, 1, 1000), (1, 10, 90), (1, 1, 95)]), {1: 95})

    def test_petrol_is_priced_by_the_gallon_before_rounding(self) -> None:
        self.assertEqual(self.prices([(3, 12_345, 2_900)]), {3: 235})

    def prices(self, rows: list[tuple[int, int, int]]) -> dict[int, int]:
        names = ["product_id", "quantity", "cents"]
        table = pa.table(dict(zip(names, map(list, zip(*rows)))))
        return median_prices(table, measured=frozenset([3]))
