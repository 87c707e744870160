"""Writes the files of one conversion: all of them appear, or none."""

from __future__ import annotations

import json
from pathlib import Path
from types import TracebackType
from typing import IO, Any

FILES = ("products.ndjson", "users.ndjson", "orders.ndjson", "refused.ndjson", "summary.json")


class Output:
    """The files in one directory, under other names until the conversion has succeeded."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._files: dict[str, IO[str]] = {}

    def __enter__(self) -> Output:
        self._directory.mkdir(parents=True, exist_ok=True)
        for name in FILES:
            self._files[name] = self._partial(name).open("w", encoding="utf-8", newline="\n")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for file in self._files.values():
            file.close()
        for name in self._files:
            if kind is None:
                self._partial(name).replace(self._directory / name)
            else:
                self._partial(name).unlink(missing_ok=True)

    def line(self, name: str, body: dict[str, Any]) -> None:
        """Adds one body as one line."""
        text = json.dumps(body, ensure_ascii=False, separators=(",", ":"))
        self._files[name].write(text + "\n")

    def document(self, name: str, body: dict[str, Any]) -> None:
        """Writes a file that is one body, laid out to be read."""
        self._files[name].write(json.dumps(body, ensure_ascii=False, indent=2) + "\n")

    def _partial(self, name: str) -> Path:
        return self._directory / f".{name}.partial"
