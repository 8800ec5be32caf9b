"""One run from beginning to end, and what a person sees of it."""

import json
import random
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from chaos import evidence
from chaos.driver import HANDLERS, Driver, NotDoneError
from chaos.ordered import OrderedSource
from chaos.plan import ONE_BURST, Planned, make_plan
from chaos.replays import Replays
from chaos.side_by_side import run_parts
from chaos.source import EventSource
from chaos.stage import Stage, staged
from chaos.vendor_faults import VendorFaults
from chaos.verdict import Verdict, judge, judge_spells
from chaos.worker_pool import WorkerPool
from relayctl.progress import StepFailedError
from relayctl.project import RUNS
from sandbox import Call

#: What the vendor allows an organisation in a day.
DAILY_CALLS = 2500
_SHOWN_OFFENDERS = 3
_LOOK_SECS, _LINE_SECS = 0.5, 15.0


@dataclass(frozen=True, slots=True)
class Order:
    """What is asked for."""

    events: int
    seed: int
    report: Path | None = None
    limit_secs: float | None = None
    keep: bool = False
    organisations: int = 1


def chaos(order: Order) -> int:
    """Run as ordered, show the result, and return the exit code."""
    console = Console(highlight=False)
    console.print(f"chaos: {order.events} events; repeat it with SEED={order.seed}")
    began = time.monotonic()
    lines: list[str] = []
    try:
        if order.organisations > 1:
            share, more = divmod(order.events, order.organisations)
            shares = [share + (number < more) for number in range(order.organisations)]
            verdict = run_parts(shares, order.seed, order.limit_secs, console)
        else:
            with _directory(order) as directory:
                verdict, lines = _run(order, directory, console)
    except (NotDoneError, StepFailedError) as exc:
        console.print(f"[bold red]failed:[/bold red] {exc}")
        return 1
    verdict.details["seconds"] = round(time.monotonic() - began)
    console.print(_table(verdict))
    for line in lines:
        console.print(line, markup=False)
    if order.report:
        order.report.write_text(json.dumps(verdict.as_json(), indent=2) + "\n", encoding="utf-8")
    return 0 if verdict.stands else 1


@dataclass(frozen=True, slots=True)
class _Climate:
    """How rough a run is: the longer it is, the rarer each fault, of which there are more all the same."""

    kill: float
    fail: float
    calls_between: tuple[int, int]
    daily_calls: int


