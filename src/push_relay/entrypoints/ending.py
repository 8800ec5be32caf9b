"""Requeue or dead-letter an event, or parts of it, as the receipts of its pushes demand."""

from collections.abc import Iterator, Sequence

from push_relay.core.clock import Clock
from push_relay.core.delivery.parking import Parking
from push_relay.core.errors import PayloadTooLarge, RelayError
from push_relay.core.event import Event
from push_relay.core.outcomes import Disposition
from push_relay.core.queue_format import Packed, as_received, pack
from push_relay.core.quick_dataclass import dataclass
from push_relay.entrypoints.ports import Queues
from push_relay.entrypoints.queue_record import QueueRecord, reason_of


@dataclass(frozen=True, slots=True)
class Ending:
    """Ends the handling of queue records."""

    queues: Queues
    parking: Parking
    clock: Clock

    def park(self, records: Sequence[QueueRecord]) -> Sequence[RelayError | None]:
        """Park the pushes of records that wait; return for each record why something is not stored, or None.

        If a call has opened the circuit, a wake-up is queued for the next probe. Never raises.
        """
        waiting = [(number, each) for number, record in enumerate(records) for each in record.waiting()]
        errors: list[RelayError | None] = [None] * len(records)
        for (number, _), error in zip(waiting, self.parking.park([each for _, each in waiting]), strict=True):
            errors[number] = errors[number] or error
        for account, due in sorted({probe for record in records for probe in _probes(record)}):
            self.parking.wake(account, due)
        return errors

    def dead_letter(self, record: QueueRecord) -> None:
        """Dead-letter the parts of an event that have failed, or the message as it was received.

        Refused pushes and parts that never became a push are two dead letters. A person can then correct the
        mapping and replay the latter, without sending a push of unknown fate again.
        Raises QueueUnavailable, and PayloadTooLarge if the event does not fit and there is no message to
        keep instead.
        """
        dead = record.asking_for(Disposition.DEAD_LETTER)
        if not dead:
            return
        parts = [part for part in ([r for r in dead if r.push], [r for r in dead if not r.push]) if part]
        packed_parts = [_packed(record.event_for(part)) for part in parts]
        if all(packed_parts):
            for part, packed in zip(parts, packed_parts, strict=True):
                if packed:
                    self.queues.dead_letter(packed.body, packed.attributes, reason_of(part), record.event_id)
            return
        if record.event and not record.content:
            raise PayloadTooLarge("the event is larger than a queue message can hold")
        packed = as_received(record.content)
        self.queues.dead_letter(packed.body, packed.attributes, reason_of(dead), record.event_id)


def _probes(record: QueueRecord) -> Iterator[tuple[str, float]]:
    """Yield the accounts whose calls are stopped since a call of a record's pushes, and until when."""
    for receipt in record.receipts:
        if receipt.is_paced and receipt.latency_ms is not None and receipt.push:
            yield receipt.push.account, record.noted_at + (receipt.retry_after or 0.0)


def _packed(event: Event | None) -> Packed | None:
    """Write an event as a queue message; None if there is no event or it would be too large."""
    try:
        return pack(event) if event else None
    except PayloadTooLarge:
        return None
