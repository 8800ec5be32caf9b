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
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from chaos import evidence
from chaos.driver import HANDLERS, Driver, NotDoneError
from chaos.event_source import EventSource
from chaos.fifo_source import FifoSource
from chaos.parallel_runs import run_in_parallel
from chaos.plan import ONE_BURST_EVENTS, Planned, make_plan, requests_of
from chaos.replays import Replays
from chaos.services import Services, started_services
from chaos.vendor_faults import VendorFaults
from chaos.verdict import Verdict, judge, judge_outages
from chaos.worker_pool import WorkerPool
from relayctl.progress import StepFailedError
from relayctl.project import RUNS
from sandbox import Call

#: The vendor's limit of calls for an organisation and a day.
DAILY_CALLS = 2500
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
    organisations  the number of parallel runs that share the events
    """

    events: int
    seed: int
    report: Path | None = None
    limit_secs: float | None = None
    keep_journals: bool = False
    organisations: int = 1


def chaos(options: RunOptions) -> int:
    """Do a run, print its result, and return the exit code."""
    console = Console(highlight=False)
    console.print(f"chaos: {options.events} events; repeat this run with SEED={options.seed}")
    began = time.monotonic()
    lines: list[str] = []
    try:
        if options.organisations > 1:
            share, more = divmod(options.events, options.organisations)
            shares = [share + (number < more) for number in range(options.organisations)]
            verdict = run_in_parallel(shares, options.seed, options.limit_secs, console)
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
    daily_calls       the vendor's limit for a day
    """

    kill_probability: float
    fail_probability: float
    calls_between: tuple[int, int]
    daily_calls: int


def _fault_rates(events: int) -> _FaultRates:
    """Return the rates for a run. A longer run has lower rates, and still more faults."""
    if events > ONE_BURST_EVENTS:
        return _FaultRates(0.0003, 0.001, (400, 1500), DAILY_CALLS)
    return _FaultRates(0.001, 0.003, (150, 500), max(60, events // 2))


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
    planned = make_plan(options.events, options.seed)
    rates = _fault_rates(options.events)
    dice = random.Random(f"driver-{options.seed}")  # noqa: S311 - repeatable, not secret
    with started_services(directory, options.seed, rates.daily_calls, len(HANDLERS)) as services:
        pool = WorkerPool(services, options.seed, rates.kill_probability, rates.fail_probability)
        source, fifo, replays = (
            EventSource(services, dice),
            FifoSource(services, dice),
            Replays(services, dice),
        )
        try:
            pool.start(HANDLERS)
            sendings = sum(len(request.copies) for request in requests_of(planned))
            with _progress_bar(console, sendings) as show:
                vendor_faults = VendorFaults(services, dice, rates.calls_between)
                driver = Driver(services, pool, source, fifo, replays, vendor_faults, dice, show, sendings)
                facts = driver.run(planned, options.limit_secs or 180 + options.events * 0.5)
        finally:
            replays.stop()
            pool.stop()
        found = evidence.collect(services)
        found.replays_killed = replays.killed
        verdict = judge(planned, facts, source, found, services)
        judge_outages(vendor_faults.outages, services.daily_calls, verdict)
        verdict.details["workers_killed"] = pool.killed
        verdict.details["replays"] = {"started": replays.started, "killed": replays.killed}
        verdict.details["vendor_faults"] = dict(sorted(Counter(vendor_faults.happened).items()))
        return verdict, _failure_lines(verdict, planned, found, services)


@contextmanager
def _progress_bar(console: Console, sendings: int) -> Iterator["_Show"]:
    columns = (BarColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=console) as progress:
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
        counts = driver.services.sandbox.record.counts
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
        if isinstance(value, dict):
            text = ", ".join(f"{key} {count}" for key, count in value.items())
        else:
            text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
        table.add_row(name, text)
    table.add_row("invariant", _invariant(verdict))
    for check, markers in verdict.failures.items():
        table.add_row(f"[bold red]{check}[/bold red]", f"{len(markers)}: {', '.join(markers[:10])}")
    table.add_row("verdict", "[green]holds[/green]" if verdict.holds else "[bold red]FAILS[/bold red]")
    return table


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
    calls = services.sandbox.record.calls()
    return [c for c in calls if c.push and marker in f"{c.push['Title']} {c.push['Body']}"]
