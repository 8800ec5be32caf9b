"""The benchmark can be run: with its server in place of the vendor and DynamoDB, and with the local AWS."""

import os
import subprocess
import sys

import pytest

from relayctl.project import ROOT

_PACE = """
import pace

pace.BACKLOG, pace.WAITING = 24, 12
rows = [row for name in ("pace_trips", "pace_many") for row in pace.measure(print, name)]
rows += pace.waiting("pace_wait", 900.0)
assert all(row.value > 0 for row in rows), rows
"""
_ARTIFACT = """
import artifact_size, cold_start, cost, event_cpu, flat, memory
from bench_world import bench_world

cold_start.ROUNDS = event_cpu.ROUNDS = event_cpu.CALLS = flat.ROUNDS = flat.CALLS = flat.START_ROUNDS = 2
flat.ROUTES, flat.SOURCES, memory.FEW, memory.MANY, cost.INVOCATIONS = (3, 9), (6, 12), 5, 10, 5
with bench_world(print) as bench:
    for part in (artifact_size, cold_start, event_cpu, flat, memory):
        assert all(row.value != 0 or "growth" in row.name for row in part.measure(bench, print)), part
    costs = cost.measure(bench, print)
assert 1 < len(costs.tables["series"]) < 20, costs.tables["series"]
"""
_PROGRAMS = {
    "pace": _PACE,
    "artifact": _ARTIFACT,
}


@pytest.mark.timeout(240)
@pytest.mark.parametrize("program", _PROGRAMS.values(), ids=_PROGRAMS)
def test_the_benchmark_can_be_run(program: str) -> None:
    """The benchmark itself runs rarely, so a change of the ledger's calls could break it without notice."""
    done = subprocess.run(  # noqa: S603 (our own program)
        [sys.executable, "-c", program],
        cwd=ROOT,
        env={
            **os.environ,
            "PYTHONPATH": ":".join(f"{ROOT / name}" for name in ("src", "tools", "tests", "bench")),
        },
        capture_output=True,
        text=True,
        timeout=230,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
