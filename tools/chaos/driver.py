"""The driver: sends the planned events, invokes the workers, kills some of them, and moves the clock."""

import heapq
import itertools
import json
import random
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from chaos import plan
from chaos.event_source import EventSource
from chaos.fifo_source import FifoSource
from chaos.plan import Kind, Planned, Request, Way, requests_of
from chaos.replays import Replays
from chaos.services import Services
from chaos.ticks import TICK, Ticks
from chaos.vendor_faults import VendorFaults
from chaos.webhooks import webhook
from chaos.worker_pool import Done, WorkerPool
from push_relay.core.outcomes import Outcome

HANDLERS: Final = ["receive", "receive", "deliver", "deliver", "direct", "fifo"]
_HANDLER_OF: Final = {
    Way.PUSH: "receive",
    Way.GITHUB: "receive",
    Way.INVOKED: "deliver",
    Way.DIRECT: "direct",
    Way.LIST: "receive",
    Way.LIST_DIRECT: "direct",
    Way.EACH: "receive",
    Way.LINES: "receive",
}
_OK, _ACCEPTED, _MALFORMED, _UNAUTHORIZED, _INVALID = 200, 202, 400, 401, 422
#: After this many attempts, a webhook's sender gives up.
_SENDER_ATTEMPTS: Final = 12
_SENDER_MAX_WAIT_SECS: Final = 3 * 3600.0
#: Lambda's attempts of an asynchronous invocation.
_INVOCATION_ATTEMPTS: Final = 3
#: The probability, for each job that ends, that a busy worker is killed in the middle of any line.
_OUTSIDE_KILL_PROBABILITY: Final = 0.002
#: An empty queue is not polled more often than this, because polling takes time from the workers.
_EMPTY_POLL_INTERVAL_SECS: Final = 0.05
#: The clock may jump this much further, so that several messages become due together.
_BATCHING_SECS: Final = 30.0
#: While this many messages are ready for the workers, no others are received.
_MAX_READY: Final = 100


class NotDoneError(Exception):
    """The run did not end within its time limit."""


@dataclass(slots=True)
class Sending:
    """One copy of a request that is to be sent. `attempt`: from 1."""

    request: Request
    attempt: int = 1


@dataclass(slots=True)
class Facts:
    """The driver's own record of a run.

    accepted     when the relay or a queue has first accepted each event, by its marker, in seconds since the
                 epoch
    refused      the HTTP status by marker, for the events of webhooks that were refused as a whole
    event_ids    the relay's id of each event of a split request, by marker
    misanswered  the markers of events that have another outcome in an answer than in the plan
    sent_again   how often a split request was sent again, because its answer asked for that or was lost
    sent         how many sendings are done, whatever their result
    given_up     the markers of webhooks whose sender has given up
    out_of_order the markers of events that the FIFO queue has given up, so that their groups went on
    invocations  how many invocations have ended
    jumped_secs  how far the clock was moved in total
    """

    accepted: dict[str, float] = field(default_factory=dict)
    refused: dict[str, int] = field(default_factory=dict)
    event_ids: dict[str, str] = field(default_factory=dict)
    misanswered: list[str] = field(default_factory=list)
    sent_again: int = 0
    sent: int = 0
    given_up: set[str] = field(default_factory=set)
    out_of_order: set[str] = field(default_factory=set)
    invocations: int = 0
    jumped_secs: float = 0.0


