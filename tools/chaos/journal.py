"""What each worker writes down before and after each step; it survives the worker's SIGKILL.

One JSON object a line: `at` (the worker's time of day), `step`, and what the step is about.
"""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

type Entry = dict[str, Any]


class Journal:
    """A file that only grows. A line is one write, so a killed worker leaves no half of one."""

    def __init__(self, file: Path) -> None:
        self._descriptor = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def note(self, at: float, step: str, **about: Any) -> None:
        """Write a line."""
        line = json.dumps({"at": round(at, 3), "step": step, **about}, separators=(",", ":"))
        os.write(self._descriptor, line.encode() + b"\n")


def read_journals(directory: Path) -> Iterator[tuple[Path, list[Entry]]]:
    """Return each worker's lines, in the order in which it wrote them."""
    for file in sorted(directory.glob("*.jsonl")):
        with file.open(encoding="ascii") as lines:
            yield file, [json.loads(line) for line in lines]
