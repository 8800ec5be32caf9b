"""What is done with an event in the end: its pushes are parked or dead-lettered as their receipts ask."""

import json
from collections.abc import Sequence

from push_relay.core.errors import PayloadTooLarge, RelayError
from push_relay.core.event import Event
from push_relay.core.inbound import envelope
from push_relay.core.outcomes import Disposition
from push_relay.core.push import Receipt
from push_relay.entrypoints.ports import Queues
from push_relay.entrypoints.queue_record import QueueRecord


def park(message: QueueRecord, parked: Sequence[Receipt], now: float, queue: Queues) -> None:
    """Queue an event for its next attempt. Raises QueueUnavailable, PayloadTooLarge.

    Urgent pushes get a message of their own, because the others may have to wait for midnight.
    """
    urgent = [receipt for receipt in parked if receipt.push and receipt.push.high]
    others = [receipt for receipt in parked if receipt not in urgent]
    # A receipt without a push stands for all of the event's pushes, so the whole event is queued once.
    whole = any(receipt.push is None for receipt in parked)
    for part in [parked] if whole else [urgent, others]:
        event = message.event_for(part) if part else None
        if event:
            queue.requeue(event, message.next_attempt(part), now + message.delay(part), _code(part))


def dead_letter(message: QueueRecord, queue: Queues) -> None:
    """Dead-letter what has failed: the event for these parts alone, or the message as it came.

    Refused pushes and parts that never became a push are two dead letters. A person may mend the mapping and
    replay the latter, and no push of unknown fate is sent again with it. Raises QueueUnavailable, and
    PayloadTooLarge if the event does not fit and there is no message to keep instead.
    """
    dead = message.asking_for(Disposition.DEAD_LETTER)
    if not dead:
        return
    parts = [part for part in ([r for r in dead if r.push], [r for r in dead if not r.push]) if part]
    letters = [_packed(message.event_for(part)) for part in parts]
    if all(letters):
        for part, packed in zip(parts, letters, strict=True):
            if packed:
                queue.dead_letter(packed.body, packed.attributes, _code(part), message.event_id)
        return
    if message.event and not message.content:
        raise PayloadTooLarge("the event is larger than a queue message can hold")
    error_code = _code(dead)
    body = message.content.get("body")
    # The dead letter gets an id and a time of its own; a replay needs those of the message.
    attributes = envelope.sqs_attributes(message.content) | envelope.origin(message.content)
    # A replay begins to count again.
    attributes.pop(envelope.CRASHES_ATTRIBUTE, None)
    if "body" not in message.content and "messageId" not in message.content:
        body = json.dumps(message.content, default=str)
    queue.dead_letter(body if isinstance(body, str) else "", attributes, error_code, message.event_id)


def _code(receipts: Sequence[Receipt]) -> str:
    """Return the error code of a message with several pushes: the first one's."""
    return next((receipt.error_code for receipt in receipts if receipt.error_code), RelayError.code)


def _packed(event: Event | None) -> envelope.Packed | None:
    """Write an event as a queue message; None if there is no event or it would be too large."""
    try:
        return envelope.pack(event) if event else None
    except PayloadTooLarge:
        return None
