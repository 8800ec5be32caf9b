"""The relay's surroundings in memory: a fake for every port, which records its calls."""

import io
import itertools
import json
import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import shipped
from backlog_store import Backlog
from open_permits import OpenPermits
from ports import Clock, PushApi, PushCredentials, SigningSecrets, Sns
from push_relay.adapters.catalog import Catalog, read_routing_file
from push_relay.core.clock import TimeLeft
from push_relay.core.delivery.batching import Batcher
from push_relay.core.delivery.lane import Lane
from push_relay.core.delivery.parking import Parking
from push_relay.core.delivery.sender import Sender
from push_relay.core.errors import LedgerUnavailable
from push_relay.core.event import Event
from push_relay.core.intake import Forward, Forwarded, Intake, QueueForward
from push_relay.core.outcomes import Outcome
from push_relay.core.push import DEFAULT_ACCOUNT, Receipt
from push_relay.core.queue_format import RejectedItem
from push_relay.core.relay import Relay
from push_relay.core.rules.recogniser import Recogniser
from push_relay.core.rules.routing import Routing
from push_relay.core.translator import Translator
from push_relay.core.trust.door import Door
from push_relay.entrypoints.backlog_feed import FeedParts
from push_relay.entrypoints.batch_consumer import BatchConsumer
from push_relay.entrypoints.direct import DirectForward
from push_relay.entrypoints.drain import Drainer
from push_relay.entrypoints.ending import Ending
from push_relay.entrypoints.http_endpoint import HttpEndpoint
from push_relay.settings import DeliveryMode
from push_relay.telemetry import Telemetry
from queues import Messages
from stores import BatchStore, Ledger

ROOT = Path(__file__).parents[1]
SAMPLES = Path(__file__).parent / "samples"
#: The shipped source folders, and routes for them, without a deployer's additions and changes.
SHIPPED = shipped.directory()
SHIPPED_ROUTES = SAMPLES / "shipped-routes.toml"


@dataclass
class Context:
    """Lambda's context object, with the time that an invocation has left."""

    seconds: float = 30.0

    def get_remaining_time_in_millis(self) -> int:
        """Return the remaining time."""
        return int(self.seconds * 1000)


class Witness:
    """Telemetry that records its calls, for tests of everything except telemetry."""

    def __init__(self) -> None:
        self.accepted_events: list[Event] = []
        self.kept_items: list[Receipt] = []
        self.empty_requests: list[tuple[str, str]] = []
        self.receipts: list[Receipt] = []
        self.refusals: list[Receipt] = []  # the receipts that may be logged as samples
        self.attempts: list[int] = []
        self.troubles: list[tuple[str, str, str]] = []
        self.handshakes: list[tuple[str, str]] = []
        self.fallbacks: list[tuple[str, Mapping[str, str]]] = []
        self.overdue_accounts: list[tuple[str, float]] = []  # with the seconds
        self.flushes = 0

    def accepted(self, *events: Event) -> None:
        """Record accepted events."""
        self.accepted_events += events

    def kept(self, receipt: Receipt) -> None:
        """Record an item that is not valid and was queued."""
        self.kept_items.append(receipt)

    def empty(self, source: str, correlation_id: str) -> None:
        """Record a request without events."""
        self.empty_requests.append((source, correlation_id))

    def handshake(self, source: str, correlation_id: str) -> None:
        """Record a handshake."""
        self.handshakes.append((source, correlation_id))

    def unsubscribed(self, source: str, correlation_id: str) -> None:
        """Record the end of a subscription."""
        self.troubles.append(("unsubscribed", source, correlation_id))

    def fell_back(self, event: Event, names: Mapping[str, str]) -> None:
        """Record an event that only a fallback source took."""
        self.fallbacks.append((event.source, names))

    def overdue(self, account: str, secs: float) -> None:
        """Record an account whose first event is overdue."""
        self.overdue_accounts.append((account, secs))

    def settled(self, receipts: Sequence[Receipt], *, attempt: int) -> None:
        """Record receipts."""
        self.receipts.extend(receipts)
        self.attempts.append(attempt)

    def refused(self, receipt: Receipt) -> None:
        """Record the receipt of a request without a valid proof."""
        self.refusals.append(receipt)
        self.settled([receipt], attempt=1)

    def trouble(self, what: str, *, error_code: str, detail: str) -> None:
        """Record a problem."""
        self.troubles.append((what, error_code, detail))

    def flush(self) -> None:
        """Count the calls."""
        self.flushes += 1

    @property
    def outcomes(self) -> list[Outcome]:
        """The outcomes of the receipts, in order."""
        return [receipt.outcome for receipt in self.receipts]


