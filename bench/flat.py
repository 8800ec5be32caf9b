"""Whether an event costs the same with many routes and many sources, and what reading many routes costs.

Each artifact is written by the build with its own configuration. The CPU time of an event is measured with
the ledger in memory, so that a difference is not hidden behind the calls of AWS. The value is the median of
the rounds' quotients; all artifacts are measured alternately.
"""

from contextlib import ExitStack
from pathlib import Path
from typing import Final

import bench_events
import cold_start
import source_folders
from bench_world import MANY_CALLS, Bench, Report
from event_cpu import OwnSide, own_side, written
from figures import Goal, summary
from relayctl.project import ROOT
from side_process import Rounds, Side, alternate

ROUNDS, CALLS, START_ROUNDS = 21, 40, 15
FEW_ROUTES, ROUTES = 1, (100, 10_000)
FEW_SOURCES, SOURCES = 5, (60, 500)
_GOAL, _READING_GOAL = 1.3, 1.0
#: The routes that take the measured events. The others are of the same source and take other events.
_ROUTES: Final = f"""
[account.default]
{MANY_CALLS}
[[route]]
source = "github"
when = "type == 'issues' && data.action == 'opened'"
to = ["external:4711"]
"""
_OTHER_ROUTE: Final = """
[[route]]
source = "github"
when = "type == 'issues' && data.repository.full_name == 'octo-org/repository-{number}'"
to = ["external:{number}"]
"""
_ROUTE_OF_SOURCE: Final = """
[[route]]
source = "{name}"
to = ["external:4711"]
"""


def measure(bench: Bench, report: Report) -> list[Goal]:
    """Return the rows."""
    report(f"flat: building with {FEW_ROUTES}, {ROUTES} routes and with {FEW_SOURCES}, {SOURCES} sources")
    routes = {number: _with_routes(bench, number) for number in (FEW_ROUTES, *ROUTES)}
    sources = {number: _with_sources(bench, number) for number in (FEW_SOURCES, *SOURCES)}
    webhook = written(bench, "flat-webhook", bench_events.webhook())
    alarm = written(bench, "flat-alarm", bench_events.alarm())
    with ExitStack() as cleanup:
        running: dict[str, Side] = {}
        for kind, child, mode, invocation, artifacts in (
            ("routes", "receive_alone", "direct", webhook, routes),
            ("sources", "receive_alone", "direct", webhook, sources),
            ("sources_aws", "deliver_alone", "queue", alarm, sources),
        ):
            for number, artifact in artifacts.items():
                started = own_side(bench, artifact, OwnSide(child, mode, invocation))
                running[f"flat_{kind}_{number}"] = cleanup.enter_context(started)
        report(f"flat: {ROUNDS} rounds of {CALLS} events, {len(running)} processes")
        found = alternate(running, ROUNDS, CALLS, report)
    return [
        *_rows(found, "routes", "a webhook with {} routes of its source", FEW_ROUTES, ROUTES),
        *_rows(found, "sources", "a webhook with {} sources", FEW_SOURCES, SOURCES),
        *_rows(
            found, "sources_aws", "an SNS event that names no source with {} sources", FEW_SOURCES, SOURCES
        ),
        _reading(bench, report, routes),
    ]


def _rows(found: dict[str, Rounds], kind: str, what: str, few: int, many: tuple[int, ...]) -> list[Goal]:
    base = found[f"flat_{kind}_{few}"]
    rows = []
    for number in many:
        rounds = found[f"flat_{kind}_{number}"]
        value, samples = summary(rounds.compared_with(base), rounds.floors)
        text = f"CPU time of {what.format(f'{number:,}')} / with {few}"
        rows.append(Goal(f"flat_{kind}_{number}", text, value, _GOAL, samples=samples))
    return rows


def _reading(bench: Bench, report: Report, routes: dict[int, Path]) -> Goal:
    """Return what many routes add to a start with its first event."""
    many = max(routes)
    values, floors = [], []
    for number in range(START_ROUNDS + 1):
        floor = cold_start.floor_secs()
        few_secs, many_secs = (
            cold_start.start(bench, "deliver", routes[each]).total for each in (FEW_ROUTES, many)
        )
        if number:
            floors.append(floor)
            values.append((many_secs - few_secs) / floor)
        report(f"flat: start {number} of {START_ROUNDS}")
    value, samples = summary(values, floors)
    what = f"CPU time that {many:,} routes add to the start and first event of `deliver` / python -c pass"
    return Goal(f"flat_reading_{many}", what, value, _READING_GOAL, samples=samples)


def _with_routes(bench: Bench, number: int) -> Path:
    others = "".join(_OTHER_ROUTE.format(number=each) for each in range(number - 1))
    return bench.variant(f"routes-{number}", ROOT / "src/sources", _ROUTES + others)


def _with_sources(bench: Bench, number: int) -> Path:
    folders = bench.directory / f"folders-{number}"
    folders.mkdir()
    source_folders.write(folders, number)
    # Each source has a route, because the match rules of a source without one are not compared.
    others = sorted(folder.name for folder in folders.iterdir() if folder.name != "github")
    routes = "".join(_ROUTE_OF_SOURCE.format(name=name) for name in others)
    return bench.variant(f"sources-{number}", folders, _ROUTES + routes)
