"""The resident memory of the functions, read from the kernel while the runtime client waits.

The value is the resident set of the whole process with its runtime client, in MB of 1024 KB, as in Lambda's
log line `Max Memory Used`. It includes the pages of shared libraries. `resident` is what is resident now,
and `peak` the most that was resident so far; a peak never falls, so only a small one shows that nothing large
was held at any time.
"""

from typing import Final

import bench_events
import peers_environment
from bench_world import Bench, Report
from figures import Goal
from invocation_answers import is_done
from runtime_api import HANDLERS, Function, function

FEW, MANY = 1_000, 10_000
_GOAL_MB, _GROWTH_GOAL_MB, _LARGE_GOAL_MB = 40.0, 1.0, 45.0
_LARGE: Final = 250_000
_TEN: Final = 10
_FUNCTIONS: Final = ("receive", "deliver")


def measure(bench: Bench, report: Report) -> list[Goal]:
    """Return the rows."""
    rows = []
    peers = _peers(bench, report)
    for name in _FUNCTIONS:
        report(f"memory: {MANY:,} events of `{name}`")
        few, many = _resident(bench, name)
        rows += [
            Goal(
                f"memory_{name}",
                f"MB that are resident in `{name}` after {MANY:,} events of 10 KB",
                round(many, 1),
                _GOAL_MB,
                peers=peers,
            ),
            Goal(
                f"memory_{name}_growth",
                f"MB by which they have grown since the event {FEW:,}",
                round(many - few, 1),
                _GROWTH_GOAL_MB,
            ),
        ]
    what = f"most MB that are resident in `deliver` with a first batch of {_TEN} events of 250 KB"
    return [*rows, Goal("memory_large", what, round(_peak_of_large(bench), 1), _LARGE_GOAL_MB)]


def _resident(bench: Bench, name: str) -> tuple[float, float]:
    """Return the resident memory after few and after many events."""
    event = bench_events.webhook() if name == "receive" else bench_events.batch()
    with function(bench.artifact, HANDLERS[name], bench.environment(), bench.directory) as running:
        for _ in range(FEW):
            _invoke(running, event)
        few = running.resident_mb
        for _ in range(MANY - FEW):
            _invoke(running, event)
        return few, running.resident_mb


def _peers(bench: Bench, report: Report) -> dict[str, float]:
    """Return the resident memory of the peers after few events: theirs does not have to be flat."""
    found = {}
    for name in peers_environment.functions():
        report(f"memory: {FEW:,} events of {name}")
        with peers_environment.peer_function(bench, name) as running:
            for _ in range(FEW):
                _invoke(running, bench_events.webhook())
            found[name] = round(running.resident_mb, 1)
    return found


def _peak_of_large(bench: Bench) -> float:
    event = bench_events.batch(_TEN, bench_events.large_event(_LARGE))
    with function(bench.artifact, HANDLERS["deliver"], bench.environment(), bench.directory) as running:
        _invoke(running, event)
        return running.peak_mb


def _invoke(running: Function, event: object) -> None:
    if not is_done(answer := running.invoke(event)):
        raise SystemExit(f"bench: an event was not taken: {answer}")