class InTurn:
    """Threads that run a function at once, so that a test has one order of steps."""

    def start(self, function: Callable[[], None]) -> Callable[[], None]:
        """Run a function to its end."""
        function()
        return lambda: None


def in_turn[T, R](function: Callable[[T], R], items: Sequence[T], _at_a_time: int = 1) -> Sequence[R]:
    """Call a function with each item, one after the other."""
    return [function(item) for item in items]


@dataclass
class AtOnce:
    """Direct mode. It is wired at each call, because a test may replace the relay or the queues."""

    world: "World"

    def __call__(self, events: Sequence[Event], left: TimeLeft) -> Sequence[Forwarded]:
        """Deliver events."""
        return self._forward(events, left)

    def keep(self, items: Sequence[RejectedItem], left: TimeLeft) -> Sequence[Forwarded]:
        """Dead-letter items that are not valid."""
        return self._forward.keep(items, left)

    @property
    def _forward(self) -> DirectForward:
        return DirectForward(self.world.relay, self.world.ending)


class World:
    """A relay and its surroundings. `witness` receives its telemetry unless another one is given."""

    def __init__(
        self,
        *,
        mode: DeliveryMode = DeliveryMode.QUEUE,
        sources: Path = SAMPLES / "sources",
        routes: Path = SAMPLES / "relay.toml",
        threads: Any = None,
        telemetry: Telemetry | None = None,
    ) -> None:
        self.clock, self.context = Clock(), Context()
        self.messages, self.ledger = Messages(self.clock.now), Ledger(self.clock.now)
        self.backlog = Backlog()
        self.secrets, self.credentials = SigningSecrets(), PushCredentials()
        self.vendor, self.witness, self.sns = PushApi(), Witness(), Sns()
        self.vendors = {DEFAULT_ACCOUNT: self.vendor}  # of each account
        self.telemetry: Any = telemetry or self.witness
        self.batches = BatchStore()
        self.sources, routing = Catalog(sources), read_routing_file(routes)
        self.permits = {name: OpenPermits() for name in routing.accounts}
        self.parking = Parking(self.backlog, self.messages, self.permits, self.clock)
        self.ending = Ending(self.messages, self.parking, self.clock)
        sender = Sender(self.ledger, self.credentials, self.vendor, self.permits[DEFAULT_ACCOUNT], self.clock)
        lanes = {}
        for name, account in routing.accounts.items():
            if name != DEFAULT_ACCOUNT:
                self.vendors[name] = PushApi()
                sender = replace(sender, push_api=self.vendors[name], permits=self.permits[name])
            batcher = Batcher(self.batches, self.ledger, sender, self.parking, self.clock)
            lanes[name] = Lane(account, sender, batcher, self.permits[name], threads or InTurn())
        self.translator = Translator(self.sources, routing)
        self.relay = Relay(self.translator, lanes, self.ledger, in_turn)
        self.recogniser = Recogniser(self.sources, routing, self.clock.now, self.telemetry.fell_back)
        self.intake = Intake(
            sources=self.sources,
            routing=routing,
            door=Door(self.secrets, self.sns.certificate),
            subscriptions=self.sns,
            forward=self.forward(mode),
            clock=self.clock,
            dead_letters=self.messages,
        )

    def forward(self, mode: DeliveryMode) -> Forward:
        """Return the next step for accepted events."""
        if mode is DeliveryMode.QUEUE:
            return QueueForward(self.messages)

        return AtOnce(self)

    @property
    def sender(self) -> Sender:
        """The sender of the default account."""
        return self.relay.lanes[DEFAULT_ACCOUNT].sender

    @property
    def routing(self) -> Routing:
        """The content of relay.toml."""
        return self.translator.routing

    @property
    def parked(self) -> list[tuple[Event, int, float]]:
        """The events of the backlog, each with the number of its next attempt, and when it is expected."""
        return [(each.event, each.attempt, each.due or each.expected) for each in self.backlog.all()]

    @property
    def reasons(self) -> list[str]:
        """The codes for which the events of the backlog wait."""
        return [each.reason for each in self.backlog.all()]

    def change_messages(self, messages: Any) -> None:
        """Replace the queue and the dead-letter queue of the back half."""
        self.messages = messages
        self.parking = replace(self.parking, queue=messages)
        self.ending = replace(self.ending, queues=messages, parking=self.parking)
        lanes = {
            name: replace(lane, batcher=replace(lane.batcher, scheduler=self.parking))
            for name, lane in self.relay.lanes.items()
        }
        self.relay = replace(self.relay, lanes=lanes)

    def break_parking(self) -> None:
        """Refuse what has to be parked or dead-lettered: neither the backlog nor the queue answers."""
        self.backlog.error = LedgerUnavailable("the backlog did not answer (Fake)")
        self.messages.break_down()

    def take_parked(self) -> list[Event]:
        """Remove all events from the backlog, and return them."""
        events = [event for event, _, _ in self.parked]
        self.backlog.items.clear()
        return events

    def change_lane(self, **changes: Any) -> None:
        """Replace parts of the default account's lane. The batcher gets a new sender too."""
        lane = replace(self.relay.lanes[DEFAULT_ACCOUNT], **changes)
        lane = replace(lane, batcher=replace(lane.batcher, ledger=lane.sender.ledger, sender=lane.sender))
        self.relay = replace(self.relay, lanes={**self.relay.lanes, DEFAULT_ACCOUNT: lane})

    def change_sender(self, **changes: Any) -> None:
        """Replace parts of the default account's sender."""
        self.change_lane(sender=replace(self.sender, **changes))

    def change_sources(self, sources: Any) -> None:
        """Replace the source folders."""
        self.sources = sources
        self.translator = replace(self.translator, sources=sources)
        self.relay = replace(self.relay, translator=self.translator)
        self.recogniser = replace(self.recogniser, sources=sources)
        self.intake = replace(self.intake, sources=sources)

    def change_door(self, door: Door) -> None:
        """Replace the verification."""
        self.intake = replace(self.intake, door=door)

    def change_routing(self, routing: Routing) -> None:
        """Replace the content of relay.toml."""
        self.translator = replace(self.translator, routing=routing)
        self.relay = replace(self.relay, translator=self.translator)
        self.change_lane(account=routing.account)
        self.recogniser = replace(self.recogniser, routing=routing)
        self.intake = replace(self.intake, routing=routing)

    def receive(self, invocation: Any) -> dict[str, Any]:
        """Answer an HTTP request."""
        return HttpEndpoint(self.intake, self.telemetry).handle(invocation, self.context)

    def deliver(self, invocation: Any) -> dict[str, Any]:
        """Deliver the messages of an invocation."""
        parts = FeedParts(self.relay, self.backlog, self.ending, self.telemetry, self.clock)
        drainer = Drainer(parts, in_turn)
        consumer = BatchConsumer(
            self.recogniser, self.relay, self.ending, drainer, self.telemetry, self.clock
        )
        return consumer.handle(invocation, self.context)

    def time_left(self) -> float:
        """Return the seconds that the invocation has left."""
        return self.context.seconds


