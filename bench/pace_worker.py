"""A worker of the pace measurements: a process that runs the handler of the function `deliver`."""

import multiprocessing
import os
import threading
import time
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, Final

from chaos.aws_faults import VISIBLE_AT
from chaos.hooked_client import hooked
from chaos.run_clock import RunClock, WorkerClock
from pace_numbers import Span, TableCall, write_units
from push_relay.adapters.aws import AwsClient
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
    """The end of an invocation.

    span      on the machine's monotonic clock, which all processes share
    cpu_secs  the process's CPU time since it started
    """

    content: Any
    span: Span
    cpu_secs: float
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
class _TableCalls:
    """Notes the calls of DynamoDB, which may be made by several threads."""

    delay_secs: float
    calls: list[TableCall] = field(default_factory=list)
    _lock: Any = field(default_factory=threading.Lock)

    def watch(self) -> None:
        """Watch every client of this process."""
        original = AwsClient.call  # every call passes it, whatever its result

        def watched(client: AwsClient, name: str, **parameters: Any) -> Any:
            if client.service.name != "dynamodb":
                return original(client, name, **parameters)
            began = time.monotonic()
            time.sleep(self.delay_secs)
            try:
                return original(client, name, **parameters)
            finally:
                call = TableCall(name, write_units(name, parameters), Span(began, time.monotonic()))
                with self._lock:
                    self.calls.append(call)

        AwsClient.call = watched  # type: ignore[method-assign]

    def take(self) -> list[TableCall]:
        """Return the calls since this was called last."""
        with self._lock:
            taken, self.calls = self.calls, []
        return taken


@dataclass(slots=True)
class Worker:
    """A worker's process, and the records of its invocation if it has one."""

    process: BaseProcess
    jobs: Connection
    log: Path
    batch: list[dict[str, Any]] | None = None
    cpu_secs: float = 0.0

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
    calls = _TableCalls(options.table_call_secs)
    calls.watch()
    _hold_delays(clock)
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
        jobs.send(Answer(content, span, time.process_time(), calls.take()))


def _hold_delays(clock: PaceClock) -> None:
    """Replace SQS's delay of a message by an attribute: the driver holds the message, by the run's clock."""

    def hold(entry: Any) -> None:
        if delay := entry.pop("DelaySeconds", 0):
            due = {"DataType": "String", "StringValue": f"{clock.now() + delay:.3f}"}
            entry.setdefault("MessageAttributes", {})[VISIBLE_AT] = due

    def hold_all(operation: str, params: dict[str, Any]) -> None:
        if operation in {"SendMessage", "SendMessageBatch"}:
            for entry in params.get("Entries", [params]):
                hold(entry)

    hooked("sqs").before.append(hold_all)
