"""Thin wrappers round the relay's real adapters: note a step, perhaps kill, and call the real thing."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any

from chaos.fault_injector import FaultInjector, is_poison, result_of, told
from chaos.plan import FIFO_ARN
from push_relay.adapters.process import SystemClock
from push_relay.bootstrap import deliver, receive
from push_relay.bootstrap.common import Common
from push_relay.core.clock import TimeLeft
from push_relay.core.delivery.batching import SOURCE as BATCH
from push_relay.core.delivery.batching import Added, BatchedPush, Batcher, BatchStore, SinglePush, Window
from push_relay.core.delivery.encoding import Credentials
from push_relay.core.delivery.lane import Lane
from push_relay.core.delivery.sender import Claim, Ledger, PushApi, Sender
from push_relay.core.errors import Crashed
from push_relay.core.event import Arrival, Event, Replay
from push_relay.core.inbound.request import HttpRequest
from push_relay.core.intake import Forward, Intake, QueueForward, Received
from push_relay.core.push import Push, Receipt
from push_relay.core.relay import Relay
from push_relay.core.rules.recogniser import Recogniser
from push_relay.core.trust.handshakes.base import Reply
from push_relay.entrypoints.batch_consumer import BatchConsumer
from push_relay.entrypoints.direct import DirectForward
from push_relay.entrypoints.ending import Ending
from push_relay.entrypoints.http_endpoint import HttpEndpoint
from push_relay.settings import DeliveryMode, Settings
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
class WatchedIntake(Intake):
    """The front half, which takes up each request as one unless the relay has taken up its pushes."""

    injector: FaultInjector | None = None

    def receive(self, request: HttpRequest, time_left: TimeLeft) -> Received | Reply:
        """Receive a request."""
        is_one = True
        try:
            received = Intake.receive(self, request, time_left)
            is_one = not (isinstance(received, Received) and received.forwarded.receipts)
        finally:
            if self.injector and is_one:
                self.injector.note("taken", pushes=1)
        return received


@dataclass(frozen=True, slots=True)
class WatchedRecogniser(Recogniser):
    """The recogniser, which takes up each message that becomes no event as one."""

    injector: FaultInjector | None = None

    def recognise(self, arrival: Arrival) -> Event:
        """Recognise a message."""
        try:
            return Recogniser.recognise(self, arrival)
        except Exception:
            if self.injector:
                self.injector.note("taken", pushes=1)
            raise


@dataclass(frozen=True, slots=True)
class WatchedRelay(Relay):
    """The relay, which notes how many pushes it takes up: each has to end in one receipt."""

    injector: FaultInjector | None = None

    def deliver(self, events: Sequence[Event], time_left: TimeLeft) -> Sequence[Sequence[Receipt]]:
        """Take up the pushes of events. A batch push stands for all pushes in it."""
        pushes = sum(
            1 if event.source == BATCH else len(list(self.translator.translate(event))) for event in events
        )
        if self.injector:
            self.injector.note("taken", pushes=pushes)
        return Relay.deliver(self, events, time_left)


@dataclass(frozen=True, slots=True)
class WatchedLane(Lane):
    """The lane, which takes up each push of a refused batch push."""

    injector: FaultInjector | None = None

    def send_singly(self, event: Event, pushes: Sequence[SinglePush], time_left: TimeLeft) -> list[Receipt]:
        """Send the pushes of a refused batch push, which was taken up as one."""
        if self.injector:
            self.injector.note("taken", pushes=len(pushes) - 1)
        receipts = Lane.send_singly(self, event, pushes, time_left)
        if self.injector:
            self.injector.note("taken", pushes=len(receipts) - len(pushes))  # the notice, if there was one
        return receipts


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
    """The relay's two entrypoints, with the queue that both use."""

    endpoint: HttpEndpoint
    consumer: BatchConsumer
    messages: WatchedMessages


def watch(settings: Settings, clock: SystemClock, injector: FaultInjector) -> Watched:
    """Wire the relay and put the wrappers round its adapters."""
    common = Common.of(settings, clock)
    endpoint, consumer = receive.build(common), deliver.build(common)
    queue, telemetry = WatchedMessages(common.queue, injector), WatchedTelemetry(injector)
    relay = _relay(consumer.relay, queue, injector)
    recogniser = WatchedRecogniser(**_parts(consumer.recogniser), injector=injector)
    forward: Forward = QueueForward(queue)
    if settings.mode is DeliveryMode.DIRECT:
        forward = DirectForward(relay, Ending(queue, clock))
    intake = replace(endpoint.intake, forward=forward)
    return Watched(
        HttpEndpoint(WatchedIntake(**_parts(intake), injector=injector), telemetry),
        BatchConsumer(recogniser, relay, queue, telemetry, clock),
        queue,
    )


def _relay(relay: Relay, queue: WatchedMessages, injector: FaultInjector) -> WatchedRelay:
    lanes: dict[str, Lane] = {}
    for name, lane in relay.lanes.items():
        sender = lane.sender
        watched = WatchedSender(
            **_parts(
                replace(
                    sender,
                    ledger=WatchedLedger(sender.ledger, injector),
                    push_api=WatchedPushApi(sender.push_api, injector),
                )
            ),
            injector=injector,
        )
        batcher = Batcher(WatchedDigests(lane.batcher.digests, injector), watched, queue)
        lanes[name] = WatchedLane(**_parts(replace(lane, sender=watched, batcher=batcher)), injector=injector)
    return WatchedRelay(**_parts(replace(relay, lanes=lanes)), injector=injector)


def _parts(wired: Any) -> dict[str, Any]:
    """Return an object's fields."""
    return {each.name: getattr(wired, each.name) for each in fields(wired)}
