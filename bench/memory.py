"""The resident memory of the functions, read from the kernel while the runtime client waits.

The value is the resident set of the whole process with its runtime client, in MB of 1024 KB, as in Lambda's
log line `Max Memory Used`. It includes the pages of shared libraries. `resident` is what is resident now,
and `peak` the most that was resident so far; a peak never falls, so only a small one shows that nothing large
was held at any time.
"""

from typing import Final

import bench_events
from bench_world import Bench, Report
from figures import Goal
from invocation_answers import is_done
from runtime_api import Function, function

FEW, MANY = 1_000, 10_000
_GOAL_MB, _GROWTH_GOAL_MB, _LARGE_GOAL_MB = 40.0, 1.0, 45.0
_LARGE: Final = 250_000
_TEN: Final = 10
_FUNCTIONS: Final = ("receive", "deliver")


def measure(bench: Bench, report: Report) -> list[Goal]:
    """Return the rows."""
    rows = []
    for name in _FUNCTIONS:
        report(f"memory: {MANY:,} events of `{name}`")
        few, many = _resident(bench, name)
        rows += [
            Goal(
                f"memory_{name}",
                f"MB that are resident in `{name}` after {MANY:,} events of 10 KB",
                round(many, 1),
                _GOAL_MB,
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
    with function(bench.artifact, name, bench.environment(), bench.directory) as running:
        few = 0.0
        for number in range(1, MANY + 1):
            _invoke(running, event)
            if number == FEW:
                few = running.resident_mb
        return few, running.resident_mb


def _peak_of_large(bench: Bench) -> float:
    event = bench_events.batch(_TEN, bench_events.large_event(_LARGE))
    with function(bench.artifact, "deliver", bench.environment(), bench.directory) as running:
        _invoke(running, event)
        return running.peak_mb


def _invoke(running: Function, event: object) -> None:
    if not is_done(answer := running.invoke(event)):
        raise SystemExit(f"bench: an event was not taken: {answer}")
