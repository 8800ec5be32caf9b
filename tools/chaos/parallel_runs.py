"""Several runs in parallel. Each has organisations and a local AWS of its own, and a share of the events.

One run uses little more than one core: its local AWS is one process.
"""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from rich.console import Console

from chaos.verdict import Verdict

_LINE_INTERVAL_SECS: Final = 15.0
#: Numbers of the reports whose maximum is taken. All others are added up.
_MAXIMA: Final = frozenset({"max_connections", "seconds", "hours_passed", "daily_calls", "mean", "max"})


@dataclass(slots=True)
class Part:
    """One of the runs: its process, the file with its output, and its report."""

    process: subprocess.Popen[bytes]
    printed: Path
    report: Path

    def last_line(self) -> str:
        """Return the last line of its output."""
        lines = self.printed.read_text(encoding="utf-8", errors="replace").splitlines()
        return lines[-1] if lines else "starting"


def run_in_parallel(shares: Sequence[int], seed: int, arguments: Sequence[str], console: Console) -> Verdict:
    """Run one part for each share of the events, and return the verdict of all parts.

    shares     the number of events of each part
    arguments  further arguments of each part
    """
    with tempfile.TemporaryDirectory() as directory:
        parts: list[Part] = []
        try:
            for number, events in enumerate(shares):
                parts.append(_start(Path(directory, str(number)), events, seed + number, arguments))
            while any(part.process.poll() is None for part in parts):
                time.sleep(_LINE_INTERVAL_SECS)
                for number, part in enumerate(parts):
                    console.print(f"{number}: {part.last_line()}", markup=False)
        finally:
            for part in parts:
                part.process.terminate()
                part.process.wait()
        return _total(parts, seed, console)


def _start(path: Path, events: int, seed: int, arguments: Sequence[str]) -> Part:
    printed, report = path.with_suffix(".txt"), path.with_suffix(".json")
    command = [sys.executable, "-m", "chaos", "--parallel", "1", "--events", str(events), "--seed", str(seed)]
    command += ["--report", str(report), *arguments]
    with printed.open("wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out)
    return Part(process, printed, report)


def _total(parts: Sequence[Part], seed: int, console: Console) -> Verdict:
    """Combine the reports of the parts. The output of a part that failed is printed."""
    verdict = Verdict(seed, 0)
    total: dict[str, Any] = {}
    for number, part in enumerate(parts):
        if part.process.returncode != 0:
            verdict.fail("a part failed", str(number))
            console.print(part.printed.read_text(encoding="utf-8", errors="replace"), markup=False)
        if part.report.exists():
            report: dict[str, Any] = json.loads(part.report.read_text(encoding="utf-8"))
            total = {name: _add(name, total.get(name), value) for name, value in report.items()}
    for name in ("events", "delivered", "lost", "duplicates", "duplicates_unexplained", "over_quota"):
        setattr(verdict, name, total.pop(name, 0))
    verdict.max_connections = total.pop("max_connections", 0)
    verdict.outcomes = total.pop("outcomes", {})
    verdict.details = {"parallel": len(parts), **{k: v for k, v in total.items() if k != "seed"}}
    return verdict


def _add(name: str, total: Any, value: Any) -> Any:
    if total is None:
        return value
    if isinstance(value, dict):
        both = {**total, **value}
        return {key: _add(key, total.get(key), value.get(key, each)) for key, each in sorted(both.items())}
    if isinstance(value, str):
        return f"{total}, {value}"
    return max(total, value) if name in _MAXIMA else total + value
