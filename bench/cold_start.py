"""The CPU time from the start of a process to the end of its first event, as a ratio to `python -c pass`.

The built artifact runs under the real runtime client (see runtime_api.py), and every server is the loopback
with TLS. CPU time is counted instead of time, so that another program on the machine does not change it; the
waiting for real servers is not counted. The floor is a new interpreter of the same Python, with its
site-packages, as `python -c pass` starts it. Both are measured alternately.
"""

import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import bench_events
import peers_environment
from bench_world import Bench, Report
from figures import Goal, summary
from invocation_answers import is_done
from runtime_api import HANDLERS, PYTHON, Function, function
from side_process import median

ROUNDS = 15
_GOAL, _SHARE_GOAL = 14.0, 33.3
_FUNCTIONS: Final = ("receive", "deliver")


@dataclass(frozen=True, slots=True)
class Start:
    """The CPU time of a start in seconds: until the first invocation, and until its end."""

    init: float
    total: float


@dataclass(frozen=True, slots=True)
class _Starts:
    """The rounds of one function."""

    ratios: list[float] = field(default_factory=list)
    shares: list[float] = field(default_factory=list)
    inits: list[float] = field(default_factory=list)
    floors: list[float] = field(default_factory=list)


def measure(bench: Bench, report: Report) -> list[Goal]:
    """Return the rows."""
    found = {name: _Starts() for name in (*_FUNCTIONS, *peers_environment.functions())}
    for number in range(ROUNDS + 1):
        for name, starts in found.items():
            floor = floor_secs()
            secs = start(bench, name) if name in _FUNCTIONS else _start_of_peer(bench, name)
            if number:  # the first round fills the disk's caches
                starts.floors.append(floor)
                starts.ratios.append(secs.total / floor)
                starts.inits.append(secs.init / floor)
                starts.shares.append(100 * (secs.total - secs.init) / secs.total)
        report(f"cold_start: round {number} of {ROUNDS}")
    peers = {name: median(found[name].ratios) for name in peers_environment.functions()}
    return [row for name in _FUNCTIONS for row in _rows(name, found[name], peers)]


def _rows(name: str, starts: _Starts, peers: Mapping[str, float]) -> list[Goal]:
    total, samples = summary(starts.ratios, starts.floors)
    init, init_samples = summary(starts.inits, starts.floors)
    share, share_samples = summary(starts.shares)
    what = f"of `{name}` from its start to the end of its first event"
    return [
        Goal(
            f"start_{name}",
            f"CPU time {what}, TLS included / python -c pass",
            total,
            _GOAL,
            peers=peers,
            samples=samples,
        ),
        Goal(
            f"start_{name}_init",
            f"CPU time of `{name}` from its start to its first invocation / python -c pass",
            init,
            None,
            samples=init_samples,
        ),
        Goal(
            f"start_{name}_share",
            f"percent of the CPU time {what} that is inside the invocation",
            share,
            _SHARE_GOAL,
            samples=share_samples,
        ),
    ]


def start(bench: Bench, name: str, built: Path | None = None) -> Start:
    """Start a function, let it handle its first event, and return the CPU time.

    built  the artifact, if it is not the shared one
    """
    artifact = built or bench.artifact
    event = bench_events.webhook() if name == "receive" else bench_events.batch()
    with function(artifact, HANDLERS[name], bench.environment(artifact), bench.directory) as started:
        return _measured(started, event)


def _start_of_peer(bench: Bench, name: str) -> Start:
    with peers_environment.peer_function(bench, name) as started:
        return _measured(started, bench_events.webhook())


def _measured(started: Function, event: object) -> Start:
    init = started.cpu_secs
    if not is_done(answer := started.invoke(event)):
        raise SystemExit(f"bench: the event was not taken: {answer}\n{started.log.read_text('utf-8')}")
    return Start(init, started.cpu_secs)


def floor_secs() -> float:
    """Return the CPU time in which an interpreter without a program starts and ends."""
    process = subprocess.Popen([PYTHON, "-c", "pass"], env={"PATH": os.environ["PATH"]})
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return usage.ru_utime + usage.ru_stime
