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
_PROGRAMS = {
    "pace": _PACE,
    "event": "import event_cpu; event_cpu.ROUNDS = event_cpu.EVENTS = 2; event_cpu.measure(print)",
    "start": "import start_cpu; start_cpu.ROUNDS = 2; start_cpu.MANY = 12; start_cpu.measure(print)",
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
