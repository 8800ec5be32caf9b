"""The driver: sends what is planned, hands out batches, kills, and moves the clock over idle time."""

import heapq
import itertools
import json
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from chaos import plan
from chaos.ordered import OrderedSource
from chaos.plan import Kind, Planned, Way
from chaos.replays import Replays
from chaos.source import EventSource
from chaos.stage import Stage
from chaos.vendor_faults import VendorFaults
from chaos.worker_pool import Done, WorkerPool

HANDLERS: Final = ["receive", "receive", "deliver", "deliver", "direct", "ordered"]
_HANDLER_OF: Final = {
    Way.PUSH: "receive",
    Way.GITHUB: "receive",
    Way.INVOKED: "deliver",
    Way.DIRECT: "direct",
}
_OK, _ACCEPTED, _UNAUTHORIZED = 200, 202, 401
_SENDERS_PATIENCE: Final = 12
"""Attempts of a webhook's sender."""
_SENDERS_LONGEST_WAIT_SECS: Final = 3 * 3600.0
_LAMBDAS_ATTEMPTS: Final = 3
_KILL_FROM_OUTSIDE: Final = 0.002
_BETWEEN_EMPTY_POLLS_SECS: Final = 0.05
_LATE_SECS: Final = 30.0
_ENOUGH: Final = 100
"""Messages that are ready, beyond which no more are received."""


class NotDoneError(Exception):
    """The run did not end in its time."""


@dataclass(slots=True)
class Sending:
    """One copy of an event on its way in."""

    planned: Planned
    attempt: int = 1


@dataclass(slots=True)
class Facts:
    """What the driver knows at the end: what was let in, what was turned away, what it did."""

    let_in: set[str] = field(default_factory=set)
    turned_away: dict[str, int] = field(default_factory=dict)
    sent: int = 0
    given_up: set[str] = field(default_factory=set)
    invocations: int = 0
    jumped_secs: float = 0.0


