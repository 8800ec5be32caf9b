"""Thin wrappers round the relay's real adapters: note a step, perhaps kill, and call the real thing."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from chaos.fault_injector import FaultInjector, is_poison, result_of, told
from chaos.plan import FIFO_ARN
from push_relay.bootstrap import Application
from push_relay.core.delivery.batching import SOURCE as DIGEST
from push_relay.core.delivery.batching import Added, BatchedPush, Batcher, BatchStore, SinglePush, Window
from push_relay.core.delivery.encoding import Credentials
from push_relay.core.delivery.ledger import Claim, Ledger
from push_relay.core.delivery.sender import PushApi, Sender, TimeLeft
from push_relay.core.errors import Crashed
from push_relay.core.event import Arrival, Event, Replay
from push_relay.core.inbound.request import HttpRequest
from push_relay.core.push import Push, Receipt
from push_relay.core.relay import DeliveryMode, Received, Relay
from push_relay.core.trust.handshakes.base import Reply
from push_relay.telemetry import Telemetry


@dataclass(frozen=True, slots=True)
class WatchedLedger:
    """The ledger."""

    inner: Ledger
    injector: FaultInjector

    def claim(
        self, key: str, lease: float, replay: Replay, replay_id: str, forget_before: float = 0.0
    ) -> Claim:
        """Claim a push."""
        self.injector.at("before_claim")
        claim = self.inner.claim(key, lease, replay, replay_id, forget_before)
        replayed = replay is not Replay.NO
        self.injector.note("claimed", key=key, claim=claim, lease=round(lease, 3), replayed=replayed)
        self.injector.at("after_claim")
        return claim

    def settle(self, key: str, status: str, error_code: str = "") -> None:
        """Settle a push."""
        self.injector.at("before_settle")
        try:
            self.inner.settle(key, status, error_code)
        except Exception as exc:
            self.injector.note("not_settled", key=key, result=result_of(exc))
            raise
        self.injector.note("settled", key=key, status=status)
        self.injector.at("after_settle")

    def note_window(self, key: str, window: str, *, anew: bool = False) -> str:
        """Note the window of a gathered push."""
        self.injector.at("before_remember")
        noted = self.inner.note_window(key, window, anew=anew)
        self.injector.note("remembered", key=key, anew=anew, again=noted != window)
        self.injector.at("after_remember")
        return noted

    def error_code_of(self, key: str) -> str:
        """Return the error code of what has failed."""
        return self.inner.error_code_of(key)

    def count_unknown(self, key: str) -> int:
        """Count a call of unknown fate."""
        return self.inner.count_unknown(key)

    def release(self, key: str, receipt: Receipt) -> None:
        """Give a claim back."""
        self.injector.at("before_give_back")
        self.inner.release(key, receipt)
        self.injector.at("after_give_back")

    def clear_parked(self, key: str) -> None:
        """Forget that a push was parked."""
        self.inner.clear_parked(key)


@dataclass(frozen=True, slots=True)
class WatchedPushApi:
    """The vendor."""

    inner: PushApi
    injector: FaultInjector

    def send(self, push: Push, credentials: Credentials, correlation_id: str, timeout: float) -> None:
        """Send a push."""
        self.injector.at("before_send")
        self.injector.note("sending", **told(push))
        try:
            self.inner.send(push, credentials, correlation_id, timeout)
        except Exception as exc:
            self.injector.note("sent", key=push.key, result=result_of(exc))
            self.injector.at("after_send")
            raise
        self.injector.note("sent", key=push.key, result="ok")
        self.injector.at("after_send")


@dataclass(frozen=True, slots=True)
class WatchedDigests:
    """The windows of digests."""

    inner: BatchStore
    injector: FaultInjector

    def latest(self, window: Window) -> Window:
        """Return where a push is tried first."""
        return self.inner.latest(window)

    def further(self, window: Window) -> Window:
        """Return where a push goes on."""
        return self.inner.further(window)

    def add(self, window: Window, entry: BatchedPush) -> Added:
        """Add an entry."""
        self.injector.at("before_gather")
        push = Push(window.recipient, entry.wording, entry.key)
        self.injector.note("gathering", **told(push), window=window.id)
        added = self.inner.add(window, entry)
        self.injector.note("gathered", key=entry.key, added=added)
        self.injector.at("after_gather")
        return added

    def scheduled(self, window: Window) -> None:
        """Note that a window's end is scheduled."""
        self.inner.scheduled(window)

    def close(self, window_id: str) -> tuple[Window, Sequence[BatchedPush]] | None:
        """Close a window."""
        return self.inner.close(window_id)


