"""The crew of workers: started from a warm process, given jobs, replaced when they are dead."""

import multiprocessing
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkServerProcess
from typing import Any

from chaos.stage import Stage
from chaos.worker import Job, Orders, main

#: Seconds that an invocation of `deliver` may take; in the template it is 60.
DELIVER_SECS = 20.0
RECEIVE_SECS = 10.0
#: Seconds after its deadline at which an invocation is ended from without, as Lambda does.
_GRACE_SECS = 0.5


@dataclass(frozen=True, slots=True)
class Done:
    """How a job ended. `answer` is None where its worker died."""

    job: Job
    about: Any
    answer: Any


@dataclass(slots=True)
class Worker:
    """One worker and the job that it has."""

    slot: int
    handler: str
    process: ForkServerProcess
    jobs: Connection
    job: Job | None = None
    about: Any = None


@dataclass(slots=True)
class WorkerPool:
    """Workers for each handler. `kill` and `fail` are probabilities, for each step and each AWS call."""

    stage: Stage
    seed: int
    kill: float
    fail: float
    workers: list[Worker] = field(default_factory=list)
    killed: int = 0
    _started: int = 0

    def start(self, handlers: list[str]) -> None:
        """Start a worker for each entry."""
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(["chaos.warm", "chaos.worker"])
        for slot, handler in enumerate(handlers):
            self.workers.append(self._worker(slot, handler))

    def stop(self) -> None:
        """End them all."""
        for worker in self.workers:
            worker.process.kill()
            worker.process.join()
            worker.jobs.close()

    def idle(self, handler: str) -> Worker | None:
        """Return a worker that has nothing to do."""
        return next((w for w in self.workers if w.job is None and w.handler == handler), None)

    @property
    def busy(self) -> list[Worker]:
        """Those who have a job."""
        return [worker for worker in self.workers if worker.job is not None]

    def give(self, worker: Worker, invocation: Any, about: Any) -> None:
        """Invoke a handler; `about` comes back with the answer."""
        allowed = RECEIVE_SECS if worker.handler == "receive" else DELIVER_SECS
        worker.job = Job(worker.handler, invocation, self.stage.world.now() + allowed)
        worker.about = about
        self.stage.world.wake(worker.slot)
        try:
            worker.jobs.send(worker.job)
        except OSError:
            return  # it is dead, which `done` finds

    def kill_one(self, dice: random.Random) -> None:
        """Kill a busy worker, wherever it is."""
        if busy := self.busy:
            dice.choice(busy).process.kill()

    def done(self, timeout_secs: float) -> Iterator[Done]:
        """Wait for jobs to end, and yield those that did. Dead workers are replaced."""
        now = self.stage.world.now()
        for worker in self.busy:
            if worker.job and now > worker.job.deadline + _GRACE_SECS:
                worker.process.kill()
        busy = {worker.jobs: worker for worker in self.busy}
        for ready in wait(list(busy), timeout_secs):
            if isinstance(ready, Connection):
                yield self._done(busy[ready])

    def _done(self, worker: Worker) -> Done:
        job, about = worker.job, worker.about
        assert job is not None  # noqa: S101 - it was busy
        try:
            answer = worker.jobs.recv()
        except (EOFError, OSError):
            answer = None
            self._replace(worker)
        worker.job = None
        return Done(job, about, answer)

    def _replace(self, worker: Worker) -> None:
        self.killed += 1
        worker.process.join()
        worker.jobs.close()
        fresh = self._worker(worker.slot, worker.handler)
        worker.process, worker.jobs = fresh.process, fresh.jobs

    def _worker(self, slot: int, handler: str) -> Worker:
        self._started += 1
        ours, theirs = multiprocessing.Pipe()
        orders = Orders(
            settings=self.stage.settings_of(handler),
            world=self.stage.world_file,
            journal=self.stage.journals / f"{slot}-{self._started:06}.jsonl",
            slot=slot,
            seed=f"{self.seed}-{self._started}",
            kill=self.kill,
            fail=self.fail,
        )
        context = multiprocessing.get_context("forkserver")
        process = context.Process(target=main, args=(orders, theirs), daemon=True)
        process.start()
        theirs.close()
        return Worker(slot, handler, process, ours)
