"""Wrap the relay's real objects thinly: they write each step into the journal and inject faults.

The composition root makes the objects. `watch` replaces the classes that it uses by those of this module, of
`watched_stores.py` and of `watched_queue.py`, and then lets it build the relay.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from chaos.fault_injector import FaultInjector, describe, error_name, is_poison, markers_of
from chaos.watched_queue import WatchedMessages
from chaos.watched_stores import WatchedBacklog, WatchedBatchStore, WatchedLedger, WatchedPermitStore
from chaos.watched_telemetry import WatchedTelemetry
from push_relay.adapters.process import SystemClock
from push_relay.bootstrap import deliver, receive
from push_relay.bootstrap.common import Common
from push_relay.core.clock import TimeLeft
from push_relay.core.delivery.backlog import Unreadable, Waiting
from push_relay.core.delivery.batching import SinglePush
from push_relay.core.delivery.encoding import Credentials
from push_relay.core.delivery.lane import Feed, Lane
from push_relay.core.delivery.parking import Parking
from push_relay.core.delivery.run_parts import Task
from push_relay.core.delivery.sender import PushApi, Sender
from push_relay.core.delivery.wake_up import SOURCE as BATCH_SOURCE
from push_relay.core.event import Event
from push_relay.core.inbound.request import HttpRequest
from push_relay.core.intake import Intake, Received
from push_relay.core.push import Push, Receipt
from push_relay.core.relay import Relay
from push_relay.core.translator import Translator
from push_relay.core.trust.handshakes.base import Reply
from push_relay.entrypoints import drain
from push_relay.entrypoints.backlog_feed import BacklogFeed, FeedParts
from push_relay.entrypoints.batch_consumer import BatchConsumer, Unwrap
from push_relay.entrypoints.http_endpoint import HttpEndpoint
from push_relay.entrypoints.queue_record import QueueRecord
from push_relay.settings import Settings


@dataclass(frozen=True, slots=True)
class WatchedPushApi:
    """A client of the vendor's API with a journal."""

    inner: PushApi
    injector: FaultInjector

    def send(self, push: Push, credentials: Credentials, correlation_id: str, timeout: float) -> None:
        """Send a push."""
        self.injector.at("before_send")
        self.injector.note("sending", **describe(push))
        try:
            self.inner.send(push, credentials, correlation_id, timeout)
        except Exception as exc:
            self.injector.note("sent", key=push.key, result=error_name(exc))
            self.injector.at("after_send")
            raise
        self.injector.note("sent", key=push.key, result="ok")
        self.injector.at("after_send")


@dataclass(frozen=True, slots=True)
class WatchedSender(Sender):
    """A sender that is killed by every poison."""

    #: Always given. It has a default only because the fields of `Sender` before it have defaults.
    injector: FaultInjector | None = None

    def begin_claims(
        self, pushes: Sequence[tuple[Event, Push]], time_left: TimeLeft
    ) -> Callable[[], Sequence[Receipt | None]]:
        """Begin to claim pushes."""
        if self.injector:
            self.injector.at("before_claim", always=any(is_poison(event) for event, _ in pushes))
        return Sender.begin_claims(self, pushes, time_left)


@dataclass(frozen=True, slots=True)
class WatchedParking(Parking):
    """A place to park events that may be killed around an announcement."""

    #: Always given, see `WatchedSender`.
    injector: FaultInjector | None = None

    def announce(self, account: str) -> None:
        """Let another worker find what was stored."""
        if self.injector:
            self.injector.at("before_announce")
        Parking.announce(self, account)
        if self.injector:
            self.injector.at("after_announce")


@dataclass(frozen=True, slots=True)
class WatchedIntake(Intake):
    """An intake that takes up each event or invalid item as one, unless the relay has taken up its pushes."""

    #: Always given, see `WatchedSender`.
    injector: FaultInjector | None = None

    def receive(self, request: HttpRequest, time_left: TimeLeft) -> Received | Reply:
        """Receive a request. In direct mode, the pushes of its events are taken up by the relay."""
        pushes = 1
        try:
            received = Intake.receive(self, request, time_left)
            if isinstance(received, Received):
                pushes = sum(
                    part.event is None or not (part.forwarded and part.forwarded.receipts)
                    for part in received.parts
                )
        finally:
            if self.injector and pushes:
                self.injector.note("taken_up", pushes=pushes)
        return received


@dataclass(frozen=True, slots=True)
class WatchedConsumer(BatchConsumer):
    """A consumer that takes up each record that becomes no event as one."""

    #: Always given, see `WatchedSender`.
    injector: FaultInjector | None = None

    def _recognise(self, record: QueueRecord, unwrap: Unwrap) -> None:
        BatchConsumer._recognise(self, record, unwrap)  # noqa: SLF001 - `recogniser` does not see each record
        if self.injector and record.event is None:
            self.injector.note("taken_up", pushes=1)