@dataclass(frozen=True, slots=True)
class WatchedMessages:
    """The queue and the dead-letter queue."""

    inner: Any  # SqsQueue, which is both of the ports
    injector: FaultInjector
    hidden: dict[str, float] = field(default_factory=dict)
    deleted: list[str] = field(default_factory=list)

    def of_fifo(self) -> dict[str, Any]:
        """Return what was hidden and deleted in the FIFO queue, which the driver keeps in memory."""
        found = {"hidden": dict(self.hidden), "deleted": list(self.deleted)}
        self.hidden.clear()
        self.deleted.clear()
        return found

    def put(self, event: Event) -> None:
        """Queue an event."""
        self.inner.put(event)
        self.injector.at("after_put")

    def requeue(self, event: Event, attempt: int, due: float, error_code: str) -> None:
        """Queue an event for its next attempt."""
        self.injector.at("before_park")
        self.inner.requeue(event, attempt, due, error_code)
        self.injector.at("after_park")

    def dead_letter(self, body: str, attributes: Mapping[str, str], error_code: str, event_id: str) -> None:
        """Dead-letter a message."""
        self.injector.at("before_bury")
        self.inner.dead_letter(body, attributes, error_code, event_id)
        self.injector.at("after_bury")

    def copy(self, record: Mapping[str, Any], crashes: int, due: float) -> None:
        """Queue a copy of a record."""
        self.injector.at("before_copy")
        self.inner.copy(record, crashes, due)
        self.injector.at("after_copy")

    def delay(self, records: Sequence[Mapping[str, Any]], delay: float) -> None:
        """Note for the driver what the FIFO queue hides. The other queue's messages it keeps back itself."""
        hidden = [record["messageId"] for record in records if record.get("eventSourceARN") == FIFO_ARN]
        self.hidden.update(dict.fromkeys(hidden, delay))

    def delete(self, record: Mapping[str, Any]) -> None:
        """Delete a record."""
        self.injector.at("before_forget")
        if record.get("eventSourceARN") == FIFO_ARN:
            self.deleted.append(record["messageId"])
        else:
            self.inner.delete(record)
        self.injector.at("after_forget")


@dataclass(frozen=True, slots=True)
class WatchedSender(Sender):
    """The sender, which a poisoned event kills. `knife` is always given."""

    injector: FaultInjector | None = None

    def claim(self, event: Event, push: Push, time_left: TimeLeft) -> Receipt | None:
        """Claim a push."""
        if self.injector:
            self.injector.at("before_claim", doomed=is_poison(event))
        return Sender.claim(self, event, push, time_left)


@dataclass(frozen=True, slots=True)
class WatchedRelay(Relay):
    """The relay, which notes how many pushes it takes up: each has to end in one receipt."""

    injector: FaultInjector | None = None

    def receive(self, request: HttpRequest, time_left: TimeLeft) -> Received | Reply:
        """Take up one request; what the mode `direct` delivers is taken up as pushes instead."""
        if self.mode is DeliveryMode.QUEUE:
            self._take(1)
            return Relay.receive(self, request, time_left)
        try:
            return Relay.receive(self, request, time_left)
        except Exception:
            self._take(1)
            raise

    def recognise(self, arrival: Arrival) -> Event:
        """Take up what becomes no event."""
        try:
            return Relay.recognise(self, arrival)
        except Exception:
            self._take(1)
            raise

    def deliver(self, events: Sequence[Event], time_left: TimeLeft) -> Sequence[Sequence[Receipt]]:
        """Take up the pushes of events; the one of a digest stands for all that it gathered."""
        self._take(sum(1 if event.source == DIGEST else len(list(self.translate(event))) for event in events))
        return Relay.deliver(self, events, time_left)

    def send_alone(self, event: Event, pushes: Sequence[SinglePush], time_left: TimeLeft) -> list[Receipt]:
        """Take up each push of a refused digest. The digest itself was taken up as one."""
        self._take(len(pushes) - 1)
        receipts = Relay.send_alone(self, event, pushes, time_left)
        self._take(len(receipts) - len(pushes))  # the notice, if there was one
        return receipts

    def _take(self, pushes: int) -> None:
        if self.injector:
            self.injector.note("taken", pushes=pushes)


class WatchedTelemetry(Telemetry):
    """The telemetry, with a journal of receipts."""

    def __init__(self, injector: FaultInjector) -> None:
        super().__init__()
        self._knife = injector

    def accepted(self, event: Event) -> None:
        """Note that an event was queued."""
        self._knife.note("ended", outcomes={"accepted": 1})
        super().accepted(event)

    def settled(self, receipts: Any, *, attempt: int) -> None:
        """Note receipts. The relay has not taken up what it dead-letters without reading it."""
        if crashed := sum(receipt.error_code == Crashed.code for receipt in receipts):
            self._knife.note("taken", pushes=crashed)
        self._knife.note("ended", outcomes=_outcomes(receipts))
        for receipt in receipts:
            about = told(receipt.push) if receipt.push else {}
            self._knife.note(
                "receipt",
                event_id=receipt.event_id,
                outcome=receipt.outcome,
                code=receipt.error_code,
                attempt=attempt,
                **about,
            )
        super().settled(receipts, attempt=attempt)

    def refused(self, receipt: Receipt) -> None:
        """Note the receipt of a request whose sender had not proven itself."""
        self._knife.note("ended", outcomes=_outcomes([receipt]))
        super().refused(receipt)


def _outcomes(receipts: Sequence[Receipt]) -> Mapping[str, int]:
    """Count outcomes by push: a digest's receipts have its key, each for an event of its own, and are one."""
    seen: set[tuple[str, str]] = set()
    counted: Counter[str] = Counter()
    for receipt in receipts:
        key = receipt.push.key if receipt.push else ""
        again = (key, receipt.event_id) in seen
        if not key or again or all(key != other for other, _ in seen):
            counted[receipt.outcome] += 1
        seen.add((key, receipt.event_id))
    return counted


@dataclass(frozen=True, slots=True)
class Watched:
    """The relay as the handlers get it."""

    relay: Relay
    messages: WatchedMessages
    telemetry: Telemetry


def watch(application: Application, injector: FaultInjector) -> Watched:
    """Put the wrappers round the adapters of a wired relay."""
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
    batcher = Batcher(WatchedDigests(relay.batcher.digests, injector), sender, queue)
    parts = {each.name: getattr(relay, each.name) for each in fields(relay)}
    parts |= {"queue": queue, "sender": sender, "batcher": batcher}
    watched = WatchedRelay(**parts, injector=injector)
    return Watched(watched, queue, WatchedTelemetry(injector))
