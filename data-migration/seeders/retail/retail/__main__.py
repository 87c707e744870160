"""The command line. Messages go to standard error, data to files."""

from __future__ import annotations

import argparse
import resource
import sys
import time
from pathlib import Path

from retail.convert import Choice, convert
from retail.output import Output
from retail.source import EXPECTED_YEAR, Source, SourceError
from retail.tally import TallyError

REPOSITORY = Path(__file__).resolve().parents[4]


def main() -> int:
    """Runs one conversion; 0 if it succeeded, 1 if it failed, 2 if it was called wrongly."""
    arguments = _parser().parse_args()
    started = time.monotonic()
    try:
        with Output(arguments.out) as output:
            choice = Choice(arguments.orders, arguments.only_used)
            summary = convert(Source.installed(), output, choice, EXPECTED_YEAR)
    except (SourceError, TallyError, OSError) as error:
        print(f"retail: {error}", file=sys.stderr)
        return 1
    # Not in the summary: files are the same byte for byte whenever they are made.
    seconds = time.monotonic() - started
    peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    orders = summary["orders"]
    print(
        f"retail: {orders['baskets']['written']} orders with {orders['lines']['written']} lines, "
        f"{summary['products']['written']} products, {summary['users']['written']} users "
        f"in {seconds:.1f} s, at most {peak_mib} MiB: {arguments.out}",
        file=sys.stderr,
    )
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="run.sh", description="Converts a year of retail baskets to Madrigal's import files."
    )
    parser.add_argument(
        "--orders",
        type=_orders,
        default=2_000,
        metavar="N",
        help="how many baskets, the earliest first, or 'all' (default: 2000)",
    )
    parser.add_argument(
        "--out",
        type=Path,
        default=REPOSITORY / "target" / "retail",
        metavar="DIR",
        help="where the files go (default: target/retail in the repository)",
    )
    parser.add_argument(
        "--only-used",
        action="store_true",
        help="only the products and users that the written orders name",
    )
    return parser


def _orders(text: str) -> int | None:
    if text == "all":
        return None
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError("a number from 1, or 'all'")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