@dataclass(slots=True)
class Driver:
    """Runs a plan to its end.

    show      is called after each step, to show the progress
    sendings  how many sendings the plan has
    """

    services: Services
    pool: WorkerPool
    source: EventSource
    fifo: FifoSource
    replays: Replays
    vendor_faults: Sequence[VendorFaults]
    ticks: Ticks
    dice: random.Random
    show: Callable[["Driver"], None]
    sendings: int
    facts: Facts = field(default_factory=Facts)
    _due: list[tuple[float, int, Sending]] = field(default_factory=list)
    _number: "itertools.count[int]" = field(default_factory=itertools.count)
    _worth_polling: bool = True
    _polled_empty_at: float = 0.0
    _start: float = 0.0

    def run(self, planned: list[Planned], limit_secs: float) -> Facts:
        """Send all planned events, and go on until no message is left. Raises NotDoneError."""
        start = self._start = self.services.run_clock.now()
        for request in requests_of(planned):
            for after_secs in request.copies:
                self._schedule(start + after_secs, Sending(request))
        for faults in self.vendor_faults:
            faults.begin()
        deadline = time.monotonic() + limit_secs
        while not self._step():
            if time.monotonic() > deadline:
                left = "\n".join([f"{self.waiting} messages are left", *self.ticks.lines()])
                raise NotDoneError(f"the run is not done after {limit_secs:.0f} s; {left}")
            self.show(self)
        self.facts.out_of_order = self.fifo.given_up
        return self.facts

    @property
    def waiting(self) -> int:
        """The number of messages in both queues."""
        return self.source.waiting + self.fifo.waiting

    # --- one step ------------------------------------------------------------------------------------

    def _step(self) -> bool:
        """Do what can be done now, and return whether the whole run is done."""
        for faults in self.vendor_faults:
            faults.change()
        replaying = self.replays.step(self.facts.sent / self.sendings)
        self._worth_polling |= replaying
        self._worth_polling |= self.source.release() > 0
        polled = 0
        while self._worth_polling and self._may_poll and len(self.source.ready) + polled < _MAX_READY:
            received = self.source.poll()
            polled += received
            self._worth_polling = received > 0
            self._polled_empty_at = self._polled_empty_at if received else time.monotonic()
        handed = self._hand_out_sendings() + self._hand_out_tick() + self._hand_out_batches()
        ended = 0
        for done in self.pool.done(0.0 if handed else 0.002):
            self._end(done)
            ended += 1
        if self.dice.random() < _OUTSIDE_KILL_PROBABILITY * ended:
            self.pool.kill_one(self.dice)
        self._worth_polling |= ended > 0
        if handed or ended or polled or replaying or self.source.delete():
            return False
        return self._jump_if_idle()

    @property
    def _may_poll(self) -> bool:
        """Whether enough time has passed since the queue was empty."""
        return time.monotonic() - self._polled_empty_at > _EMPTY_POLL_INTERVAL_SECS

    def _jump_if_idle(self) -> bool:
        """Move the clock to the next due time if no worker works. Returns whether nothing is due any more."""
        now = self.services.run_clock.now()
        rests = [self.services.run_clock.rests_until(worker.slot) for worker in self.pool.busy]
        # A worker whose rest is over is about to work, although it has not noticed it yet.
        if any(rest is None or rest <= now for rest in rests):
            return False
        if self._worth_polling and len(self.source.ready) < _MAX_READY:
            self._polled_empty_at = 0.0
            return False
        due_times = [rest for rest in rests if rest is not None]
        due_times += [self._due[0][0]] if self._due else []
        others = [self.source.next_due, self.fifo.next_due, *(each.next_due for each in self.vendor_faults)]
        due_times += [due for due in (*others, self.ticks.next_due()) if due is not None]
        if not due_times:
            return True
        if later := [due for due in due_times if due > now]:
            target = min(later)
            if not rests:
                # SQS is late too, and messages that become due together are shared by the workers.
                target = max(target, min(target + _BATCHING_SECS, self.source.batch_due))
            self.facts.jumped_secs += target - now
            self.services.run_clock.jump(target)
        return False

    # --- sending -------------------------------------------------------------------------------------

    def _schedule(self, due: float, sending: Sending) -> None:
        heapq.heappush(self._due, (due, next(self._number), sending))

    def _hand_out_sendings(self) -> int:
        handed = 0
        while self._due and self._due[0][0] <= self.services.run_clock.now():
            handler = _HANDLER_OF.get(self._due[0][2].request.way)
            worker = self.pool.idle(handler) if handler else None
            if handler and worker is None:
                break
            sending = heapq.heappop(self._due)[2]
            if worker is None:
                self._put_into_queue(sending.request.events[0])
            else:
                self.pool.give(worker, self._invocation(sending.request), sending)
            handed += 1
        return handed

    def _invocation(self, request: Request) -> dict[str, Any]:
        if request.way is Way.INVOKED:
            (event,) = request.events
            return {
                "Records": [
                    {"EventSource": "aws:sns", "Sns": plan.notification(event, self._happened_at(event))}
                ]
            }
        return webhook(request, self.services.run_clock.now(), self.services.signing_secrets)

    def _happened_at(self, planned: Planned) -> float:
        return self._start + planned.copies[0]

    def _put_into_queue(self, planned: Planned) -> None:
        match planned.way:
            case Way.SNS:
                self.source.send(json.dumps(plan.notification(planned, self._happened_at(planned))), None)
            case Way.BUS:
                self.source.send(json.dumps(plan.bus_event(planned, self._happened_at(planned))), None)
            case Way.FIFO:
                self.fifo.send(planned.marker, json.dumps(plan.push_document(planned)))
            case _:
                self.source.send(json.dumps(plan.push_document(planned)), "push")
        self._accept([planned.marker])
        self.facts.sent += 1
        self._worth_polling = True

    def _hand_out_batches(self) -> int:
        handed = 0
        for handler, source in (("deliver", self.source), ("fifo", self.fifo)):
            while (worker := self.pool.idle(handler)) and (batch := source.batch()):
                self.pool.give(worker, {"Records": batch}, batch)
                handed += 1
        return handed

    def _hand_out_tick(self) -> int:
        worker = self.pool.idle("deliver")
        if worker is None or not self.ticks.is_due():
            return 0
        self.ticks.give()
        self.pool.give(worker, TICK, TICK)
        return 1

    # --- results -------------------------------------------------------------------------------------

    def _end(self, done: Done) -> None:
        self.facts.invocations += 1
        self.ticks.change()
        if isinstance(done.origin, list):
            source = self.fifo if done.job.handler == "fifo" else self.source
            source.finish(done.origin, done.answer)
        elif done.origin is TICK:
            return  # the schedule drops a tick that has failed, because the next one does its work
        elif done.origin.request.way is Way.INVOKED:
            self._end_invocation(done)
        else:
            self._end_webhook(done.origin, done.answer)

    def _end_webhook(self, sending: Sending, answer: Any) -> None:
        """Do what a sender does with the response: retry with backoff, and give up at last."""
        request, status = sending.request, answer["statusCode"] if answer else 0
        markers = [event.marker for event in request.events]
        is_refusal = request.is_broken and status in {_MALFORMED, _INVALID}
        if status in {_OK, _ACCEPTED}:
            self._accept(markers)
            if request.is_split:
                self._read_list_answer(request, json.loads(answer["body"])["events"])
        elif is_refusal or (status == _UNAUTHORIZED and request.is_forged):
            self.facts.refused.update(dict.fromkeys(markers, status))
        elif sending.attempt < _SENDER_ATTEMPTS:
            wait_secs = min(_SENDER_MAX_WAIT_SECS, self.dice.uniform(1, 30) * 2**sending.attempt)
            sending.attempt += 1
            self.facts.sent_again += request.is_split
            self._schedule(self.services.run_clock.now() + wait_secs, sending)
            return
        else:
            self.facts.given_up.update(markers)
        self.facts.sent += 1

    def _accept(self, markers: Iterable[str]) -> None:
        now = self.services.run_clock.now()
        for marker in markers:
            self.facts.accepted.setdefault(marker, now)

    def _read_list_answer(self, request: Request, entries: list[dict[str, Any]]) -> None:
        """Compare the outcomes in an answer with the plan. Only those of invalid items are known already."""
        if len(entries) != len(request.events):
            self.facts.misanswered.append(request.marker)
            return
        for event, entry in zip(request.events, entries, strict=True):
            self.facts.event_ids[event.marker] = entry["id"]
            if (entry["status"] == Outcome.REJECTED) is not (event.kind is Kind.BROKEN):
                self.facts.misanswered.append(event.marker)

    def _end_invocation(self, done: Done) -> None:
        """Do what Lambda does with an asynchronous invocation: retry it twice, and dead-letter it at last."""
        sending, answer = done.origin, done.answer
        self._accept([sending.request.marker])
        if answer is not None and "failed" not in answer:
            self.facts.sent += 1
        elif sending.attempt < _INVOCATION_ATTEMPTS:
            sending.attempt += 1
            self._schedule(self.services.run_clock.now() + 60 * sending.attempt, sending)
        else:
            self.facts.sent += 1
            self.source.dead_letter(done.job.invocation)
