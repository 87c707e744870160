"""The command line. Messages go to standard error, the report to standard output."""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path

from validate.report import report, table
from validate.shop import Shop
from validate.source import CannotCheck, Refused, Source

AGREE, DIFFER, CANNOT_CHECK = 0, 3, 4


def main(arguments: list[str] | None = None, source: Source | None = None) -> int:
    """Runs one comparison and returns the exit code; argparse itself exits with 2."""
    options = _parser().parse_args(arguments)
    try:
        refused = Refused.read(options.refused, options.shop_refused)
        expected = (source or Source.installed()).expected(refused, options.orders)
        found, others = Shop(options.url, options.token).imported()
        document = report(expected, found, others)
    except (CannotCheck, OSError, KeyError, TypeError, ValueError) as error:
        reason = error if isinstance(error, (CannotCheck, OSError)) else f"unexpected form: {error!r}"
        print(f"validate: could not check: {reason}", file=sys.stderr)
        return CANNOT_CHECK
    print(json.dumps(document, indent=2) if options.output == "json" else table(document))
    return AGREE if document["verdict"] == "agree" else DIFFER


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="run.sh", description="Compares a shop's imported orders with the retail source."
    )
    parser.add_argument(
        "--refused", type=Path, required=True, metavar="FILE", help="the seeder's refused.ndjson"
    )
    parser.add_argument(
        "--shop-refused",
        type=Path,
        metavar="FILE",
        help="what `madrigal import orders --refused FILE` wrote, if the shop refused lines",
    )
    parser.add_argument(
        "--orders",
        type=_orders,
        default=2_000,
        metavar="N",
        help="how many baskets were converted, or 'all' (default: 2000)",
    )
    parser.add_argument("--url", default="http://127.0.0.1:8080", help="the shop's address")
    token = os.environ.get("MADRIGAL_TOKEN")
    parser.add_argument(
        "--token",
        default=token,
        required=token is None,
        help="an operator's token (`madrigal token issue --subject validator`); or MADRIGAL_TOKEN",
    )
    parser.add_argument("--output", choices=("table", "json"), default="table")
    return parser


def _orders(text: str) -> int | None:
    if text == "all":
        return None
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError("a number from 1, or 'all'")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
