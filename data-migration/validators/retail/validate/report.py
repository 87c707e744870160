"""Compares the two sides and says what was found."""

from __future__ import annotations

from typing import Any

from validate.source import Expected
from validate.sums import DIMENSIONS, MEASURES, Sums

#: How many differences of a dimension are named.
NAMED = 20


def report(expected: Expected, found: Sums, others: int) -> dict[str, Any]:
    """The comparison as one document; ``verdict`` is ``agree`` or ``differ``."""
    total, wanted = found.total(), expected.imported.total()
    rows = {
        what: {
            "source": expected.source[what],
            "refused": expected.refused[what],
            "imported": total[measure],
            "missing": expected.source[what] - expected.refused[what] - total[measure],
        }
        for what, measure in (("baskets", "orders"), ("lines", "lines"), ("cents", "cents"))
    }
    rows["pieces"] = {
        "source": None,
        "refused": None,
        "imported": total["quantity"],
        "missing": wanted["quantity"] - total["quantity"],
    }
    compared = {}
    for name in DIMENSIONS:
        differences = expected.imported.differences(found, name)
        compared[name] = {
            "keys": len(expected.imported.by[name].keys() | found.by[name].keys()),
            "differing": len(differences),
            "differences": [
                {"key": key, "expected": dict(zip(MEASURES, one)), "found": dict(zip(MEASURES, two))}
                for key, one, two in differences[:NAMED]
            ],
        }
    differ = expected.strange or any(part["differing"] for part in compared.values())
    return {
        "verdict": "differ" if differ else "agree",
        "sums": rows,
        "compared": compared,
        "strangeRefusals": expected.strange[:NAMED],
        "otherOrders": others,
    }


def table(document: dict[str, Any]) -> str:
    """The same for people."""
    width = 14
    text = [_row(["", "source", "refused", "imported", "missing"], width)]
    for what, row in document["sums"].items():
        text.append(_row([what, *("-" if cell is None else f"{cell:,}" for cell in row.values())], width))
    text.append("")
    text.append(_row(["compared by", "keys", "differing"], width))
    for name, part in document["compared"].items():
        text.append(_row([name, f"{part['keys']:,}", f"{part['differing']:,}"], width))
    for name, part in document["compared"].items():
        for one in part["differences"]:
            text.append(f"{name} {one['key']}: expected {_sums(one['expected'])}, found {_sums(one['found'])}")
    text += document["strangeRefusals"]
    if document["otherOrders"]:
        text.append(f"{document['otherOrders']:,} other orders were passed over")
    text += ["", f"source and shop {document['verdict']}"]
    return "\n".join(text)


def _row(cells: list[str], width: int) -> str:
    return cells[0].ljust(width) + "".join(cell.rjust(width) for cell in cells[1:])


def _sums(sums: dict[str, int]) -> str:
    return ", ".join(f"{value:,} {name}" for name, value in sums.items())
