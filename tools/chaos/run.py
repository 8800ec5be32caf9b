"""A run from beginning to end, and its output on the terminal."""

import json
import random
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from chaos import evidence
from chaos.driver import HANDLERS, Driver, NotDoneError
from chaos.event_source import EventSource
from chaos.fifo_source import FifoSource
from chaos.outage_verdict import LongOutages, judge_costs
from chaos.parallel_runs import run_in_parallel
from chaos.plan import SECOND, Planned, make_plan, requests_of
from chaos.replays import Replays
from chaos.run_calendar import EVENTS_PER_DAY, ONE_BURST_DAYS, burst_count, make_calendar
from chaos.services import Services, started_services
from chaos.ticks import Ticks
from chaos.vendor_faults import VendorFaults
from chaos.verdict import Verdict, judge
from chaos.worker_pool import WorkerPool
from push_relay.core.push import DEFAULT_ACCOUNT
from relayctl.progress import StepFailedError
from relayctl.project import RUNS
from sandbox import Call

#: The vendor's limits of calls for each organisation and a day, as shares of the events of a day.
_LONG_RUN_CALLS = {DEFAULT_ACCOUNT: 2500 / EVENTS_PER_DAY, SECOND: 1200 / EVENTS_PER_DAY}
#: The same for a run of one burst, whose calls are not enough for a day. And the smallest limits.
_SHORT_RUN_CALLS = {DEFAULT_ACCOUNT: 1 / 2, SECOND: 1 / 4}
_MIN_CALLS = {DEFAULT_ACCOUNT: 60, SECOND: 30}
#: A run of more events is done as two parallel runs, because one uses little more than one core.
_ONE_RUN_EVENTS = 20_000
#: For each check that fails, the journals of this many events are printed.
_PRINTED_EVENTS = 3
#: How often the progress is shown on a terminal, and how often a line is printed elsewhere.
_BAR_INTERVAL_SECS, _LINE_INTERVAL_SECS = 0.5, 15.0


@dataclass(frozen=True, slots=True)
class RunOptions:
    """The options of a run.

    report         the file for the result as JSON
    limit_secs     the run fails if it takes longer; None computes a limit from the number of events
    keep_journals  whether the run's directory is kept
    parallel       the number of parallel runs that share the events; None: two if there are many events
    per_day        the events of a day in a run of several days
    """

    events: int
    seed: int
    report: Path | None = None
    limit_secs: float | None = None
    keep_journals: bool = False
    parallel: int | None = None
    per_day: int = EVENTS_PER_DAY

    @property
    def shares(self) -> list[int]:
        """The number of events of each parallel run."""
        parallel = self.parallel or (2 if self.events > _ONE_RUN_EVENTS else 1)
        share, more = divmod(self.events, parallel)
        return [share + (number < more) for number in range(parallel)]


def chaos(options: RunOptions) -> int:
    """Do a run, print its result, and return the exit code."""
    console = Console(highlight=False)
    console.print(f"chaos: {options.events} events; repeat this run with SEED={options.seed}")
    began = time.monotonic()
    lines: list[str] = []
    try:
        if len(options.shares) > 1:
            arguments = ["--per-day", str(options.per_day)]
            if options.limit_secs is not None:
                arguments += ["--limit", str(options.limit_secs)]
            verdict = run_in_parallel(options.shares, options.seed, arguments, console)
        else:
            with _run_directory(options) as directory:
                verdict, lines = _run(options, directory, console)
    except (NotDoneError, StepFailedError) as exc:
        console.print(f"[bold red]failed:[/bold red] {exc}")
        return 1
    verdict.details["seconds"] = round(time.monotonic() - began)
    console.print(_table(verdict))
    for line in lines:
        console.print(line, markup=False)
    if options.report:
        options.report.write_text(json.dumps(verdict.as_json(), indent=2) + "\n", encoding="utf-8")
    return 0 if verdict.holds else 1


@dataclass(frozen=True, slots=True)
class _FaultRates:
    """How often faults happen.

    kill_probability  for each step of a worker
    fail_probability  for each AWS call
    calls_between     the fewest and the most calls of the vendor between two of its faults
    """

    kill_probability: float
    fail_probability: float
    calls_between: tuple[int, int]


def _fault_rates(events: int) -> _FaultRates:
    """Return the rates for a run. A longer run has lower rates, and still more faults."""
    if events > ONE_BURST_DAYS * EVENTS_PER_DAY:
        return _FaultRates(0.0006, 0.001, (400, 1500))
    return _FaultRates(0.004, 0.004, (150, 500))


def _daily_calls(options: RunOptions, bursts: int) -> dict[str, int]:
    """Return the vendor's limits by account."""
    shares, events = (_LONG_RUN_CALLS, options.per_day) if bursts > 1 else (_SHORT_RUN_CALLS, options.events)
    return {account: max(_MIN_CALLS[account], int(events * share)) for account, share in shares.items()}


@contextmanager
def _run_directory(options: RunOptions) -> Iterator[Path]:
    RUNS.mkdir(exist_ok=True)
    directory = Path(tempfile.mkdtemp(dir=RUNS, prefix="chaos-"))
    try:
        yield directory
    finally:
        if not options.keep_journals:
            shutil.rmtree(directory, ignore_errors=True)


