"""Makes a user of a household. The source knows a number; the person is made up and says so."""

from __future__ import annotations

import hashlib
from typing import Any

#: Changing it gives every household another name.
SEED = "madrigal-retail-1"

#: Every user exists before the first basket (2017-01-01T11:53:26Z).
CREATED_AT = "2017-01-01T00:00:00Z"

FIRST_NAMES = (
    "Ada", "Amir", "Beatriz", "Chen", "Clara", "Daniel", "Elif", "Emil", "Fatima", "Frida",
    "Grace", "Hugo", "Ines", "Jonas", "Kofi", "Lena", "Luca", "Maja", "Mateo", "Nadia",
    "Noah", "Olga", "Omar", "Priya", "Rosa", "Samuel", "Sofia", "Tariq", "Vera", "Yuki",
)  # fmt: skip

LAST_NAMES = (
    "Adler", "Bauer", "Castro", "Dias", "Eriksen", "Fischer", "Garcia", "Haddad", "Ito",
    "Jensen", "Kaya", "Larsen", "Mensah", "Moreau", "Novak", "Okafor", "Petrov", "Quist",
    "Rossi", "Silva", "Tanaka", "Ueda", "Varga", "Weber", "Xu", "Yilmaz", "Zeman",
)  # fmt: skip

#: The columns of the demographics table and the names they get in the profile.
DEMOGRAPHICS = {
    "age": "age",
    "income": "income",
    "home_ownership": "homeOwnership",
    "marital_status": "maritalStatus",
    "household_size": "householdSize",
    "household_comp": "householdComposition",
    "kids_count": "kidsCount",
}


def user(household_id: int, demographics: dict[str, Any] | None) -> dict[str, Any]:
    """The import body. Demographics are copied as given; what is not known is left out."""
    known = demographics or {}
    return {
        "email": f"{username(household_id)}@retail.example",
        "username": username(household_id),
        "password": password(household_id),
        "profile": {
            "firstName": _drawn(FIRST_NAMES, "first", household_id),
            "lastName": _drawn(LAST_NAMES, "last", household_id),
            "synthetic": True,
            "householdId": str(household_id),
            **{
                field: known[column]
                for column, field in DEMOGRAPHICS.items()
                if known.get(column) is not None
            },
        },
        "createdAt": CREATED_AT,
    }


def username(household_id: int) -> str:
    """The household's name in users and orders."""
    return f"household-{household_id}"


def password(household_id: int) -> str:
    """A password that everybody may know; never contains the user name."""
    return f"not-a-secret-{household_id:06d}"


def _drawn(names: tuple[str, ...], which: str, household_id: int) -> str:
    digest = hashlib.sha256(f"{SEED}:{which}:{household_id}".encode()).digest()
    return names[int.from_bytes(digest[:8], "big") % len(names)]
