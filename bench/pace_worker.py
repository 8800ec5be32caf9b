"""A worker of the pace measurements: a process that runs the handler of the function `deliver`."""

import multiprocessing
import os
import time
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, Final

from chaos.run_clock import RunClock, WorkerClock
from pace_calls import AwsCalls
from pace_numbers import Span, TableCall
from push_relay.bootstrap import deliver
from push_relay.bootstrap.common import Common
from push_relay.settings import Settings

#: A line of a worker's log that begins an invocation, and its number.
INVOCATION_MARK: Final = "--- invocation"
START_SECS: Final = 60.0


@dataclass(frozen=True, slots=True)
class WorkerOptions:
    """The options of a worker.

    clock_file       the file of the run's clock
    log              the file for the handler's output
    table_call_secs  is added to each call of DynamoDB, so that calls at the same time are seen to overlap
    """

    settings: Settings
    clock_file: Path
    log: Path
    table_call_secs: float = 0.0


@dataclass(frozen=True, slots=True)
class Job:
    """One invocation. `deadline`: when the function would be ended, on the run's clock."""

    number: int
    invocation: Any
    deadline: float


@dataclass(frozen=True, slots=True)
class Answer:
    """The end of an invocation. `span`: on the machine's monotonic clock, which all processes share."""

    content: Any
    span: Span
    table_calls: list[TableCall]


class PaceClock(WorkerClock):
    """The run's clock. The driver moves it only while no worker works, so a sleep takes its real time."""

    def sleep(self, seconds: float) -> None:
        """Sleep."""
        time.sleep(seconds)


@dataclass(frozen=True, slots=True)
class _Context:
    job: Job
    clock: RunClock

    def get_remaining_time_in_millis(self) -> int:
        """Return how long this invocation may still run."""
        return max(0, int((self.job.deadline - self.clock.now()) * 1000))


@dataclass(slots=True)
class Worker:
    """A worker's process, and the records of its invocation if it has one."""

    process: BaseProcess
    jobs: Connection
    log: Path
    batch: list[dict[str, Any]] | None = None

    @classmethod
    def start(cls, options: WorkerOptions) -> "Worker":
        """Start a worker. `wait_until_ready` waits for it."""
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(target=_main, args=(options, theirs), daemon=True)
        process.start()
        theirs.close()
        return cls(process, ours, options.log)

    def wait_until_ready(self) -> None:
        """Wait until the handler is built."""
        if not self.jobs.poll(START_SECS):
            raise SystemExit("bench: a worker did not start")
        self.jobs.recv()

    def stop(self) -> None:
        """End the process."""
        self.jobs.close()
        self.process.kill()
        self.process.join()


def _main(options: WorkerOptions, jobs: Connection) -> None:
    log = os.open(options.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(log, 1)
    clock = PaceClock(RunClock(options.clock_file), 0)
    calls = AwsCalls(clock.now, options.table_call_secs)
    calls.watch()
    deliver.warm_up(options.settings)
    consumer = deliver.build(Common.of(options.settings, clock))
    jobs.send("ready")
    while True:
        try:
            job: Job = jobs.recv()
        except EOFError:
            return
        print(f"{INVOCATION_MARK} {job.number}", flush=True)
        began = time.monotonic()
        content = consumer.handle(job.invocation, _Context(job, clock.run_clock))
        span = Span(began, time.monotonic())
        jobs.send(Answer(content, span, calls.take()))