def _climate(events: int) -> _Climate:
    if events > ONE_BURST:
        return _Climate(0.0003, 0.001, (400, 1500), DAILY_CALLS)
    return _Climate(0.001, 0.003, (150, 500), max(60, events // 2))


@contextmanager
def _directory(order: Order) -> Iterator[Path]:
    RUNS.mkdir(exist_ok=True)
    directory = Path(tempfile.mkdtemp(dir=RUNS, prefix="chaos-"))
    try:
        yield directory
    finally:
        if not order.keep:
            shutil.rmtree(directory, ignore_errors=True)


def _run(order: Order, directory: Path, console: Console) -> tuple[Verdict, list[str]]:
    planned = make_plan(order.events, order.seed)
    climate = _climate(order.events)
    dice = random.Random(f"driver-{order.seed}")  # noqa: S311 - repeatable, not secret
    with staged(directory, order.seed, climate.daily_calls, len(HANDLERS)) as stage:
        pool = WorkerPool(stage, order.seed, climate.kill, climate.fail)
        source, ordered, replays = EventSource(stage, dice), OrderedSource(stage, dice), Replays(stage, dice)
        try:
            pool.start(HANDLERS)
            sendings = sum(len(event.copies) for event in planned)
            with _bar(console, sendings) as show:
                vendor_faults = VendorFaults(stage, dice, climate.calls_between)
                driver = Driver(stage, pool, source, ordered, replays, vendor_faults, dice, show, sendings)
                limit = order.limit_secs or 180 + order.events * 0.5
                facts = driver.run(planned, limit)
        finally:
            replays.stop()
            pool.stop()
        found = evidence.add(stage)
        verdict = judge(planned, facts, source, found, stage)
        judge_spells(vendor_faults.spells, stage.daily_calls, verdict)
        verdict.details["workers_killed"] = pool.killed
        verdict.details["replays"] = {"started": replays.started, "killed": replays.killed}
        verdict.details["weather"] = dict(sorted(Counter(vendor_faults.happened).items()))
        return verdict, _offenders(verdict, planned, found, stage)


@contextmanager
def _bar(console: Console, sendings: int) -> Iterator["_Show"]:
    columns = (BarColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=console) as progress:
        yield _Show(progress, progress.add_task("starting", total=sendings), sendings)


@dataclass(slots=True)
class _Show:
    """The line that is shown while a run lasts."""

    progress: Progress
    task: int
    sendings: int
    shown_at: float = 0.0

    def __call__(self, driver: Driver) -> None:
        """Show how far a driver is; where nobody watches, as lines, and seldom."""
        seconds = _LOOK_SECS if self.progress.console.is_terminal else _LINE_SECS
        if time.monotonic() - self.shown_at < seconds:
            return
        self.shown_at = time.monotonic()
        counts = driver.stage.sandbox.record.counts
        days = driver.facts.jumped_secs / 86_400
        text = (
            f"{driver.facts.sent}/{self.sendings} sent, {driver.waiting} waiting, "
            f"{counts.calls} calls, {driver.pool.killed} killed, day {days:.1f}"
        )
        if not self.progress.console.is_terminal:
            self.progress.console.print(text)
        self.progress.update(self.task, completed=driver.facts.sent, description=text)  # type: ignore[arg-type]


def _table(verdict: Verdict) -> Table:
    table = Table(title=f"chaos, seed {verdict.seed}", title_justify="left", show_header=False)
    for name, value in verdict.as_json().items():
        told = (
            ", ".join(f"{key} {count}" for key, count in value.items()) if isinstance(value, dict) else value
        )
        told = ", ".join(map(str, told)) if isinstance(told, list) else str(told)
        table.add_row(name, told)
    table.add_row("invariant", _invariant(verdict))
    for check, markers in verdict.offending.items():
        table.add_row(f"[bold red]{check}[/bold red]", f"{len(markers)}: {', '.join(markers[:10])}")
    table.add_row("verdict", "[green]holds[/green]" if verdict.stands else "[bold red]FAILS[/bold red]")
    return table


def _invariant(verdict: Verdict) -> str:
    taken, in_hand = (verdict.details.get(name, 0) for name in ("taken_up", "in_hand_when_killed"))
    receipts = sum(verdict.details.get("receipts", {}).values())
    return f"{taken} taken up = {receipts} receipts + {in_hand} in hand when their worker died"


def _offenders(verdict: Verdict, planned: list[Planned], found: evidence.Evidence, stage: Stage) -> list[str]:
    """Write what is known of the first offending events."""
    lines: list[str] = []
    by_marker = {event.marker: event for event in planned}
    for check, markers in verdict.offending.items():
        for marker in markers[:_SHOWN_OFFENDERS]:
            lines.append(f"\n{check}: {by_marker.get(marker, marker)}")
            lines += [f"  doubts {told}: {why}" for told, why in found.doubts.items() if told[0] == marker]
            lines += [f"  call {call.as_json()}" for call in _calls(marker, stage)]
            lines += [f"  {worker} {entry}" for worker, entry in evidence.about(marker, stage)]
            lines += [f"  dead {letter}" for letter in found.dead if marker in letter.markers]
    return lines


def _calls(marker: str, stage: Stage) -> list[Call]:
    calls = stage.sandbox.record.calls()
    return [c for c in calls if c.push and marker in f"{c.push['Title']} {c.push['Body']}"]
