#!/usr/bin/env python3
"""Imports the retail data into a fresh shop and says how long each part took.

Needs a release build of the binary (cargo build --release) and the seeder's files. Nothing else
should run on the machine. Exit codes: 0 done and the validator agrees; otherwise the validator's,
or 1 where a step failed.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[1]
#: How long a step that should take seconds may take.
PATIENCE = 300


class Shop:
    """A shop in a process of its own."""

    def __init__(self, binary: Path, data: Path) -> None:
        self._binary, self._data = binary, data
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            address = f"127.0.0.1:{probe.getsockname()[1]}"
        self.url = f"http://{address}"
        command = [binary, "up", "--data", data, "--listen", address]
        started = time.monotonic()
        environment = {**os.environ, "MADRIGAL_LOG__LEVEL": "warn"}
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, env=environment)
        self.wait(lambda: self._get("/readyz")[0] == 200, "ready", every=0.01)
        self.seconds_to_ready = time.monotonic() - started
        token = [binary, "token", "issue", "--data", data, "--subject", "measure", "--minutes", "600"]
        self.token = subprocess.run(token, check=True, capture_output=True, text=True).stdout.strip()

    def import_file(self, kind: str, file: Path, *more: str) -> dict[str, Any]:
        """Runs `madrigal import` and returns its summary. Refused lines are in it and no failure."""
        command = [self._binary, "import", kind, file, "--data", self._data, "--url", self.url]
        run = subprocess.run([*command, "--output", "json", *more], stdout=subprocess.PIPE, text=True)
        if not run.stdout:
            sys.exit(f"measure: importing {kind} failed")
        return json.loads(run.stdout)

    def caught_up(self) -> float:
        """Waits until the order view has everything; returns how long that took."""
        started = time.monotonic()
        self.wait(lambda: self._get("/v1/orders?limit=1")[1].get("Madrigal-Lag") == "0", "caught up")
        return time.monotonic() - started

    def rss_mib(self) -> int:
        """The process's resident memory."""
        status = Path(f"/proc/{self._process.pid}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0]) // 1024

    def stop(self) -> float:
        """SIGTERM; returns how long it took."""
        started = time.monotonic()
        self._process.terminate()
        if self._process.wait(PATIENCE) != 0:
            sys.exit("measure: the shop did not stop well")
        return time.monotonic() - started

    def kill(self) -> None:
        """Ends the process whatever it does."""
        self._process.kill()
        self._process.wait()

    def wait(self, holds: Any, what: str, every: float = 0.05) -> None:
        """Asks until it holds."""
        until = time.monotonic() + PATIENCE
        while not holds():
            if self._process.poll() is not None or time.monotonic() > until:
                sys.exit(f"measure: the shop was not {what} within {PATIENCE} s")
            time.sleep(every)

    def _get(self, path: str) -> tuple[int, Any]:
        headers = {"Authorization": f"Bearer {self.token}"} if hasattr(self, "token") else {}
        try:
            with urllib.request.urlopen(urllib.request.Request(self.url + path, headers=headers)) as answer:
                return answer.status, answer.headers
        except urllib.error.HTTPError as error:
            return error.code, error.headers
        except OSError:
            return 0, {}


def main() -> int:
    """Measures once."""
    options = arguments()
    files = options.files
    if not (files / "orders.ndjson").exists():
        seeder = REPOSITORY / "data-migration/seeders/retail/run.sh"
        subprocess.run([seeder, "--orders", options.orders, "--out", files], check=True)
    data = Path(tempfile.mkdtemp(prefix="retail-measure-", dir=REPOSITORY / "target"))
    shop = Shop(options.binary, data)
    try:
        found: dict[str, Any] = {"secondsToReadyEmpty": shop.seconds_to_ready}
        for kind in ("products", "users", "orders"):
            refused = data / f"refused-{kind}.ndjson"
            found[kind] = shop.import_file(kind, files / f"{kind}.ndjson", "--refused", str(refused))
        found["secondsUntilViewHadAll"] = shop.caught_up()
        found["rssMib"] = shop.rss_mib()
        found["secondsToStop"] = shop.stop()
        found["dataMib"] = sum(file.stat().st_size for file in data.rglob("*") if file.is_file()) >> 20
        shop = Shop(options.binary, data)
        found["secondsToReadyFull"] = shop.seconds_to_ready
        found["rssMibAfterRestart"] = shop.rss_mib()
        again = shop.import_file("orders", files / "orders.ndjson")
        found["ordersAgain"] = again
        found["validator"], code = validated(shop, options, files, data)
        shop.stop()
    finally:
        shop.kill()
        if not options.keep:
            shutil.rmtree(data)
    report = REPOSITORY / "target" / "retail-measure.json"
    report.write_text(json.dumps(found, indent=2) + "\n")
    print(table(found))
    print(f"\nas JSON: {report.relative_to(REPOSITORY)}", file=sys.stderr)
    return code


def validated(shop: Shop, options: argparse.Namespace, files: Path, data: Path) -> tuple[Any, int]:
    """The validator's report and exit code, and how long it took."""
    command = [REPOSITORY / "data-migration/validators/retail/run.sh", "--url", shop.url]
    command += ["--refused", files / "refused.ndjson", "--shop-refused", data / "refused-orders.ndjson"]
    command += ["--orders", options.orders, "--output", "json"]
    environment, started = {**os.environ, "MADRIGAL_TOKEN": shop.token}, time.monotonic()
    run = subprocess.run(command, stdout=subprocess.PIPE, text=True, env=environment)
    seconds = time.monotonic() - started
    report = json.loads(run.stdout) if run.stdout else {"verdict": "could not check"}
    return {"verdict": report["verdict"], "sums": report.get("sums"), "seconds": seconds}, run.returncode


def table(found: dict[str, Any]) -> str:
    """The figures for people."""
    lines = [f"{'':28}{'imported':>10}{'known':>10}{'refused':>10}{'seconds':>10}{'a second':>10}"]
    for kind in ("products", "users", "orders", "ordersAgain"):
        part = found[kind]
        counts = "".join(f"{part[name]:>10,}" for name in ("imported", "known", "refused"))
        lines.append(f"{kind:28}{counts}{part['seconds']:>10.1f}{part['perSecond']:>10,.0f}")
    for name, unit in (
        ("secondsUntilViewHadAll", "s"),
        ("secondsToReadyEmpty", "s"),
        ("secondsToReadyFull", "s"),
        ("secondsToStop", "s"),
        ("rssMib", "MiB"),
        ("rssMibAfterRestart", "MiB"),
        ("dataMib", "MiB"),
    ):
        lines.append(f"{name:28}{found[name]:>10,.2f} {unit}")
    validator = found["validator"]
    lines.append(f"{'validator':28}{validator['verdict']:>10} in {validator['seconds']:.1f} s")
    return "\n".join(lines)


def arguments() -> argparse.Namespace:
    """What was asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--orders", default="all", metavar="N", help="how many baskets (default: all)")
    parser.add_argument("--files", type=Path, metavar="DIR", help="the seeder's files, made if not there")
    parser.add_argument("--binary", type=Path, default=REPOSITORY / "target/release/madrigal")
    parser.add_argument("--keep", action="store_true", help="keep the shop's data directory")
    options = parser.parse_args()
    if options.files is None:
        options.files = REPOSITORY / "target" / f"retail-{options.orders}"
    if not options.binary.exists():
        parser.error(f"{options.binary} is not there: run cargo build --release -p madrigal")
    return options


if __name__ == "__main__":
    sys.exit(main())
