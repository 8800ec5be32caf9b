"""A short chaos run: the real handlers, killed processes, a failing vendor, and nothing lost."""

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
def test_no_push_is_lost_or_repeated_without_a_reason(tmp_path: Path) -> None:
    """The report also shows that enough went wrong to prove something."""
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
    result: dict[str, Any] = json.loads(report.read_text())
    assert (result["seed"], result["events"]) == (7, EVENTS)
    assert (result["lost"], result["duplicates_unexplained"], result["over_quota"]) == (0, 0, 0)
    assert 0 < result["max_connections"] <= 3
    assert result["delivered"] > EVENTS / 2
    # Workers were killed, the vendor failed, poison crashed its workers, and midnight passed.
    assert result["workers_killed"] >= 5
    assert result["faults"] > 0
    assert result["outcomes"]["crashed"] > 0
    # The vendor refused every call for hours, and replays were started.
    assert len(result["outages"]) >= 2
    assert result["calls_wasted"] > 0
    assert result["replays"]["started"] == 3
    assert result["vendor_faults"]["slower than the timeout"] >= 1
    assert result["hours_passed"] > 24
    # Both organisations were called, and ticks and wake-ups brought back what waited.
    assert all(account["calls"] > 0 for account in result["accounts"].values())
    assert len(result["accounts"]) == 2
    assert result["handlings"]["events"] > 0
    assert result["ticks"] > 0
    # Requests carried several events, invalid ones among them, and each event had an outcome of its own.
    assert result["split"]["events"] > result["split"]["requests"] > 3
    assert result["split"]["invalid"] > 0
    assert result["split_outcomes"]["rejected"] >= result["split"]["invalid"]
    assert result["split_outcomes"]["delivered"] > 0
    assert sum(result["outcomes"].values()) >= EVENTS
