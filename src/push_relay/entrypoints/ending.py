"""Requeue or dead-letter an event, or parts of it, as the receipts of its pushes demand."""

from collections.abc import Sequence
from dataclasses import dataclass

from push_relay.core.clock import Clock
from push_relay.core.errors import PayloadTooLarge, RelayError
from push_relay.core.event import Event
from push_relay.core.outcomes import Disposition
from push_relay.core.push import Receipt
from push_relay.core.queue_format import Packed, as_received, pack
from push_relay.entrypoints.ports import Queues
from push_relay.entrypoints.queue_record import QueueRecord


@dataclass(frozen=True, slots=True)
class Ending:
    """Ends the handling of queue records. Both methods raise QueueUnavailable and PayloadTooLarge."""

    queues: Queues
    clock: Clock

    def requeue(self, record: QueueRecord) -> None:
        """Queue a record's event for the next attempt of its parked pushes, in one message or several."""
        for part in record.parked_parts():
            event = record.event_for(part)
            if event:
                due = self.clock.now() + record.wait(part)
                self.queues.requeue(event, record.next_attempt(part), due, _code(part))

    def dead_letter(self, record: QueueRecord) -> None:
        """Dead-letter the parts of an event that have failed, or the message as it was received.

        Refused pushes and parts that never became a push are two dead letters. A person can then correct the
        mapping and replay the latter, without sending a push of unknown fate again.
        Raises PayloadTooLarge if the event does not fit and there is no message to keep instead.
        """
        dead = record.asking_for(Disposition.DEAD_LETTER)
        if not dead:
            return
        parts = [part for part in ([r for r in dead if r.push], [r for r in dead if not r.push]) if part]
        packed_parts = [_packed(record.event_for(part)) for part in parts]
        if all(packed_parts):
            for part, packed in zip(parts, packed_parts, strict=True):
                if packed:
                    self.queues.dead_letter(packed.body, packed.attributes, _code(part), record.event_id)
            return
        if record.event and not record.content:
            raise PayloadTooLarge("the event is larger than a queue message can hold")
        packed = as_received(record.content)
        self.queues.dead_letter(packed.body, packed.attributes, _code(dead), record.event_id)


def _code(receipts: Sequence[Receipt]) -> str:
    """Return the error code of a message with several pushes: the first one's."""
    return next((receipt.error_code for receipt in receipts if receipt.error_code), RelayError.code)


def _packed(event: Event | None) -> Packed | None:
    """Write an event as a queue message; None if there is no event or it would be too large."""
    try:
        return pack(event) if event else None
    except PayloadTooLarge:
        return None
