import unittest
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow as pa

from retail.source import PACKAGE, VERSION, Source, SourceError, survey, to_cents
from tests import sample


class SourceTest(unittest.TestCase):
    def setUp(self) -> None:
        directory = TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.directory = Path(directory.name)
        self.source = Source(self.directory)

    def test_dollars_become_the_cents_they_stand_for(self) -> None:
        dollars = pa.array([0.0, 0.29, 1.15, 840.0, 4e-16])
        self.assertEqual(to_cents(dollars).to_pylist(), [0, 29, 115, 84_000, 0])

    def test_a_fraction_of_a_cent_is_refused(self) -> None:
        with self.assertRaises(SourceError):
            to_cents(pa.array([0.125]))

    def test_baskets_come_by_time_and_then_by_id(self) -> None:
        sample.write(self.directory)
        baskets = [lines[0].basket_id for lines in self.source.baskets()]
        self.assertEqual(baskets, [101, 102, 103, 104])

    def test_the_lines_of_a_basket_keep_their_order(self) -> None:
        sample.write(self.directory)
        last = list(self.source.baskets())[-1]
        self.assertEqual([line.quantity for line in last], [0, 1, 0, 1, 0])

    def test_a_table_that_is_not_in_the_order_of_time_is_refused(self) -> None:
        sample.write(self.directory, sample.SALES[::-1])
        with self.assertRaisesRegex(SourceError, "order of time"):
            list(self.source.baskets())

    def test_the_survey_counts_the_year(self) -> None:
        sample.write(self.directory)
        self.assertEqual(survey(self.source.sales(), 3), sample.YEAR)

    def test_a_basket_of_two_households_is_refused(self) -> None:
        sample.write(self.directory, [(7, 1, 1, 1, 1.0, 0), (8, 1, 2, 1, 1.0, 0)])
        with self.assertRaisesRegex(SourceError, "household_id"):
            survey(self.source.sales(), 3)

    def test_a_negative_quantity_is_refused(self) -> None:
        sample.write(self.directory, [(7, 1, 1, -1, 1.0, 0)])
        with self.assertRaisesRegex(SourceError, "negative"):
            survey(self.source.sales(), 3)

    def test_the_package_expected_is_the_package_installed(self) -> None:
        requirements = Path(__file__).parents[1] / "requirements.txt"
        self.assertIn(f"{PACKAGE}=={VERSION}", requirements.read_text().splitlines())
