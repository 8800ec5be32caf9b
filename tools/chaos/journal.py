"""The journal of a worker: a line before and after each step. It survives the worker's SIGKILL.

Each line is a JSON object:

| key    | value                                                    |
|--------|----------------------------------------------------------|
| `at`   | the worker's time of day, in seconds since the epoch     |
| `step` | the step's name                                          |
| others | details of the step: `key`, `to`, `markers`, `result`... |
"""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

type Entry = dict[str, Any]


class Journal:
    """A file that lines are appended to.

    Each line is one write, so a killed worker leaves no partial line.
    """

    def __init__(self, file: Path) -> None:
        self._descriptor = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def note(self, at: float, step: str, **details: Any) -> None:
        """Append a line. `at`: seconds since the epoch."""
        line = json.dumps({"at": round(at, 3), "step": step, **details}, separators=(",", ":"))
        os.write(self._descriptor, line.encode() + b"\n")


def read_journals(directory: Path) -> Iterator[tuple[Path, Iterator[Entry]]]:
    """Yield each journal's file and its entries, in the order in which they were written.

    The entries are read one by one, because those of a long run would fill the memory.
    """
    for file in sorted(directory.glob("*.jsonl")):
        with file.open(encoding="ascii") as lines:
            yield file, map(json.loads, lines)
