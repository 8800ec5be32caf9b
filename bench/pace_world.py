"""The environment of a pace measurement: local AWS, vendor, workers, and the driver that invokes them."""

import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any, Final

from chaos.run_clock import RunClock
from pace_aws import FUNCTION_SECS, TICKS, Aws, started_aws
from pace_source import EVENT_NUMBER, OrderedSource, event
from pace_vendor import Vendor
from pace_worker import INVOCATION_MARK, Answer, Job, Worker, WorkerOptions

#: The time between two scheduled invocations.
TICK_SECS: Final = 60.0
#: While workers are idle, an empty queue is polled once in this time.
_POLL_SECS: Final = 0.05
#: The calls of a day, if they are not what is measured.
MANY_CALLS: Final = 1_000_000
_ROUTES: Final = """
[account.default]
connections = {connections}
daily_calls = {daily_calls}
max_age = "13d"

[[route]]
source = "push"
when = "ends_with(data.Title, 'urgent')"
to = ["user:{{{{ data.UserId }}}}"]
priority = "high"

[[route]]
source = "push"
to = ["user:{{{{ data.UserId }}}}"]
"""


class NotDone(Exception):
    """A measurement did not end within its time limit."""


@dataclass(slots=True)
class World:
    """Runs workers until something has happened.

    ticker      the worker of the scheduled invocation; None if this version of the relay has none
    jumps       whether the clock jumps to what is due next while no worker works
    handlings   the invocations that had an event, by the event's number
    answers     of all invocations that have ended
    """

    aws: Aws
    vendor: Vendor
    source: OrderedSource
    workers: list[Worker]
    ticker: Worker | None
    jumps: bool
    handlings: dict[int, set[int]] = field(default_factory=dict)
    answers: list[Answer] = field(default_factory=list)
    _invocations: int = 0
    _next_tick: float = 0.0
    _polled_at: float = 0.0

    @property
    def now(self) -> float:
        """The time on the run's clock, in seconds since the epoch."""
        return self.aws.run_clock.now()

    def run_until(
        self, happened: Callable[[], bool], limit_secs: float, horizon: float | None = None
    ) -> None:
        """Invoke the workers until something has happened.

        limit_secs  real seconds after which NotDone is raised
        horizon     the time on the run's clock beyond which the clock does not jump

        Raises NotDone.
        """
        deadline = time.monotonic() + limit_secs
        while not happened():
            if time.monotonic() > deadline:
                raise NotDone(f"{len(self.vendor.answered())} pushes were sent after {limit_secs:.0f} s")
            given = self._give_batches() + self.give_tick()
            busy = self._busy
            ready = wait([worker.jobs for worker in busy], 0 if given else _POLL_SECS / 5) if busy else []
            for worker in busy:
                if worker.jobs in ready:
                    self._end(worker)
            if not busy and not given:
                self._rest(horizon)

    def finish(self, limit_secs: float = 60.0) -> None:
        """Wait until no worker works, without invoking any other."""
        deadline = time.monotonic() + limit_secs
        while busy := self._busy:
            if time.monotonic() > deadline:
                raise NotDone("a worker did not end")
            for worker in busy:
                if worker.jobs.poll(_POLL_SECS):
                    self._end(worker)

    def run_until_sent(self, pushes: int, limit_secs: float) -> None:
        """Invoke the workers until the vendor has taken so many pushes and every worker has ended.

        Raises NotDone.
        """
        counts = self.vendor.server.record
        self.run_until(lambda: counts.counts.accepted >= pushes, limit_secs)
        self.finish()

    def invoke(self, batch: list[dict[str, Any]]) -> Answer:
        """Invoke the first worker with records, wait for its end, and return its answer."""
        self.give(self.workers[0], {"Records": batch}, batch)
        self.finish()
        return self.answers[-1]

    def handlings_per_event(self) -> Counter[int]:
        """Return the number of invocations that had each event, by its number.

        An invocation had an event if it got its message, or if it logged a line about it.
        """
        for worker in self._all:
            invocation = 0
            for line in worker.log.read_text("utf-8").splitlines():
                if line.startswith(INVOCATION_MARK):
                    invocation = int(line.removeprefix(INVOCATION_MARK))
                else:
                    self._note(line, invocation)
        return Counter({number: len(invocations) for number, invocations in self.handlings.items()})

    def dead_letters(self) -> int:
        """Return the number of messages in the dead-letter queue."""
        found = self.aws.sqs.get_queue_attributes(
            QueueUrl=self.aws.settings.dead_letter_queue_url,
            AttributeNames=["ApproximateNumberOfMessages"],
        )
        return int(found["Attributes"]["ApproximateNumberOfMessages"])

    def clear(self) -> None:
        """Forget the calls and invocations until now."""
        self.vendor.account.clear()
        self.vendor.server.record.clear()
        self.answers.clear()
        self.handlings.clear()

    # --- one step ------------------------------------------------------------------------------------

    @property
    def _all(self) -> list[Worker]:
        return [*self.workers, *([self.ticker] if self.ticker else [])]

    @property
    def _busy(self) -> list[Worker]:
        return [worker for worker in self._all if worker.batch is not None]

    def _give_batches(self) -> int:
        given = 0
        self.source.release()
        for worker in self.workers:
            if worker.batch is None and time.monotonic() - self._polled_at > _POLL_SECS:
                if batch := self.source.batch():
                    self.give(worker, {"Records": batch}, batch)
                    given += 1
                else:
                    self._polled_at = time.monotonic()
        return given

    def give_tick(self) -> int:
        """Make the scheduled invocation if it is due, and return the number of invocations."""
        if self.ticker is None or self.ticker.batch is not None or self.now < self._next_tick:
            return 0
        self._next_tick = self.now + TICK_SECS
        self.give(self.ticker, TICKS[0], [])
        return 1

    def give(self, worker: Worker, invocation: Any, batch: list[dict[str, Any]]) -> None:
        """Invoke an idle worker. `batch`: the invocation's records of the queue."""
        self._invocations += 1
        for record in batch:
            self._note(record["body"], self._invocations)
        worker.batch = batch
        worker.jobs.send(Job(self._invocations, invocation, self.now + FUNCTION_SECS))

    def _note(self, text: str, invocation: int) -> None:
        for number in set(EVENT_NUMBER.findall(text)):
            self.handlings.setdefault(int(number), set()).add(invocation)

    def _end(self, worker: Worker) -> None:
        answer: Answer = worker.jobs.recv()
        self.answers.append(answer)
        if worker.batch:
            self.source.finish(worker.batch, answer.content)
        worker.batch = None
        self._polled_at = 0.0

    def _rest(self, horizon: float | None) -> None:
        """Wait for a moment, or jump to the time at which something is due."""
        if not self.jumps:
            time.sleep(_POLL_SECS / 5)
            return
        if time.monotonic() - self._polled_at > _POLL_SECS:
            return  # the queue was not looked at since a worker ended
        due_times = [due for due in (self.source.next_due, horizon) if due is not None]
        due_times += [self._next_tick] if self.ticker else []
        if due_times:
            self.aws.run_clock.jump(min(due_times))


