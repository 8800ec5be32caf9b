"""Thin wrappers of the relay's real objects: they write each step into the journal and inject faults."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any

from chaos.fault_injector import FaultInjector, describe, error_name, is_poison, markers_in
from chaos.plan import FIFO_ARN
from chaos.watched_telemetry import WatchedTelemetry
from push_relay.adapters.process import SystemClock
from push_relay.adapters.queue import SqsQueue
from push_relay.bootstrap import deliver, receive
from push_relay.bootstrap.common import Common
from push_relay.core.clock import TimeLeft
from push_relay.core.delivery.wake_up import SOURCE as BATCH_SOURCE
from push_relay.core.delivery.batching import Added, BatchedPush, Batcher, BatchStore, SinglePush, Window
from push_relay.core.delivery.encoding import Credentials
from push_relay.core.delivery.lane import Lane
from push_relay.core.delivery.ledger import Claim, Claimed, ClaimRequest, Ledger, Settlement
from push_relay.core.delivery.sender import PushApi, Sender
from push_relay.core.errors import LedgerUnavailable, RelayError
from push_relay.core.event import Event, Replay
from push_relay.core.inbound.request import HttpRequest
from push_relay.core.intake import Forward, Intake, QueueForward, Received
from push_relay.core.push import Push, Receipt
from push_relay.core.queue_format import RejectedItem
from push_relay.core.relay import Relay
from push_relay.core.trust.handshakes.base import Reply
from push_relay.entrypoints.batch_consumer import BatchConsumer, Unwrap
from push_relay.entrypoints.direct import DirectForward
from push_relay.entrypoints.ending import Ending
from push_relay.entrypoints.http_endpoint import HttpEndpoint
from push_relay.entrypoints.queue_record import QueueRecord
from push_relay.settings import DeliveryMode, Settings


class WatchedLedger:
    """A ledger with a journal. The methods that are not watched are the inner ledger's own."""

    def __init__(self, inner: Ledger, injector: FaultInjector) -> None:
        self.inner = inner
        self.injector = injector
        self.error_code_of = inner.error_code_of
        self.count_unknown = inner.count_unknown
        self.clear_parked = inner.clear_parked

    def claim(
        self, key: str, lease_secs: float, replay: Replay, replay_id: str, forget_before: float = 0.0
    ) -> Claim:
        """Claim a push."""
        self.injector.at("before_claim")
        claim = self.inner.claim(key, lease_secs, replay, replay_id, forget_before)
        is_replay = replay is not Replay.NO
        self.injector.note(
            "claimed", key=key, claim=claim, lease_secs=round(lease_secs, 3), is_replay=is_replay
        )
        self.injector.at("after_claim")
        return claim

    def claim_all(self, requests: Sequence[ClaimRequest]) -> Sequence[Claimed | LedgerUnavailable]:
        """Claim pushes in one round trip."""
        return self.inner.claim_all(requests)

    def end_all(self, settlements: Sequence[Settlement]) -> Sequence[LedgerUnavailable | None]:
        """End claims in one round trip."""
        return self.inner.end_all(settlements)

    def settle(self, key: str, status: str, error_code: str = "") -> None:
        """Settle a push."""
        self.injector.at("before_settle")
        try:
            self.inner.settle(key, status, error_code)
        except Exception as exc:
            self.injector.note("not_settled", key=key, result=error_name(exc))
            raise
        self.injector.note("settled", key=key, status=status)
        self.injector.at("after_settle")

    def note_window(self, key: str, window: str, *, overwrite: bool = False) -> str:
        """Note the batch window of a push."""
        self.injector.at("before_note_window")
        noted = self.inner.note_window(key, window, overwrite=overwrite)
        self.injector.note("noted_window", key=key, overwrite=overwrite, was_noted=noted != window)
        self.injector.at("after_note_window")
        return noted

    def release(self, key: str, receipt: Receipt) -> None:
        """Release a claim."""
        self.injector.at("before_release")
        self.inner.release(key, receipt)
        self.injector.at("after_release")


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


class WatchedBatchStore:
    """A store of batch windows with a journal. The methods that are not watched are the inner store's own."""

    def __init__(self, inner: BatchStore, injector: FaultInjector) -> None:
        self.inner = inner
        self.injector = injector
        self.latest = inner.latest
        self.further = inner.further
        self.scheduled = inner.scheduled
        self.close = inner.close

    def add(self, window: Window, entry: BatchedPush) -> Added:
        """Add a push to a window."""
        self.injector.at("before_batch")
        push = Push(window.recipient, entry.wording, entry.key, account=window.account)
        self.injector.note("batching", **describe(push), window=window.id)
        added = self.inner.add(window, entry)
        self.injector.note("batched", key=entry.key, added=added)
        self.injector.at("after_batch")
        return added


