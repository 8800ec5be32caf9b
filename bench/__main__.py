"""The benchmark of `make bench`: it measures, prints the ratios, and writes bench/report.json.

Nothing here passes or fails. All results are ratios to a floor that is measured in the same run, so they do
not depend on the speed of the machine.
"""

import json
import platform
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import event_cpu
import first_push
import start_cpu

_REPORT = Path(__file__).with_name("report.json")


def main() -> None:
    """Run every measurement, print the results, and write the report."""
    figures = [*first_push.measure(print), *start_cpu.measure(print), *event_cpu.measure(print)]
    report = {
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "python": platform.python_version(),
        "architecture": platform.machine(),
        "figures": {figure.name: asdict(figure) for figure in figures},
    }
    _REPORT.write_text(json.dumps(report, indent=2) + "\n", "utf-8")
    for figure in figures:
        low, high = figure.quartiles
        print(f"{figure.name:26} {figure.ratio:6.2f}  ({low} to {high})  {figure.what}")


main()