@dataclass(slots=True)
class Driver:
    """Runs a plan to its end."""

    stage: Stage
    pool: WorkerPool
    source: EventSource
    ordered: OrderedSource
    replays: Replays
    vendor_faults: VendorFaults
    dice: random.Random
    show: Callable[["Driver"], None]
    sendings: int
    facts: Facts = field(default_factory=Facts)
    _due: list[tuple[float, int, Sending]] = field(default_factory=list)
    _number: "itertools.count[int]" = field(default_factory=itertools.count)
    _worth_polling: bool = True
    _polled_empty_at: float = 0.0

    def run(self, planned: list[Planned], limit_secs: float) -> Facts:
        """Send all of it, and go on until nothing is left to do. Raises NotDoneError."""
        start = self.stage.world.now()
        for event in planned:
            for moment in event.copies:
                self._schedule(start + moment, Sending(event))
        self.vendor_faults.begin()
        deadline = time.monotonic() + limit_secs
        while not self._step():
            if time.monotonic() > deadline:
                raise NotDoneError(f"not done after {limit_secs:.0f} s; {self.waiting} messages left")
            self.show(self)
        return self.facts

    @property
    def unsent(self) -> int:
        """How many sendings are still to come."""
        return len(self._due)

    @property
    def waiting(self) -> int:
        """How many messages are in both queues."""
        return self.source.waiting + self.ordered.waiting

    # --- one turn ------------------------------------------------------------------------------------

    def _step(self) -> bool:
        """Do what can be done now; tell whether everything is done."""
        self.vendor_faults.change()
        replaying = self.replays.step(self.facts.sent / self.sendings)
        self._worth_polling |= replaying
        self._worth_polling |= self.source.release() > 0
        polled = 0
        while self._worth_polling and self._may_poll and len(self.source.ready) + polled < _ENOUGH:
            received = self.source.poll()
            polled += received
            self._worth_polling = received > 0
            self._polled_empty_at = self._polled_empty_at if received else time.monotonic()
        handed = self._hand_out_sendings() + self._hand_out_batches()
        ended = 0
        for done in self.pool.done(0.0 if handed else 0.002):
            self._end(done)
            ended += 1
        if self.dice.random() < _KILL_FROM_OUTSIDE * ended:
            self.pool.kill_one(self.dice)
        self._worth_polling |= ended > 0
        if handed or ended or polled or replaying or self.source.delete():
            return False
        return self._let_time_pass()

    @property
    def _may_poll(self) -> bool:
        """Whether it is time: to look into an empty queue costs the workers theirs."""
        return time.monotonic() - self._polled_empty_at > _BETWEEN_EMPTY_POLLS_SECS

    def _let_time_pass(self) -> bool:
        """Move the clock to the next moment, if nobody works; tell whether there is none."""
        rests = [self.stage.world.rests_until(worker.slot) for worker in self.pool.busy]
        if None in rests:
            return False
        if self._worth_polling and len(self.source.ready) < _ENOUGH:
            self._polled_empty_at = 0.0
            return False
        moments = [rest for rest in rests if rest is not None]
        moments += [self._due[0][0]] if self._due else []
        others = (self.source.next_moment, self.ordered.next_moment, self.vendor_faults.next_moment)
        moments += [moment for moment in others if moment is not None]
        if not moments:
            return True
        before = self.stage.world.now()
        if later := [moment for moment in moments if moment > before]:
            moment = min(later)
            if not rests:
                # SQS is seldom on the second either, and workers share what comes together.
                moment = max(moment, min(moment + _LATE_SECS, self.source.moment_of_a_batch))
            self.facts.jumped_secs += moment - before
            self.stage.world.jump(moment)
        return False

    # --- what comes in -------------------------------------------------------------------------------

    def _schedule(self, moment: float, sending: Sending) -> None:
        heapq.heappush(self._due, (moment, next(self._number), sending))

    def _hand_out_sendings(self) -> int:
        handed = 0
        while self._due and self._due[0][0] <= self.stage.world.now():
            handler = _HANDLER_OF.get(self._due[0][2].planned.way)
            worker = self.pool.idle(handler) if handler else None
            if handler and worker is None:
                break
            sending = heapq.heappop(self._due)[2]
            if worker is None:
                self._put(sending.planned)
            else:
                self.pool.give(worker, self._invocation(sending.planned), sending)
            handed += 1
        return handed

    def _invocation(self, planned: Planned) -> dict[str, Any]:
        if planned.way is Way.INVOKED:
            return {"Records": [{"EventSource": "aws:sns", "Sns": plan.notification(planned)}]}
        return plan.webhook(planned, self.stage.world.now(), dict(self.stage.signing_secrets))

    def _put(self, planned: Planned) -> None:
        match planned.way:
            case Way.SNS:
                self.source.send(json.dumps(plan.notification(planned)), None)
            case Way.BUS:
                self.source.send(json.dumps(plan.bus_event(planned)), None)
            case Way.FIFO:
                self.ordered.send(planned.marker, json.dumps(plan.push_document(planned)))
            case _:
                self.source.send(json.dumps(plan.push_document(planned)), "push")
        self.facts.let_in.add(planned.marker)
        self.facts.sent += 1
        self._worth_polling = True

    def _hand_out_batches(self) -> int:
        handed = 0
        for handler, source in (("deliver", self.source), ("ordered", self.ordered)):
            while (worker := self.pool.idle(handler)) and (batch := source.batch()):
                self.pool.give(worker, {"Records": batch}, batch)
                handed += 1
        return handed

    # --- what comes back -----------------------------------------------------------------------------

    def _end(self, done: Done) -> None:
        self.facts.invocations += 1
        if isinstance(done.about, list):
            source = self.ordered if done.job.handler == "ordered" else self.source
            source.finish(done.about, done.answer)
        elif done.about.planned.way is Way.INVOKED:
            self._end_of_invocation(done)
        else:
            self._end_of_webhook(done.about, done.answer)

    def _end_of_webhook(self, sending: Sending, answer: Any) -> None:
        marker = sending.planned.marker
        status = answer["statusCode"] if answer else 0
        if status in {_OK, _ACCEPTED}:
            self.facts.let_in.add(marker)
        elif status == _UNAUTHORIZED and sending.planned.kind is Kind.FORGED:
            self.facts.turned_away[marker] = status
        elif sending.attempt < _SENDERS_PATIENCE:
            wait = min(_SENDERS_LONGEST_WAIT_SECS, self.dice.uniform(1, 30) * 2**sending.attempt)
            sending.attempt += 1
            self._schedule(self.stage.world.now() + wait, sending)
            return
        else:
            self.facts.given_up.add(marker)
        self.facts.sent += 1

    def _end_of_invocation(self, done: Done) -> None:
        """Do as Lambda does with what invoked it without waiting: try it twice more, then dead-letter it."""
        sending, answer = done.about, done.answer
        self.facts.let_in.add(sending.planned.marker)
        if answer is not None and "failed" not in answer:
            self.facts.sent += 1
        elif sending.attempt < _LAMBDAS_ATTEMPTS:
            sending.attempt += 1
            self._schedule(self.stage.world.now() + 60 * sending.attempt, sending)
        else:
            self.facts.sent += 1
            self.source.bury(done.job.invocation)