@dataclass
class Captured:
    """Everything that a process writes: its output, its errors, and the log records of every logger."""

    telemetry: Telemetry
    out: io.StringIO = field(default_factory=io.StringIO)
    err: io.StringIO = field(default_factory=io.StringIO)
    logged: io.StringIO = field(default_factory=io.StringIO)

    @property
    def text(self) -> str:
        """Everything that was written."""
        return self.out.getvalue() + self.err.getvalue() + self.logged.getvalue()

    @property
    def lines(self) -> list[dict[str, Any]]:
        """The lines of standard output, each a JSON object."""
        return [json.loads(line) for line in self.out.getvalue().splitlines()]

    @property
    def logs(self) -> list[dict[str, Any]]:
        """The log lines."""
        return [line for line in self.lines if "_aws" not in line]

    @property
    def metrics(self) -> list[dict[str, Any]]:
        """The metrics, in CloudWatch's embedded format."""
        return [line for line in self.lines if "_aws" in line]


@contextmanager
def captured(*, samples: bool = True, stack: str = "push-relay") -> Iterator[Captured]:
    """Capture real telemetry.

    Without `samples` every refusal is logged, because the clock moves by an hour at each reading.
    """
    hours = itertools.count(0, 3600)
    clock = time.monotonic if samples else lambda: float(next(hours))
    kept = Captured(Telemetry(stack, clock))
    everything = logging.StreamHandler(kept.logged)
    root = logging.getLogger()
    root.addHandler(everything)
    try:
        with redirect_stdout(kept.out), redirect_stderr(kept.err):
            yield kept
    finally:
        root.removeHandler(everything)


# --- invocations by AWS -------------------------------------------------------------------------------
