"""The benchmark of `make bench`: it measures, prints the results, and writes bench/report.json.

Nothing here passes or fails. The figures are ratios to a floor that is measured in the same run, so they do
not depend on the speed of the machine. The goals compare the handler's pace with what is possible at most.

`python bench NAME` measures only the goals whose names begin with NAME, and keeps the report's other rows.
"""

import json
import platform
import sys
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import event_cpu
import first_push
import pace
import start_cpu

_REPORT = Path(__file__).with_name("report.json")


def main(only: str) -> None:
    """Run every measurement, print the results, and write the report."""
    report: dict[str, Any] = {} if not only else json.loads(_REPORT.read_text("utf-8"))
    if not only:
        figures = [*first_push.measure(print), *start_cpu.measure(print), *event_cpu.measure(print)]
        report = {
            "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
            "python": platform.python_version(),
            "architecture": platform.machine(),
            "figures": {figure.name: asdict(figure) for figure in figures},
        }
        for figure in figures:
            low, high = figure.quartiles
            print(f"{figure.name:26} {figure.ratio:6.2f}  ({low} to {high})  {figure.what}")
    goals = pace.measure(print, only)
    report["goals"] = report.get("goals", {}) | {goal.name: goal.as_json() for goal in goals}
    _REPORT.write_text(json.dumps(report, indent=2) + "\n", "utf-8")
    for goal in goals:
        result = "met" if goal.is_met else "NOT MET"
        print(f"{goal.name:26} {goal.value:6.2f}  ({goal.bound} {goal.goal}: {result})  {goal.what}")


# The workers of `pace` are spawned, and import this module again.
if __name__ == "__main__":
    main(sys.argv[1] if sys.argv[1:] else "")
