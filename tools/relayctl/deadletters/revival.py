"""The message that a dead one becomes when it is replayed."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from push_relay.core.delivery.ledger import LEDGER_MEMORY_SECS
from push_relay.core.event import Event, Replay
from push_relay.core.queue_format import (
    CRASHES_ATTRIBUTE,
    has_own_attributes,
    most_needed,
    origin,
    pack,
)
from relayctl.deadletters.dead_letter import CRASHED, WHY, Attributes, DeadLetter, record

#: Seconds before the ledger forgets a push within which it is not relied upon any more.
_MARGIN: Final = 3600.0


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A message for the relay's queue."""

    body: str
    attributes: Attributes


def revived(letter: DeadLetter, now: float, *, force: bool, replay_id: str = "") -> list[Outgoing]:
    """Return what is to be sent in a dead message's place; nothing where it cannot be replayed.

    An event of the relay's is marked as replayed; whatever else is sent as it came. A message that has
    crashed the function is sent as a suspect, so that no other message is handled with it.
    Raises PayloadTooLarge.
    """
    event = letter.unwrapped()
    if event:
        packed = pack(again(event, now, force=force, replay_id=replay_id))
        attributes = {name: _text(value) for name, value in packed.attributes.items()}
        return [Outgoing(packed.body, attributes | _suspicion(letter))]
    if has_own_attributes(letter.attributes):
        # A program wrote the body: that it looks like an invocation of Lambda's proves nothing.
        return [Outgoing(letter.body, _as_it_came(letter))]
    invocation = letter.failed_invocation()
    if invocation is not None:
        documents = _documents(invocation["requestPayload"])
        return [Outgoing(json.dumps(document), _origin(letter)) for document in documents]
    if _is_notification(notification := letter.document()):
        return [Outgoing(json.dumps(_as_queued(notification)), _origin(letter))]
    return [Outgoing(letter.body, _as_it_came(letter))]


def again(event: Event, now: float, *, force: bool, replay_id: str = "") -> Event:
    """Return an event as it is replayed: for everybody whom the routes name today.

    What was delivered is a duplicate by the ledger, unless `force`. Where the event is so old that the ledger
    may have forgotten it, only the pushes that failed are tried again.
    """
    is_remembered = now - event.received_at < LEDGER_MEMORY_SECS - _MARGIN
    return replace(
        event,
        only=() if is_remembered else event.only,
        replay=Replay.ALL if force else Replay.FAILED,
        replay_id=replay_id,
    )


def _as_it_came(letter: DeadLetter) -> Attributes:
    """Keep the sender's attributes, and what makes the message the same event as before.

    SQS takes ten: the least needed give way.
    """
    ours = {CRASHES_ATTRIBUTE} | (WHY if letter.moved_by_relay else set())
    kept = {name: value for name, value in letter.attributes.items() if name not in ours}
    return most_needed(kept | _origin(letter) | _suspicion(letter))


def _suspicion(letter: DeadLetter) -> dict[str, Mapping[str, Any]]:
    """Return what has the relay handle a message alone: that it has crashed once."""
    return {CRASHES_ATTRIBUTE: _text("1")} if letter.entry().error_code == CRASHED else {}


def _origin(letter: DeadLetter) -> dict[str, Mapping[str, Any]]:
    """Return who the message was and when it was sent: what `deliver` kept, else what SQS says of it.

    What SQS itself has moved still has both; what had no queue behind it is as old as its letter.
    """
    came = record(letter.message_id, letter.body, letter.attributes, letter.sent_at)
    return {name: _text(value) for name, value in origin(came).items()}


def _documents(payload: Any) -> list[Any]:
    """Return what an invocation carried, as the queue takes it: an EventBridge event, or SNS's records."""
    records = payload.get("Records") if isinstance(payload, Mapping) else None
    if isinstance(records, list):
        return [_as_queued(record) for record in records] if all(map(_is_notification, records)) else []
    return [payload] if isinstance(payload, Mapping) and payload else []


def _is_notification(record: Any) -> bool:
    """Tell whether it is SNS's record of a direct invocation, which looks other than SNS in a queue."""
    return (
        isinstance(record, Mapping)
        and record.get("EventSource") == "aws:sns"
        and isinstance(record.get("Sns"), Mapping)
    )


def _as_queued(record: Mapping[str, Any]) -> dict[str, Any]:
    return {**record["Sns"], "Type": "Notification"}


def _text(value: str) -> Mapping[str, Any]:
    return {"DataType": "String", "StringValue": value}