@dataclass(frozen=True, slots=True)
class WatchedMessages:
    """The queue and the dead-letter queue with a journal.

    The FIFO queue is in the driver's memory. So its changes are collected here and returned with the worker's
    answer.

    hidden_secs  for how long the relay hides a message of the FIFO queue, by the message's id
    deleted      the ids of messages that the relay deletes from the FIFO queue
    """

    inner: SqsQueue
    injector: FaultInjector
    hidden_secs: dict[str, float] = field(default_factory=dict)
    deleted: list[str] = field(default_factory=list)

    def fifo_changes(self) -> dict[str, Any]:
        """Return the changes of the FIFO queue since the last call."""
        changes = {"hidden_secs": dict(self.hidden_secs), "deleted": list(self.deleted)}
        self.hidden_secs.clear()
        self.deleted.clear()
        return changes

    def put(self, event: Event) -> None:
        """Queue an event."""
        self.inner.put(event)
        self.injector.at("after_put")

    def put_all(
        self, contents: Sequence[Event | RejectedItem], time_left: TimeLeft
    ) -> Sequence[RelayError | None]:
        """Queue the events of one request, or its items that are not valid."""
        if kept := [content for content in contents if isinstance(content, RejectedItem)]:
            self.injector.at("before_keep")
            self.injector.note("keeping", items=markers_in(" ".join(item.text for item in kept)))
        results = self.inner.put_all(contents, time_left)
        refused = sum(result is not None for result in results)
        if refused:
            self.injector.note("put_in_part", refused=refused, queued=len(results) - refused)
        self.injector.at("after_put")
        return results

    def requeue(self, event: Event, attempt: int, due: float, error_code: str) -> None:
        """Queue an event for its next attempt."""
        self.injector.at("before_requeue")
        self.inner.requeue(event, attempt, due, error_code)
        self.injector.at("after_requeue")

    def dead_letter(self, body: str, attributes: Mapping[str, str], error_code: str, event_id: str) -> None:
        """Dead-letter a message."""
        self.injector.at("before_dead_letter")
        self.injector.note("dead_lettering", items=markers_in(body))
        self.inner.dead_letter(body, attributes, error_code, event_id)
        self.injector.at("after_dead_letter")

    def copy(self, record: Mapping[str, Any], crashes: int, due: float) -> None:
        """Queue a copy of a record."""
        self.injector.at("before_copy")
        self.injector.note("copying", items=markers_in(str(record.get("body"))))
        self.inner.copy(record, crashes, due)
        self.injector.at("after_copy")

    def delay(self, records: Sequence[Mapping[str, Any]], delay: float) -> None:
        """Hide records for a time. The driver itself hides those of the relay's queue."""
        ids = [record["messageId"] for record in records if record.get("eventSourceARN") == FIFO_ARN]
        self.hidden_secs.update(dict.fromkeys(ids, delay))

    def delete(self, record: Mapping[str, Any]) -> None:
        """Delete a record."""
        self.injector.at("before_delete")
        if record.get("eventSourceARN") == FIFO_ARN:
            self.deleted.append(record["messageId"])
        else:
            self.inner.delete(record)
        self.injector.at("after_delete")


@dataclass(frozen=True, slots=True)
class WatchedSender(Sender):
    """A sender that is killed by every poison."""

    #: Always given. It has a default only because the fields of `Sender` before it have defaults.
    injector: FaultInjector | None = None

    def claim(self, event: Event, push: Push, time_left: TimeLeft) -> Receipt | None:
        """Claim a push."""
        if self.injector:
            self.injector.at("before_claim", always=is_poison(event))
        return Sender.claim(self, event, push, time_left)


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


@dataclass(frozen=True, slots=True)
class WatchedRelay(Relay):
    """A relay that notes how many pushes it takes up. Each of them must have exactly one receipt."""

    #: Always given, see `WatchedSender`.
    injector: FaultInjector | None = None

    def deliver(self, events: Sequence[Event], time_left: TimeLeft) -> Sequence[Sequence[Receipt]]:
        """Take up the pushes of events. A batch push counts as one."""
        pushes = sum(
            1 if event.source == BATCH_SOURCE else len(list(self.translator.translate(event)))
            for event in events
        )
        if self.injector:
            self.injector.note("taken_up", pushes=pushes)
        return Relay.deliver(self, events, time_left)


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
    """Build the relay from its settings, and wrap its objects."""
    common = Common.of(settings, clock)
    endpoint, consumer = receive.build(common), deliver.build(common)
    queue, telemetry = WatchedMessages(common.queue, injector), WatchedTelemetry(injector)
    relay = _watch_relay(consumer.relay, queue, injector)
    forward: Forward = QueueForward(queue)
    if settings.mode is DeliveryMode.DIRECT:
        forward = DirectForward(relay, Ending(queue, clock))
    intake = replace(endpoint.intake, forward=forward)
    return Watched(
        HttpEndpoint(WatchedIntake(**_fields_of(intake), injector=injector), telemetry),
        WatchedConsumer(consumer.recogniser, relay, queue, telemetry, clock, injector),
        queue,
    )


def _watch_relay(relay: Relay, queue: WatchedMessages, injector: FaultInjector) -> WatchedRelay:
    lanes = {name: _watch_lane(lane, queue, injector) for name, lane in relay.lanes.items()}
    return WatchedRelay(**_fields_of(replace(relay, lanes=lanes)), injector=injector)


def _watch_lane(lane: Lane, queue: WatchedMessages, injector: FaultInjector) -> WatchedLane:
    inner = replace(
        lane.sender,
        ledger=WatchedLedger(lane.sender.ledger, injector),
        push_api=WatchedPushApi(lane.sender.push_api, injector),
    )
    sender = WatchedSender(**_fields_of(inner), injector=injector)
    store = WatchedBatchStore(lane.batcher.store, injector)
    batcher = Batcher(store, sender.ledger, sender, queue, sender.clock)
    return WatchedLane(**_fields_of(replace(lane, sender=sender, batcher=batcher)), injector=injector)


def _fields_of(instance: Any) -> dict[str, Any]:
    """Return a dataclass instance's fields and their values."""
    return {each.name: getattr(instance, each.name) for each in fields(instance)}
