"""The messages that a replay sends to the relay's queue in place of a dead letter."""

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
from push_relay.core.trust.handshakes.setup import WAITING_CODE
from relayctl.deadletters.dead_letter import CRASHED, REASON_ATTRIBUTES, Attributes, DeadLetter, record

#: The ledger's items are not relied upon in their last hour: the replayed event waits in the queue for a
#: while, and the items may expire meanwhile.
_MARGIN_SECS: Final = 3600.0


@dataclass(frozen=True, slots=True)
class OutgoingMessage:
    """A message for the relay's queue."""

    body: str
    attributes: Attributes


def outgoing_messages(
    dead_letter: DeadLetter, now: float, *, force: bool, replay_id: str = ""
) -> list[OutgoingMessage]:
    """Return the messages to send in place of a dead letter. The list is empty if it contains no event.

    now        seconds since the epoch
    force      whether to send again what was delivered
    replay_id  the id of the run, see `Replayer`

    The secret of a handshake is not an event: sent to the queue, it would become one and reach a phone.

    An event that the relay packed is marked as replayed. Any other message is sent unchanged. A message that
    has crashed the function is sent as a suspect, so that the relay handles it alone. Raises PayloadTooLarge.
    """
    if dead_letter.summary().error_code == WAITING_CODE:
        return []
    event = dead_letter.unwrapped()
    if event:
        packed = pack(replayed_event(event, now, force=force, replay_id=replay_id))
        attributes = {name: _text(value) for name, value in packed.attributes.items()}
        return [OutgoingMessage(packed.body, attributes | _suspicion(dead_letter))]
    if has_own_attributes(dead_letter.attributes):
        # Lambda's OnFailure destination sets no attributes. So a sender wrote this body, and if it looks like
        # a failed invocation, that is the sender's content.
        return [OutgoingMessage(dead_letter.body, _as_it_came(dead_letter))]
    invocation = dead_letter.failed_invocation()
    if invocation is not None:
        documents = _documents(invocation["requestPayload"])
        return [OutgoingMessage(json.dumps(document), _origin(dead_letter)) for document in documents]
    if _is_notification(notification := dead_letter.document()):
        return [OutgoingMessage(json.dumps(_as_queued(notification)), _origin(dead_letter))]
    return [OutgoingMessage(dead_letter.body, _as_it_came(dead_letter))]


def replayed_event(event: Event, now: float, *, force: bool, replay_id: str = "") -> Event:
    """Return the event to replay. It goes to all recipients that the current routes give it.

    The ledger makes what was delivered a duplicate, unless `force`. If the event is so old that the ledger
    may have forgotten its pushes, only the pushes that failed are sent again.
    """
    is_remembered = now - event.received_at < LEDGER_MEMORY_SECS - _MARGIN_SECS
    return replace(
        event,
        only=() if is_remembered else event.only,
        replay=Replay.ALL if force else Replay.FAILED,
        replay_id=replay_id,
    )


def _as_it_came(dead_letter: DeadLetter) -> Attributes:
    """Return the sender's attributes and those that make the message the same event as before.

    SQS allows ten attributes, so the least needed ones are dropped.
    """
    ours = {CRASHES_ATTRIBUTE} | (REASON_ATTRIBUTES if dead_letter.moved_by_relay else set())
    theirs = {name: value for name, value in dead_letter.attributes.items() if name not in ours}
    return most_needed(theirs | _origin(dead_letter) | _suspicion(dead_letter))


def _suspicion(dead_letter: DeadLetter) -> dict[str, Mapping[str, Any]]:
    """Return the attribute that marks a message as a suspect, if it has crashed the function."""
    return {CRASHES_ATTRIBUTE: _text("1")} if dead_letter.summary().error_code == CRASHED else {}


def _origin(dead_letter: DeadLetter) -> dict[str, Mapping[str, Any]]:
    """Return the attributes for the original message id and the time at which it was sent.

    `deliver` stores them when it dead-letters a message. If SQS moved the message, its own id and time are
    still the original ones. If no queue held the message before, the id and time of the dead letter are used.
    """
    message = record(dead_letter.message_id, dead_letter.body, dead_letter.attributes, dead_letter.sent_at)
    return {name: _text(value) for name, value in origin(message).items()}


def _documents(payload: Any) -> list[Any]:
    """Return the bodies that the queue would have held: SNS's notifications, or one EventBridge event."""
    records = payload.get("Records") if isinstance(payload, Mapping) else None
    if isinstance(records, list):
        return [_as_queued(record) for record in records] if all(map(_is_notification, records)) else []
    return [payload] if isinstance(payload, Mapping) and payload else []


def _is_notification(record: Any) -> bool:
    """Return whether it is SNS's record of a direct invocation.

    In a queue, SNS's messages have another form.
    """
    return (
        isinstance(record, Mapping)
        and record.get("EventSource") == "aws:sns"
        and isinstance(record.get("Sns"), Mapping)
    )


def _as_queued(record: Mapping[str, Any]) -> dict[str, Any]:
    return {**record["Sns"], "Type": "Notification"}


def _text(value: str) -> Mapping[str, Any]:
    return {"DataType": "String", "StringValue": value}