def _run(options: RunOptions, directory: Path, console: Console) -> tuple[Verdict, list[str]]:
    bursts = burst_count(options.events, options.per_day)
    daily_calls = _daily_calls(options, bursts)
    calendar = make_calendar(bursts, options.seed, list(daily_calls), datetime.now(UTC))
    planned = make_plan(options.events, options.seed, calendar.bursts)
    dice = random.Random(f"driver-{options.seed}")  # noqa: S311 - repeatable, not secret
    with started_services(directory, options.seed, calendar, daily_calls, len(HANDLERS)) as services:
        rates = _fault_rates(options.events)
        pool = WorkerPool(services, options.seed, rates.kill_probability, rates.fail_probability)
        source, fifo, replays = (
            EventSource(services, dice),
            FifoSource(services, dice),
            Replays(services, dice),
        )
        faults = [
            VendorFaults(services, each, dice, rates.calls_between, calendar.outages)
            for each in services.organisations
        ]
        try:
            pool.start(HANDLERS)
            sendings = sum(len(request.copies) for request in requests_of(planned))
            with _progress_bar(console, sendings) as show:
                ticks = Ticks(services)
                driver = Driver(services, pool, source, fifo, replays, faults, ticks, dice, show, sendings)
                facts = driver.run(planned, options.limit_secs or 180 + options.events * 0.5)
        finally:
            replays.stop()
            pool.stop()
        found = evidence.collect(services)
        found.replays_killed = replays.killed
        verdict = judge(planned, facts, source, found, services)
        outages = {each.organisation.account: each.outages for each in faults}
        judge_costs(outages, daily_calls, verdict)
        LongOutages(planned, outages, facts, found).judge(calendar.outages, verdict)
        verdict.details["clock_changes"] = [day.isoformat() for day in calendar.changes]
        if left := ticks.count():
            verdict.fail("left in the backlog", str(left))
        verdict.details["ledger_writes"] = str(services.settings.ledger_writes)
        verdict.details["ticks"] = ticks.given
        verdict.details["workers_killed"] = pool.killed
        verdict.details["replays"] = {"started": replays.started, "killed": replays.killed}
        happened = Counter(kind for each in faults for kind in each.happened)
        verdict.details["vendor_faults"] = dict(sorted(happened.items()))
        return verdict, _failure_lines(verdict, planned, found, services)


@contextmanager
def _progress_bar(console: Console, sendings: int) -> Iterator["_Show"]:
    columns = (BarColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=console, auto_refresh=console.is_terminal) as progress:
        yield _Show(progress, progress.add_task("starting", total=sendings), sendings)


@dataclass(slots=True)
class _Show:
    """Shows the progress of a run."""

    progress: Progress
    task: int
    sendings: int
    shown_at: float = 0.0

    def __call__(self, driver: Driver) -> None:
        """Show a driver's progress. If the output is not a terminal, print a line every few seconds."""
        interval_secs = _BAR_INTERVAL_SECS if self.progress.console.is_terminal else _LINE_INTERVAL_SECS
        if time.monotonic() - self.shown_at < interval_secs:
            return
        self.shown_at = time.monotonic()
        days = driver.facts.jumped_secs / 86_400
        text = (
            f"{driver.facts.sent}/{self.sendings} sent, {driver.waiting} waiting, "
            f"{driver.services.calls} calls, {driver.pool.killed} killed, day {days:.1f}"
        )
        if not self.progress.console.is_terminal:
            self.progress.console.print(text)
        self.progress.update(self.task, completed=driver.facts.sent, description=text)  # type: ignore[arg-type]


def _table(verdict: Verdict) -> Table:
    table = Table(title=f"chaos, seed {verdict.seed}", title_justify="left", show_header=False)
    for name, value in verdict.as_json().items():
        table.add_row(name, _as_text(value))
    table.add_row("invariant", _invariant(verdict))
    for check, markers in verdict.failures.items():
        table.add_row(f"[bold red]{check}[/bold red]", f"{len(markers)}: {', '.join(markers[:10])}")
    table.add_row("verdict", "[green]holds[/green]" if verdict.holds else "[bold red]FAILS[/bold red]")
    return table


def _as_text(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {_as_text(each)}" for key, each in value.items())
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _invariant(verdict: Verdict) -> str:
    taken_up, in_hand = (verdict.details.get(name, 0) for name in ("taken_up", "in_hand_when_killed"))
    receipts = sum(verdict.details.get("receipts", {}).values())
    return f"{taken_up} taken up = {receipts} receipts + {in_hand} unfinished when their worker was killed"


def _failure_lines(
    verdict: Verdict, planned: list[Planned], found: evidence.Evidence, services: Services
) -> list[str]:
    """Return what is known about the first events of each check that failed."""
    lines: list[str] = []
    by_marker = {event.marker: event for event in planned}
    for check, markers in verdict.failures.items():
        for marker in markers[:_PRINTED_EVENTS]:
            lines.append(f"\n{check}: {by_marker.get(marker, marker)}")
            lines += [
                f"  doubts {id_}: {reasons}" for id_, reasons in found.doubts.items() if id_[0] == marker
            ]
            lines += [f"  call {call.as_json()}" for call in _calls(marker, services)]
            lines += [f"  {worker} {entry}" for worker, entry in evidence.journal_lines_of(marker, services)]
            lines += [f"  dead {dead_letter}" for dead_letter in found.dead_letters_of(marker)]
    return lines


def _calls(marker: str, services: Services) -> list[Call]:
    calls = [call for each in services.organisations for call in each.sandbox.record.calls()]
    return [c for c in calls if c.push and marker in f"{c.push['Title']} {c.push['Body']}"]
