"""The back door: SQS batches, and SNS and EventBridge invoking directly.

From SQS, each record is acknowledged, dead-lettered or parked by itself (partial batch response).

Parking, in one place: an event that cannot be delivered now is queued anew, due at its next attempt, and the
message that carried it is acknowledged. So a parked event may come again for days, while a message that
crashes the function is received five times and then dead-lettered by SQS itself. In a FIFO queue, where a new
message would lose its place, the record is kept and hidden instead, and its group waits behind it.

A crash counts against every message of its batch. So that none is dead-lettered for its neighbour's sake, one
that has come back unanswered is handled last and alone, when those before it have been deleted.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from push_relay.core import envelope
from push_relay.core.errors import PayloadTooLarge, QueueUnavailable, RelayError
from push_relay.core.event import Arrival, Event
from push_relay.core.outcomes import Disposition, code_of, told
from push_relay.core.push import Receipt
from push_relay.core.relay import Relay
from push_relay.entrypoints.memory import portions
from push_relay.entrypoints.message import Message
from push_relay.entrypoints.ports import LambdaContext, Messages, time_left
from push_relay.telemetry import Telemetry

type Response = dict[str, list[dict[str, str]]]

#: Takes the AWS envelopes off one message.
type Unwrap = Callable[[Mapping[str, Any]], Event | Arrival]


class InvocationFailed(Exception):
    """An invocation could not be finished; Lambda tries it again, then hands it to the dead-letter queue.

    Its text is the relay's own: Lambda logs it.
    """


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
    kept: list[Message] = []
    finished: list[Message] = []
    waiting: set[str] = set()  # FIFO groups that wait behind a record of theirs
    for wave in portions(_waves([Message.of_sqs(record) for record in records])):
        if any(message.is_suspect for message in wave):
            _forget(finished, queue, telemetry)
            finished = []
        going = [message for message in wave if message.group not in waiting]
        kept += [message for message in wave if message.group in waiting]
        early = [message for message in going if _is_early(message, relay)]
        _relay([m for m in going if m not in early], envelope.unwrap_sqs, context, relay, telemetry)
        for message in going:
            finish = _wait if message in early else _finish
            if _tried(finish, message, relay, queue, telemetry):
                finished.append(message)
            else:
                kept.append(message)
                waiting |= {message.group} if message.group is not None else set()
            # The next wave may need the memory.
            message.event = None
    return {"batchItemFailures": [{"itemIdentifier": str(m.content.get("messageId"))} for m in kept]}


def _is_early(message: Message, relay: Relay) -> bool:
    """Tell whether a message was seen before it is due: SQS delays for 15 minutes at most."""
    if message.due <= relay.clock.now() + 1:
        return False
    # What cannot be read is never due: it is rejected at once.
    _recognise(message, envelope.unwrap_sqs, relay)
    return message.event is not None


def _waves(batch: Sequence[Message]) -> Iterator[list[Message]]:
    """Split a batch: a FIFO group's records one after the other, suspects alone and last, all else at once.

    Suspects go in one order and the next time in the other: of any two that meet again, each was first once.
    """
    suspects = [message for message in batch if message.is_suspect]
    batch = [message for message in batch if not message.is_suspect]
    while batch:
        wave: list[Message] = []
        later: list[Message] = []
        taken: set[str] = set()
        for message in batch:
            (later if message.group in taken else wave).append(message)
            taken |= {message.group} if message.group is not None else set()
        yield wave
        batch = later
    is_backwards = max((message.receives for message in suspects), default=0) % 2 == 1
    for suspect in sorted(suspects, key=lambda m: str(m.content.get("messageId")), reverse=is_backwards):
        yield [suspect]


def _forget(finished: Sequence[Message], queue: Messages, telemetry: Telemetry) -> None:
    """Delete what is finished before something is tried that may end this function."""
    for message in finished:
        try:
            queue.forget(message.content)
        except QueueUnavailable as exc:
            # It is acknowledged with the batch, if this function gets that far.
            telemetry.trouble("a finished message was not deleted", error_code=exc.code, detail=exc.detail)


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
        _bury(message, queue)
        parked = message.asking_for(Disposition.PARK)
        if parked and not message.event:
            raise InvocationFailed("the invocation brought what could not be read for an unknown cause")
        if parked:
            _park(message, parked, relay, queue)
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
        # The name may be a publisher's own word: only a source's name may become a metric.
        source = arrival.source if arrival and relay.has_source(arrival.source) else None
        about = arrival.fallback_id if isinstance(arrival, Arrival) else "-"
        message.receipts = [Receipt.failure(exc, source=source, event_id=about, correlation_id=about)]


# --- what is done with a record in the end: each tells whether SQS may forget it --------------------------


def _tried(
    finish: Callable[[Message, Relay, Messages], bool],
    message: Message,
    relay: Relay,
    queue: Messages,
    telemetry: Telemetry,
) -> bool:
    try:
        return finish(message, relay, queue)
    except (QueueUnavailable, PayloadTooLarge) as exc:
        # Kept: it comes again when the queue's own visibility timeout ends. An event that came from elsewhere
        # may be too large to be queued anew: it waits as it is, until SQS itself dead-letters it.
        telemetry.trouble("a message was kept", error_code=exc.code, detail=exc.detail)
        return False


def _finish(message: Message, relay: Relay, queue: Messages) -> bool:
    """Dead-letter and park what the receipts ask for."""
    parked = message.asking_for(Disposition.PARK)
    if parked and message.event and message.group is not None:
        # The record comes back whole, and what has failed with it. It is dead-lettered when the record ends.
        queue.hide(message.content, message.delay(parked))
        return False
    _bury(message, queue)
    if not parked:
        return True
    if message.event is None:
        return False
    _park(message, parked, relay, queue)
    return True


def _wait(message: Message, _relay: Relay, queue: Messages) -> bool:
    """Queue anew what was seen before it is due."""
    if message.event:
        queue.park(message.event, message.attempt, message.due, message.reason)
    return message.event is not None


def _park(message: Message, parked: Sequence[Receipt], relay: Relay, queue: Messages) -> None:
    """Queue an event anew; what is urgent apart from the rest, which may have to wait for midnight."""
    urgent = [receipt for receipt in parked if receipt.push and receipt.push.high]
    others = [receipt for receipt in parked if receipt not in urgent]
    # Without a push there is none to single out: all that the event came for comes again.
    whole = any(receipt.push is None for receipt in parked)
    for part in [parked] if whole else [urgent, others]:
        event = message.event_for(part) if part else None
        if event:
            due = relay.clock.now() + message.delay(part)
            queue.park(event, message.next_attempt(part), due, _code(part))


def _bury(message: Message, queue: Messages) -> None:
    """Dead-letter what has failed: the event for these parts alone, or the message as it came.

    Refused pushes and parts that never became a push are two dead letters. A person may mend the mapping and
    replay the latter, and no push of unknown fate is sent again with it.
    """
    dead = message.asking_for(Disposition.DEAD_LETTER)
    if not dead:
        return
    parts = [part for part in ([r for r in dead if r.push], [r for r in dead if not r.push]) if part]
    letters = [_packed(message.event_for(part)) for part in parts]
    if all(letters):
        for part, packed in zip(parts, letters, strict=True):
            if packed:
                queue.bury(packed.body, packed.attributes, _code(part), message.event_id)
        return
    error_code = _code(dead)
    body = message.content.get("body")
    # SQS gives the letter an id and a moment of its own: a replay needs those of the message.
    attributes = envelope.sqs_attributes(message.content) | envelope.origin(message.content)
    if "body" not in message.content and "messageId" not in message.content:
        body = json.dumps(message.content, default=str)
    queue.bury(body if isinstance(body, str) else "", attributes, error_code, message.event_id)


def _code(receipts: Sequence[Receipt]) -> str:
    """Return the error code that a message of several pushes bears: the first one's."""
    return next((receipt.error_code for receipt in receipts if receipt.error_code), RelayError.code)


def _packed(event: Event | None) -> envelope.Packed | None:
    """Write an event as a queue message; None where there is none, or it would be too large as one."""
    try:
        return envelope.pack(event) if event else None
    except PayloadTooLarge:
        return None


def _records(invocation: Any, key: str, service: str) -> Sequence[Mapping[str, Any]] | None:
    """Return an invocation's records where they are a service's; SQS's own poller sends empty batches too."""
    if not isinstance(invocation, Mapping) or not isinstance(invocation.get("Records"), list):
        return None
    records = invocation["Records"]
    # What is not a record is nobody's: it is dead-lettered with the invocation, and not passed over.
    ours = all(isinstance(record, Mapping) and record.get(key) == service for record in records)
    return records if ours else None
