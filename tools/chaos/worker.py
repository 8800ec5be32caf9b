"""A worker: a process that runs the real handlers, as one execution environment of Lambda does."""

import os
import random
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from chaos import aws_faults
from chaos.fault_injector import FaultInjector
from chaos.journal import Journal
from chaos.local_queries import hook_own_queries
from chaos.run_clock import RunClock, WorkerClock
from chaos.wrappers import Watched, watch
from push_relay.entrypoints.batch_consumer import InvocationFailed
from push_relay.settings import Settings

#: How wrong a worker's time of day may be. The clocks of two workers then differ by as much as the relay
#: allows.
MAX_SKEW_SECS = 1.0


@dataclass(frozen=True, slots=True)
class WorkerOptions:
    """The options of a worker.

    clock_file        the file of the run's clock
    slot              the worker's index in the clock
    kill_probability  for each step of the worker
    fail_probability  for each AWS call
    """

    settings: Settings
    clock_file: Path
    journal: Path
    slot: int
    seed: str
    kill_probability: float
    fail_probability: float


@dataclass(frozen=True, slots=True)
class Job:
    """One invocation. `deadline`: when it is killed, in seconds since the epoch."""

    handler: str
    invocation: Any
    deadline: float


@dataclass(frozen=True, slots=True)
class _Context:
    deadline: float
    run_clock: RunClock

    def get_remaining_time_in_millis(self) -> int:
        """Return how long this invocation may still run."""
        return max(0, int((self.deadline - self.run_clock.now()) * 1000))


def main(options: WorkerOptions, jobs: Connection) -> None:
    """Run jobs until the connection is closed, or until a step kills the process."""
    _discard_output()
    clock = WorkerClock(RunClock(options.clock_file), options.slot)
    dice = random.Random(options.seed)  # noqa: S311 - repeatable, not secret
    injector = FaultInjector(
        Journal(options.journal), clock, dice, options.kill_probability, options.fail_probability
    )
    aws_faults.hook_delays(injector)
    aws_faults.hook_faults(injector)
    hook_own_queries()
    watched = watch(options.settings, clock, injector)
    while True:
        try:
            job: Job = jobs.recv()
        except EOFError:
            return
        if injector.chance(0.05):
            clock.skew_secs = dice.uniform(-MAX_SKEW_SECS, MAX_SKEW_SECS)
        jobs.send(_run(job, watched, injector))


def _run(job: Job, watched: Watched, injector: FaultInjector) -> Any:
    handler = watched.endpoint.handle if job.handler in {"receive", "direct"} else watched.consumer.handle
    context = _Context(job.deadline, injector.clock.run_clock)
    injector.at("before_receive")
    injector.note("invoked", handler=job.handler)
    try:
        answer = handler(job.invocation, context)
    except InvocationFailed as exc:
        answer = {"failed": str(exc)}
    injector.note("answered")
    injector.at("before_ack")
    return {**answer, **watched.messages.fifo_changes()}


def _discard_output() -> None:
    """Discard the handlers' log lines. The journal contains more than they do."""
    devnull = os.open(os.devnull, os.O_WRONLY)
    os.dup2(devnull, 1)
    os.dup2(devnull, 2)
