"""A worker: one process in which the real handlers run, as in one of Lambda's execution environments."""

import os
import random
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from chaos import aws_faults
from chaos.fault_injector import FaultInjector
from chaos.journal import Journal
from chaos.run_clock import RunClock, WorkerClock
from chaos.wrappers import Watched, watch
from push_relay.entrypoints.batch_consumer import InvocationFailed
from push_relay.settings import Settings

#: Seconds by which a worker's time of day may be wrong: two of them then differ by what the relay allows.
SKEW = 1.0


@dataclass(frozen=True, slots=True)
class Orders:
    """What a worker is started with."""

    settings: Settings
    world: Path
    journal: Path
    slot: int
    seed: str
    kill: float
    fail: float


@dataclass(frozen=True, slots=True)
class Job:
    """One invocation. `deadline`: the moment (seconds since the epoch) at which it is ended."""

    handler: str
    invocation: Any
    deadline: float


@dataclass(frozen=True, slots=True)
class _Context:
    deadline: float
    world: RunClock

    def get_remaining_time_in_millis(self) -> int:
        """Return how long this invocation may still run."""
        return max(0, int((self.deadline - self.world.now()) * 1000))


def main(orders: Orders, jobs: Connection) -> None:
    """Run jobs until there are none, or until a step kills the process."""
    _be_quiet()
    world = RunClock(orders.world)
    clock = WorkerClock(world, orders.slot)
    dice = random.Random(orders.seed)  # noqa: S311 - repeatable, not secret
    injector = FaultInjector(Journal(orders.journal), clock, dice, orders.kill, orders.fail)
    aws_faults.hook_delays(injector)
    aws_faults.hook_faults(injector)
    watched = watch(orders.settings, clock, injector)
    while True:
        try:
            job: Job = jobs.recv()
        except EOFError:
            return
        if injector.chance(0.05):
            clock.skew = dice.uniform(-SKEW, SKEW)
        jobs.send(_run(job, watched, injector))


def _run(job: Job, watched: Watched, injector: FaultInjector) -> Any:
    handler = watched.endpoint.handle if job.handler in {"receive", "direct"} else watched.consumer.handle
    context = _Context(job.deadline, injector.clock.world)
    injector.at("before_receive")
    injector.note("invoked", handler=job.handler)
    try:
        answer = handler(job.invocation, context)
    except InvocationFailed as exc:
        answer = {"failed": str(exc)}
    injector.note("answered")
    injector.at("before_ack")
    return {**answer, **watched.messages.of_fifo()}


def _be_quiet() -> None:
    """Throw the log away: the journal tells more."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
