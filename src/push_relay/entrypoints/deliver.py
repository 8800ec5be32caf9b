"""The back door: SQS batches, and SNS and EventBridge invoking directly.

From SQS, each record is acknowledged, dead-lettered or parked by itself (partial batch response). What SNS
or EventBridge delivers directly cannot be parked where it lies, so it is parked by queueing it.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from random import SystemRandom
from typing import Any

from push_relay.core import envelope
from push_relay.core.backoff import backoff
from push_relay.core.errors import QueueUnavailable
from push_relay.core.event import Arrival, Event
from push_relay.core.outcomes import DISPOSITIONS, Disposition, code_of, told
from push_relay.core.push import Receipt
from push_relay.core.relay import Relay
from push_relay.entrypoints.ports import LambdaContext, Messages, time_left
from push_relay.telemetry import Telemetry

type Response = dict[str, list[dict[str, str]]]

_random = SystemRandom().random
_COUNT = re.compile(r"[0-9]{1,9}")


class InvocationFailed(Exception):
    """An invocation could not be finished; Lambda tries it again, then hands it to the dead-letter queue.

    Its text is the relay's own: Lambda logs it.
    """


#: Takes the AWS envelopes off one message.
type Unwrap = Callable[[Mapping[str, Any]], Event | Arrival]


@dataclass(slots=True)
class Message:
    """One message of an invocation on its way: what it carries, then what became of it."""

    content: Mapping[str, Any]
    attempt: int = 1
    event: Event | None = None
    receipts: Sequence[Receipt] = field(default=())

    def is_to_be(self, disposition: Disposition) -> bool:
        """Tell whether one of the receipts asks for a disposition."""
        return any(DISPOSITIONS[receipt.outcome] is disposition for receipt in self.receipts)

    @property
    def error_code(self) -> str:
        """The code to dead-letter it with: that of the first receipt that asks for it."""
        dead = (r for r in self.receipts if DISPOSITIONS[r.outcome] is Disposition.DEAD_LETTER)
        return next((r.error_code for r in dead if r.error_code), "internal_error")

    @property
    def event_id(self) -> str:
        """The event's id, where it got so far."""
        return self.event.id if self.event else "-"


def handle(
    invocation: Any, context: LambdaContext, relay: Relay, queue: Messages, telemetry: Telemetry
) -> Response:
    """Deliver what an invocation brought. Returns the records that SQS is to keep.

    Raises InvocationFailed where an invocation without a queue behind it could not be finished.
    """
    try:
        records = _records(invocation, "eventSource", "aws:sqs")
        if records is not None:
            return _from_sqs(records, context, relay, queue, telemetry)
        return _directly(invocation, context, relay, queue, telemetry)
    except Exception as exc:  # noqa: BLE001 (whatever it is, it is told and raised again without its text)
        telemetry.trouble("invocation failed", error_code=code_of(exc), detail=told(exc))
        # The cause's text may quote the event, and Lambda would log it: break the chain.
        raise InvocationFailed(told(exc)) from None
    finally:
        telemetry.flush()


def _from_sqs(
    records: Sequence[Mapping[str, Any]],
    context: LambdaContext,
    relay: Relay,
    queue: Messages,
    telemetry: Telemetry,
) -> Response:
    batch = [Message(record, attempt=_attempt(record)) for record in records]
    _relay(batch, envelope.unwrap_sqs, context, relay, telemetry)
    kept = [message for message in batch if not _finished(message, queue, telemetry)]
    return {"batchItemFailures": [{"itemIdentifier": str(m.content.get("messageId"))} for m in kept]}


