"""Thin wrappers of the relay's real objects: they write each step into the journal and inject faults."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from chaos.fault_injector import FaultInjector, describe, error_name, is_poison
from chaos.plan import FIFO_ARN
from push_relay.bootstrap import Application
from push_relay.core.delivery.batching import SOURCE as BATCH_SOURCE
from push_relay.core.delivery.batching import Added, BatchedPush, Batcher, BatchStore, SinglePush, Window
from push_relay.core.delivery.encoding import Credentials
from push_relay.core.delivery.sender import Claim, Ledger, PushApi, Sender, TimeLeft
from push_relay.core.errors import Crashed
from push_relay.core.event import Arrival, Event, Replay
from push_relay.core.inbound.request import HttpRequest
from push_relay.core.push import Push, Receipt
from push_relay.core.relay import DeliveryMode, Received, Relay
from push_relay.core.trust.handshakes.base import Reply
from push_relay.telemetry import Telemetry


@dataclass(frozen=True, slots=True)
class WatchedLedger:
    """A ledger with a journal."""

    inner: Ledger
    injector: FaultInjector

    def claim(
        self, key: str, lease: float, replay: Replay, replay_id: str, forget_before: float = 0.0
    ) -> Claim:
        """Claim a push."""
        self.injector.at("before_claim")
        claim = self.inner.claim(key, lease, replay, replay_id, forget_before)
        is_replay = replay is not Replay.NO
        self.injector.note("claimed", key=key, claim=claim, lease_secs=round(lease, 3), is_replay=is_replay)
        self.injector.at("after_claim")
        return claim

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

    def note_window(self, key: str, window: str, *, anew: bool = False) -> str:
        """Note the batch window of a push."""
        self.injector.at("before_note_window")
        noted = self.inner.note_window(key, window, anew=anew)
        self.injector.note("noted_window", key=key, anew=anew, was_noted=noted != window)
        self.injector.at("after_note_window")
        return noted

    def error_code_of(self, key: str) -> str:
        """Return the error code of a failed push."""
        return self.inner.error_code_of(key)

    def count_unknown(self, key: str) -> int:
        """Count a call of unknown fate."""
        return self.inner.count_unknown(key)

    def release(self, key: str, receipt: Receipt) -> None:
        """Release a claim."""
        self.injector.at("before_release")
        self.inner.release(key, receipt)
        self.injector.at("after_release")

    def clear_parked(self, key: str) -> None:
        """Remove the note that a push is parked."""
        self.inner.clear_parked(key)


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
class WatchedBatchStore:
    """A store of batch windows with a journal."""

    inner: BatchStore
    injector: FaultInjector

    def latest(self, window: Window) -> Window:
        """Return the segment to which a push is added first."""
        return self.inner.latest(window)

    def further(self, window: Window) -> Window:
        """Return the segment that follows a full one."""
        return self.inner.further(window)

    def add(self, window: Window, entry: BatchedPush) -> Added:
        """Add a push to a window."""
        self.injector.at("before_batch")
        push = Push(window.recipient, entry.wording, entry.key)
        self.injector.note("batching", **describe(push), window=window.id)
        added = self.inner.add(window, entry)
        self.injector.note("batched", key=entry.key, added=added)
        self.injector.at("after_batch")
        return added

    def scheduled(self, window: Window) -> None:
        """Note that a window's end is scheduled."""
        self.inner.scheduled(window)

    def close(self, window_id: str) -> tuple[Window, Sequence[BatchedPush]] | None:
        """Close a window."""
        return self.inner.close(window_id)


