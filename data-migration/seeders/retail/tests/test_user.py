import unittest

from retail.user import user


class UserTest(unittest.TestCase):
    def test_a_household_always_becomes_the_same_user(self) -> None:
        self.assertEqual(user(123, None), user(123, None))
        profile = user(123, None)["profile"]
        self.assertEqual((profile["firstName"], profile["lastName"]), ("Grace", "Xu"))

    def test_a_user_says_that_it_is_made_up(self) -> None:
        body = user(123, None)
        self.assertEqual(body["email"], "household-123@retail.example")
        self.assertEqual(body["username"], "household-123")
        self.assertIs(body["profile"]["synthetic"], True)
        self.assertEqual(body["profile"]["householdId"], "123")

    def test_a_password_is_long_enough_and_not_made_of_the_user_name(self) -> None:
        body = user(1, None)
        self.assertGreaterEqual(len(body["password"]), 12)
        self.assertNotIn(body["username"], body["password"])

    def test_demographics_are_copied_as_given_and_the_unknown_left_out(self) -> None:
        profile = user(7, {"household_id": 7, "age": "65+", "marital_status": None})["profile"]
        self.assertEqual(profile["age"], "65+")
        self.assertNotIn("maritalStatus", profile)
