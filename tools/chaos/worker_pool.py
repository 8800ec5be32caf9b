"""The worker processes: they are forked from a prepared process, get jobs, and are replaced when they die."""

import multiprocessing
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkServerProcess
from typing import Any

from chaos.services import Services
from chaos.worker import Job, WorkerOptions, main

#: The timeout of `deliver`. In the template it is 60 seconds.
DELIVER_TIMEOUT_SECS = 20.0
RECEIVE_TIMEOUT_SECS = 10.0
#: An invocation is killed so long after its deadline, as Lambda does it.
_GRACE_SECS = 0.5


@dataclass(frozen=True, slots=True)
class Done:
    """A job that has ended.

    origin  what the job was started for: a `Sending`, or a batch of records
    answer  the handler's answer; None if the worker was killed
    """

    job: Job
    origin: Any
    answer: Any


@dataclass(slots=True)
class Worker:
    """One worker, and its job if it has one."""

    slot: int
    handler: str
    process: ForkServerProcess
    jobs: Connection
    job: Job | None = None
    origin: Any = None


@dataclass(slots=True)
class WorkerPool:
    """The workers of a run.

    kill_probability  for each step of a worker
    fail_probability  for each AWS call
    killed            how many workers have died
    """

    services: Services
    seed: int
    kill_probability: float
    fail_probability: float
    workers: list[Worker] = field(default_factory=list)
    killed: int = 0
    _started: int = 0

    def start(self, handlers: list[str]) -> None:
        """Start one worker for each name of a handler."""
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(["chaos.preload", "chaos.worker"])
        for slot, handler in enumerate(handlers):
            self.workers.append(self._worker(slot, handler))

    def stop(self) -> None:
        """Kill all workers."""
        for worker in self.workers:
            worker.process.kill()
            worker.process.join()
            worker.jobs.close()

    def idle(self, handler: str) -> Worker | None:
        """Return a worker of a handler that has no job, or None."""
        return next((w for w in self.workers if w.job is None and w.handler == handler), None)

    @property
    def busy(self) -> list[Worker]:
        """The workers that have a job."""
        return [worker for worker in self.workers if worker.job is not None]

    def give(self, worker: Worker, invocation: Any, origin: Any) -> None:
        """Give a worker a job. `origin` is returned with the answer."""
        timeout_secs = RECEIVE_TIMEOUT_SECS if worker.handler == "receive" else DELIVER_TIMEOUT_SECS
        worker.job = Job(worker.handler, invocation, self.services.run_clock.now() + timeout_secs)
        worker.origin = origin
        self.services.run_clock.wake(worker.slot)
        try:
            worker.jobs.send(worker.job)
        except OSError:
            return  # the worker is dead; `done` will find that

    def kill_one(self, dice: random.Random) -> None:
        """Kill a random busy worker, if there is one."""
        if busy := self.busy:
            dice.choice(busy).process.kill()

    def done(self, timeout_secs: float) -> Iterator[Done]:
        """Wait for at most a time, and yield the jobs that have ended. Dead workers are replaced."""
        now = self.services.run_clock.now()
        for worker in self.busy:
            if worker.job and now > worker.job.deadline + _GRACE_SECS:
                worker.process.kill()
        busy = {worker.jobs: worker for worker in self.busy}
        for ready in wait(list(busy), timeout_secs):
            if isinstance(ready, Connection):
                yield self._done(busy[ready])

    def _done(self, worker: Worker) -> Done:
        job, origin = worker.job, worker.origin
        assert job is not None  # noqa: S101 - for the type checker: a busy worker has a job
        try:
            answer = worker.jobs.recv()
        except (EOFError, OSError):
            answer = None
            self._replace(worker)
        worker.job = None
        return Done(job, origin, answer)

    def _replace(self, worker: Worker) -> None:
        self.killed += 1
        worker.process.join()
        worker.jobs.close()
        new = self._worker(worker.slot, worker.handler)
        worker.process, worker.jobs = new.process, new.jobs

    def _worker(self, slot: int, handler: str) -> Worker:
        self._started += 1
        ours, theirs = multiprocessing.Pipe()
        options = WorkerOptions(
            settings=self.services.settings_of(handler),
            clock_file=self.services.clock_file,
            journal=self.services.journals / f"{slot}-{self._started:06}.jsonl",
            slot=slot,
            seed=f"{self.seed}-{self._started}",
            kill_probability=self.kill_probability,
            fail_probability=self.fail_probability,
        )
        context = multiprocessing.get_context("forkserver")
        process = context.Process(target=main, args=(options, theirs), daemon=True)
        process.start()
        theirs.close()
        return Worker(slot, handler, process, ours)