@dataclass(frozen=True, slots=True)
class WatchedMessages:
    """The queue and the dead-letter queue with a journal.

    The FIFO queue is in the driver's memory. So its changes are collected here and returned with the worker's
    answer.

    hidden_secs  for how long the relay hides a message of the FIFO queue, by the message's id
    deleted      the ids of messages that the relay deletes from the FIFO queue
    """

    inner: Any  # SqsQueue, which implements the ports of both queues
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

    def requeue(self, event: Event, attempt: int, due: float, error_code: str) -> None:
        """Queue an event for its next attempt."""
        self.injector.at("before_requeue")
        self.inner.requeue(event, attempt, due, error_code)
        self.injector.at("after_requeue")

    def dead_letter(self, body: str, attributes: Mapping[str, str], error_code: str, event_id: str) -> None:
        """Dead-letter a message."""
        self.injector.at("before_dead_letter")
        self.inner.dead_letter(body, attributes, error_code, event_id)
        self.injector.at("after_dead_letter")

    def copy(self, record: Mapping[str, Any], crashes: int, due: float) -> None:
        """Queue a copy of a record."""
        self.injector.at("before_copy")
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
class WatchedRelay(Relay):
    """A relay that notes how many pushes it takes up.

    Each of them must have exactly one receipt in the end.
    """

    #: Always given, see `WatchedSender`.
    injector: FaultInjector | None = None

    def receive(self, request: HttpRequest, time_left: TimeLeft) -> Received | Reply:
        """Take up one request. In direct mode, the pushes are taken up instead, by `deliver`."""
        if self.mode is DeliveryMode.QUEUE:
            self._take_up(1)
            return Relay.receive(self, request, time_left)
        try:
            return Relay.receive(self, request, time_left)
        except Exception:
            self._take_up(1)
            raise

    def recognise(self, arrival: Arrival) -> Event:
        """Take up an arrival that becomes no event."""
        try:
            return Relay.recognise(self, arrival)
        except Exception:
            self._take_up(1)
            raise

    def deliver(self, events: Sequence[Event], time_left: TimeLeft) -> Sequence[Sequence[Receipt]]:
        """Take up the pushes of events. A batch push counts as one."""
        self._take_up(
            sum(1 if event.source == BATCH_SOURCE else len(list(self.translate(event))) for event in events)
        )
        return Relay.deliver(self, events, time_left)

    def send_alone(self, event: Event, pushes: Sequence[SinglePush], time_left: TimeLeft) -> list[Receipt]:
        """Take up the pushes of a refused batch push, which was taken up as one before."""
        self._take_up(len(pushes) - 1)
        receipts = Relay.send_alone(self, event, pushes, time_left)
        self._take_up(len(receipts) - len(pushes))  # one more if the recipient was sent a notice
        return receipts

    def _take_up(self, pushes: int) -> None:
        if self.injector:
            self.injector.note("taken_up", pushes=pushes)


class WatchedTelemetry(Telemetry):
    """Telemetry with a journal of the receipts."""

    def __init__(self, injector: FaultInjector) -> None:
        super().__init__()
        self._injector = injector

    def accepted(self, event: Event) -> None:
        """Note that an event was queued."""
        self._injector.note("ended", outcomes={"accepted": 1})
        super().accepted(event)

    def settled(self, receipts: Any, *, attempt: int) -> None:
        """Note receipts. Those of crashed messages were not taken up before, because nobody has read them."""
        if crashed := sum(receipt.error_code == Crashed.code for receipt in receipts):
            self._injector.note("taken_up", pushes=crashed)
        self._injector.note("ended", outcomes=outcomes_by_push(receipts))
        for receipt in receipts:
            details = describe(receipt.push) if receipt.push else {}
            self._injector.note(
                "receipt",
                event_id=receipt.event_id,
                outcome=receipt.outcome,
                code=receipt.error_code,
                attempt=attempt,
                **details,
            )
        super().settled(receipts, attempt=attempt)

    def refused(self, receipt: Receipt) -> None:
        """Note the receipt of a request that was refused before its sender was verified."""
        self._injector.note("ended", outcomes=outcomes_by_push([receipt]))
        super().refused(receipt)


def outcomes_by_push(receipts: Sequence[Receipt]) -> Mapping[str, int]:
    """Return the number of pushes by outcome.

    A batch push has a receipt for each of its events, all with the push's key. It counts as one.
    """
    seen: set[tuple[str, str]] = set()
    counted: Counter[str] = Counter()
    for receipt in receipts:
        key = receipt.push.key if receipt.push else ""
        is_repeated = (key, receipt.event_id) in seen
        if not key or is_repeated or all(key != other for other, _ in seen):
            counted[receipt.outcome] += 1
        seen.add((key, receipt.event_id))
    return counted


@dataclass(frozen=True, slots=True)
class Watched:
    """The wrapped objects that the handlers get."""

    relay: Relay
    messages: WatchedMessages
    telemetry: Telemetry


def watch(application: Application, injector: FaultInjector) -> Watched:
    """Wrap the objects of an application."""
    relay = application.relay
    queue = WatchedMessages(application.queue, injector)
    sender = WatchedSender(
        ledger=WatchedLedger(relay.sender.ledger, injector),
        credentials=relay.sender.credentials,
        push_api=WatchedPushApi(relay.sender.push_api, injector),
        clock=relay.sender.clock,
        hold_unknown=relay.sender.hold_unknown,
        resends=relay.sender.resends,
        pace=relay.sender.pace,
        injector=injector,
    )
    batcher = Batcher(WatchedBatchStore(relay.batcher.digests, injector), sender, queue)
    parts = {each.name: getattr(relay, each.name) for each in fields(relay)}
    parts |= {"queue": queue, "sender": sender, "batcher": batcher}
    watched = WatchedRelay(**parts, injector=injector)
    return Watched(watched, queue, WatchedTelemetry(injector))