def _directly(
    invocation: Any, context: LambdaContext, relay: Relay, queue: Messages, telemetry: Telemetry
) -> Response:
    """Deliver what has no queue behind it; what cannot be delivered now is queued."""
    notifications = _records(invocation, "EventSource", "aws:sns")
    if notifications is not None:
        batch = [Message(record) for record in notifications]
        _relay(batch, envelope.unwrap_sns, context, relay, telemetry)
    else:
        batch = [Message(invocation if isinstance(invocation, Mapping) else {})]
        _relay(batch, envelope.unwrap_eventbridge, context, relay, telemetry)
    for message in batch:
        if message.is_to_be(Disposition.DEAD_LETTER):
            queue.bury(*_packed(message), message.error_code, message.event_id)
        if message.event and message.is_to_be(Disposition.PARK):
            queue.put(message.event, _delay(message))
        if not message.event and message.is_to_be(Disposition.PARK):
            raise InvocationFailed("the invocation brought what could not be read for an unknown cause")
    return {"batchItemFailures": []}


def _relay(
    batch: Sequence[Message],
    unwrap: Unwrap,
    context: LambdaContext,
    relay: Relay,
    telemetry: Telemetry,
) -> None:
    """Make events of messages, and deliver them together; note on each message what became of it."""
    for message in batch:
        _recognise(message, unwrap, relay)
    carrying = [message for message in batch if message.event]
    delivered = relay.deliver([m.event for m in carrying if m.event], time_left(context))
    for message, receipts in zip(carrying, delivered, strict=True):
        message.receipts = receipts
    for message in batch:
        telemetry.settled(message.receipts, attempt=message.attempt)


def _recognise(message: Message, unwrap: Unwrap, relay: Relay) -> None:
    """Find a message's event, or note the receipt of its rejection."""
    arrival: Arrival | Event | None = None
    try:
        arrival = unwrap(message.content)
        message.event = arrival if isinstance(arrival, Event) else relay.recognise(arrival)
    except Exception as exc:  # noqa: BLE001 (nothing is swallowed: it is the message's outcome)
        source = arrival.source if arrival else None
        about = arrival.fallback_id if isinstance(arrival, Arrival) else "-"
        message.receipts = [Receipt.failure(exc, source=source, event_id=about, correlation_id=about)]


def _finished(message: Message, queue: Messages, telemetry: Telemetry) -> bool:
    """Dead-letter or park a record as its receipts ask; tell whether SQS may forget it."""
    record = message.content
    try:
        if message.is_to_be(Disposition.DEAD_LETTER):
            body = record.get("body")
            attributes = envelope.sqs_attributes(record)
            queue.bury(
                body if isinstance(body, str) else "", attributes, message.error_code, message.event_id
            )
        if message.is_to_be(Disposition.PARK):
            queue.hide(str(record.get("receiptHandle")), _delay(message))
    except QueueUnavailable as exc:
        # Kept: it comes again when the queue's own visibility timeout ends.
        telemetry.trouble("a message was kept", error_code=exc.code, detail=exc.detail)
        return False
    return not message.is_to_be(Disposition.PARK)


def _delay(message: Message) -> float:
    named = [receipt.retry_after for receipt in message.receipts if receipt.retry_after is not None]
    return backoff(message.attempt, max(named, default=None), _random)


def _packed(message: Message) -> tuple[str, Mapping[str, str]]:
    if message.event:
        packed = envelope.pack(message.event)
        return packed.body, packed.attributes
    return json.dumps(message.content, default=str), {}


def _records(invocation: Any, key: str, service: str) -> Sequence[Mapping[str, Any]] | None:
    """Return an invocation's records where they are a service's; SQS's own poller sends empty batches too."""
    if not isinstance(invocation, Mapping) or not isinstance(invocation.get("Records"), list):
        return None
    records = invocation["Records"]
    # What is not a record is nobody's: it is dead-lettered with the invocation, and not passed over.
    ours = all(isinstance(record, Mapping) and record.get(key) == service for record in records)
    return records if ours else None


def _attempt(record: Mapping[str, Any]) -> int:
    attributes = record.get("attributes")
    count = attributes.get("ApproximateReceiveCount") if isinstance(attributes, Mapping) else None
    return int(count) if isinstance(count, str) and _COUNT.fullmatch(count) else 1
