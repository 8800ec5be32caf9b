"""The benchmark of `make bench`: it measures, prints the rows, and writes the report and its charts.

Nothing here passes or fails. Most values are ratios to a floor that is measured in the same run, so they do
not depend on the speed of the machine. A row has a goal, or is reported only.

`python bench NAME` measures only the rows whose names begin with NAME, and keeps the report's other rows.
"""

import json
import os
import platform
import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import artifact_size
import cold_start
import cost
import event_cpu
import flat
import memory
import pace
import peers_environment
import report_page
from bench_world import Bench, Report, bench_world
from figures import Goal

_REPORT: Final = Path(__file__).with_name("report.json")
_PAGE: Final = Path(__file__).with_name("report.md")
_CHARTS: Final = Path(__file__).with_name("peers") / "charts.py"
#: The measurements with the built artifact, by the beginnings of their rows' names.
_MEASUREMENTS: Final[Mapping[tuple[str, ...], Callable[[Bench, Report], list[Goal]]]] = {
    ("start_",): cold_start.measure,
    ("event_", "receive_"): event_cpu.measure,
    ("flat_",): flat.measure,
    ("memory_",): memory.measure,
    ("artifact_",): artifact_size.measure,
}
_COST: Final = ("cost_",)


def main(only: str) -> None:
    """Run the measurements, print the rows, and write the report."""
    known: dict[str, Any] = json.loads(_REPORT.read_text("utf-8")) if only else {}
    rows, costs = _measured(only)
    now = datetime.now(UTC).isoformat(timespec="seconds")
    goals = {row.name: row.as_json() | {"measured_at": now} for row in rows}
    report = {
        "measured_at": now,
        "machine": _machine(),
        "peers": peers_environment.versions() if peers_environment.is_installed() else {},
        "goals": known.get("goals", {}) | goals,
        "cost": costs or known.get("cost", {}),
    }
    _REPORT.write_text(json.dumps(report, indent=2) + "\n", "utf-8")
    _PAGE.write_text(report_page.page(report), "utf-8")
    for row in rows:
        print(f"{row.name:32} {row.value:8.2f}  {_result(row):24}  {row.what}")
    _draw()


def _result(row: Goal) -> str:
    if row.goal is None:
        return "no goal"
    return f"{row.bound} {row.goal:g}: {'met' if row.is_met else 'NOT MET'}"


def _measured(only: str) -> tuple[list[Goal], dict[str, Any]]:
    """Return the rows, and the tables of the costs if they were measured."""
    rows: list[Goal] = []
    costs: dict[str, Any] = {}
    with ExitStack() as cleanup:
        chosen = [measure for names, measure in _MEASUREMENTS.items() if _is_chosen(names, only)]
        is_cost_chosen = _is_chosen(_COST, only)
        if chosen or is_cost_chosen:
            bench = cleanup.enter_context(bench_world(print))
            for measure in chosen:
                rows += measure(bench, print)
            if is_cost_chosen:
                cost_rows, costs = cost.measure(bench, print)
                rows += cost_rows
    rows += pace.measure(print, only)
    return [row for row in rows if row.name.startswith(only)], costs


def _is_chosen(names: tuple[str, ...], only: str) -> bool:
    return not only or any(name.startswith(only) or only.startswith(name) for name in names)


def _machine() -> dict[str, Any]:
    """Return what the values may depend on."""
    information = Path("/proc/cpuinfo")
    lines = information.read_text("utf-8").splitlines() if information.exists() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return {
        "python": platform.python_version(),
        "architecture": platform.machine(),
        "processor": models[0] if models else platform.processor(),
        "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.release()}",
    }


def _draw() -> None:
    """Draw the charts with matplotlib, which is in the peers' environment."""
    if not peers_environment.is_installed():
        print(f"no charts were drawn: {peers_environment.MISSING}")
        return
    subprocess.run([peers_environment.PYTHON, "-B", _CHARTS, _REPORT, _REPORT.parent], check=True)


# The workers of `pace` are spawned, and import this module again.
if __name__ == "__main__":
    main(sys.argv[1] if sys.argv[1:] else "")