@dataclass(frozen=True, slots=True)
class Setup:
    """How a world is started. The fields are those of `World`, `WorkerOptions` and the account."""

    workers: int
    latency_secs: float
    connections: int = 3
    jumps: bool = False
    daily_calls: int = MANY_CALLS
    table_call_secs: float = 0.0


@contextmanager
def world(setup: Setup) -> Iterator[World]:
    """Start everything, and stop it at the end of the block. Every worker is warm: it has sent a push."""
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        clock = RunClock.create(directory / "clock", 1, time.time())
        vendor = Vendor(clock.now, setup.connections, setup.latency_secs)
        config = directory / "relay.toml"
        config.write_text(
            _ROUTES.format(connections=setup.connections, daily_calls=setup.daily_calls), encoding="utf-8"
        )
        with (
            vendor.server,
            started_aws(directory, config, vendor.server.address, directory / "clock") as aws,
            _started(aws, directory, setup) as running,
        ):
            workers, tickers = running[: setup.workers], running[setup.workers :]
            made = World(aws, vendor, OrderedSource(aws), workers, next(iter(tickers), None), setup.jumps)
            _warm_up(made)
            yield made


@contextmanager
def _started(aws: Aws, directory: Path, setup: Setup) -> Iterator[list[Worker]]:
    """Start the workers, and one for the scheduled invocation. Stop them at the end of the block."""
    running: list[Worker] = []
    try:
        for number in range(setup.workers + len(TICKS)):
            log = directory / f"log-{number}"
            options = WorkerOptions(aws.settings, aws.clock_file, log, setup.table_call_secs)
            running.append(Worker.start(options))
        for worker in running:
            worker.wait_until_ready()
        yield running
    finally:
        for worker in running:
            worker.stop()


def _warm_up(made: World) -> None:
    """Let each worker send a push: it then has its secret and its connections."""
    for number, worker in enumerate(made.workers):
        made.source.queue([event(10_000_000 + number, made.now)])
        batch = made.source.batch()
        made.give(worker, {"Records": batch}, batch)
        made.finish()
    if made.ticker:
        made.give_tick()
        made.finish()
    if len(made.vendor.answered()) != len(made.workers):
        raise SystemExit("bench: a worker did not send its first push")
    made.clear()
