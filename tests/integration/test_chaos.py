"""A short chaos run: the real handlers, processes that are killed, a vendor that fails, and nothing lost."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from relayctl.project import ROOT

EVENTS = 120


@pytest.mark.timeout(600)
def test_nothing_is_lost_and_nothing_told_twice(tmp_path: Path) -> None:
    """Whatever befalls it; what was done is in the report."""
    report = tmp_path / "chaos.json"
    arguments = ["--events", str(EVENTS), "--seed", "7", "--report", str(report), "--limit", "500"]
    run = subprocess.run(  # noqa: S603 (our own program)
        [sys.executable, "-m", "chaos", *arguments],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": f"{ROOT / 'src'}:{ROOT / 'tools'}"},
        capture_output=True,
        text=True,
        timeout=590,
        check=False,
    )
    assert run.returncode == 0, run.stdout[-20_000:] + run.stderr[-5_000:]
    told: dict[str, Any] = json.loads(report.read_text())
    assert (told["seed"], told["events"]) == (7, EVENTS)
    assert (told["lost"], told["duplicates_unexplained"], told["over_quota"]) == (0, 0, 0)
    assert 0 < told["max_connections"] <= 3
    assert told["delivered"] > EVENTS / 2
    # It was no calm day: workers were killed, the vendor failed, the quota ran out, a night passed.
    assert told["workers_killed"] >= 5
    assert told["faults"] > 0
    assert told["outcomes"]["crashed"] > 0
    # Hours in which every call was refused, within their budget; replays that were killed or ended.
    assert len(told["outages"]) >= 2
    assert told["calls_wasted"] > 0
    assert told["replays"]["started"] == 3
    assert told["weather"]["slower than the timeout"] >= 1
    assert told["hours_passed"] > 24
    assert sum(told["outcomes"].values()) >= EVENTS