def _count(event: Event, translator: Translator) -> int:
    """Return the number of an event's pushes. A batch push counts as one."""
    return 1 if event.source == BATCH_SOURCE else len(list(translator.translate(event)))


@dataclass(frozen=True, slots=True)
class WatchedRelay(Relay):
    """A relay that notes how many pushes it takes up. Each of them must have exactly one receipt."""

    #: Always given, see `WatchedSender`.
    injector: FaultInjector | None = None

    def deliver(
        self,
        events: Sequence[Event],
        time_left: TimeLeft,
        feed_of: Callable[[str], Feed | None] = lambda _account: None,
    ) -> Sequence[Sequence[Receipt]]:
        """Take up the pushes of events."""
        if self.injector:
            pushes = sum(_count(event, self.translator) for event in events)
            self.injector.note("taken_up", pushes=pushes)
        return Relay.deliver(self, events, time_left, feed_of)


class WatchedFeed(BacklogFeed):
    """A feed of the backlog that notes how many pushes it takes up, and which events it has tried."""

    def __init__(self, parts: FeedParts, account: str, *, injector: FaultInjector) -> None:
        super().__init__(parts, account)
        self._injector = injector

    def _tasks(self, each: Waiting | Unreadable) -> Sequence[Task]:
        if isinstance(each, Unreadable):
            self._injector.note("taken_up", pushes=1)
            return super()._tasks(each)
        self._injector.note(
            "drained",
            items=markers_of(each.event),
            account=self._account,
            reason=each.reason,
            attempt=each.attempt,
            tries=each.tries,
            due=each.due,
        )
        # Those of other accounts are parked again, and have receipts too.
        self._injector.note("taken_up", pushes=_count(each.event, self._parts.relay.translator))
        return super()._tasks(each)

    def _survives(self, each: Waiting | Unreadable) -> bool:
        survives = super()._survives(each)
        if not survives:
            self._injector.note("taken_up", pushes=1)
        return survives


@dataclass(frozen=True, slots=True)
class WatchedLane(Lane):
    """A lane that takes up each push of a refused batch push."""

    #: Always given, see `WatchedSender`.
    injector: FaultInjector | None = None

    def send_singly(self, event: Event, pushes: Sequence[SinglePush], time_left: TimeLeft) -> list[Receipt]:
        """Send the pushes of a refused batch push, which was taken up as one before."""
        if self.injector:
            self.injector.note("taken_up", pushes=len(pushes) - 1)
        receipts = Lane.send_singly(self, event, pushes, time_left)
        if self.injector:
            # There is one receipt more if the recipient was sent a notice.
            self.injector.note("taken_up", pushes=len(receipts) - len(pushes))
        return receipts


@dataclass(frozen=True, slots=True)
class Watched:
    """The relay's two entrypoints with wrapped objects, and the queue that both use."""

    endpoint: HttpEndpoint
    consumer: BatchConsumer
    messages: WatchedMessages


def watch(settings: Settings, clock: SystemClock, injector: FaultInjector) -> Watched:
    """Build the relay from its settings, with wrapped objects."""
    common = Common.of(settings, clock)
    messages = WatchedMessages(common.queue, injector)
    stand_in: Any = messages
    common = replace(common, queue=stand_in, telemetry=WatchedTelemetry(injector))
    _replace_classes(injector)
    endpoint = receive.build(common)
    return Watched(endpoint, deliver.build(common), messages)


def _replace_classes(injector: FaultInjector) -> None:
    """Replace the classes that the composition root makes objects of, in this process."""
    wrapped: Mapping[str, Any] = {
        "DynamoDbLedger": WatchedLedger,
        "DynamoDbPermits": WatchedPermitStore,
        "DynamoDbBacklog": WatchedBacklog,
        "DynamoDbBatches": WatchedBatchStore,
        "HttpPushApi": WatchedPushApi,
    }
    for name, wrapper in wrapped.items():
        setattr(deliver, name, _wrapping(getattr(deliver, name), wrapper, injector))
    replaced: Sequence[tuple[Any, str, Any]] = [
        (deliver, "Sender", WatchedSender),
        (deliver, "Parking", WatchedParking),
        (deliver, "Lane", WatchedLane),
        (deliver, "Relay", WatchedRelay),
        (deliver, "BatchConsumer", WatchedConsumer),
        (drain, "BacklogFeed", WatchedFeed),
        (receive, "Intake", WatchedIntake),
    ]
    for module, name, watched in replaced:
        setattr(module, name, partial(watched, injector=injector))


def _wrapping(made: Any, wrapper: Any, injector: FaultInjector) -> Callable[..., Any]:
    """Return a function that makes an object and wraps it."""
    return lambda *arguments: wrapper(made(*arguments), injector)
