"""The delivery mode `direct`: an accepted event is delivered within the HTTP call that brought it."""

from collections.abc import Sequence

from push_relay.core.clock import TimeLeft
from push_relay.core.errors import PayloadTooLarge, QueueUnavailable, RelayError
from push_relay.core.event import Event
from push_relay.core.intake import Forwarded
from push_relay.core.outcomes import Disposition, code_of, verdict
from push_relay.core.push import Receipt
from push_relay.core.queue_format import RejectedItem, bare, pack
from push_relay.core.quick_dataclass import dataclass, replace
from push_relay.core.relay import Relay
from push_relay.entrypoints.ending import Ending
from push_relay.entrypoints.queue_record import QueueRecord


@dataclass(frozen=True, slots=True)
class DirectForward:
    """Delivers events at once. The queues take pushes that are parked or dead-lettered."""

    relay: Relay
    ending: Ending

    def __call__(self, events: Sequence[Event], time_left: TimeLeft) -> Sequence[Forwarded]:
        """Deliver events. An event that no queue message can hold is not delivered: it is lost."""
        results = [_fits(event) for event in events]
        fitting = [event for event, result in zip(events, results, strict=True) if result is None]
        delivered = iter(self.relay.deliver(fitting, time_left) if fitting else ())
        return [
            result or self._end(event, next(delivered)) for event, result in zip(events, results, strict=True)
        ]

    def keep(self, items: Sequence[RejectedItem], time_left: TimeLeft) -> Sequence[Forwarded]:
        """Dead-letter items that are not valid."""
        del time_left
        return [self._dead_letter(item) for item in items]

    def _end(self, event: Event, receipts: Sequence[Receipt]) -> Forwarded:
        """Park or dead-letter what the receipts of an event demand."""
        record = QueueRecord({}, event=event)
        record.note(receipts, self.ending.clock.now())
        try:
            self.ending.dead_letter(record)
            (error,) = self.ending.park([record])
            if error:
                raise error
        except RelayError as exc:
            lost = QueueUnavailable(exc.detail)
            return Forwarded([_not_kept(receipt, lost) for receipt in receipts], lost)
        return Forwarded(record.receipts)

    def _dead_letter(self, item: RejectedItem) -> Forwarded:
        receipt = Receipt.failure(
            item.error, source=item.source, event_id=item.id, correlation_id=item.correlation_id
        )
        try:
            packed = bare(item)
            self.ending.queues.dead_letter(packed.body, packed.attributes, code_of(item.error), item.id)
        except (QueueUnavailable, PayloadTooLarge) as exc:
            return Forwarded(lost=exc)
        return Forwarded([receipt])


def _fits(event: Event) -> Forwarded | None:
    """Return None if a queue message can hold an event: it may have to be parked or dead-lettered."""
    try:
        pack(event)
    except PayloadTooLarge as exc:
        return Forwarded(lost=exc)
    return None


def _not_kept(receipt: Receipt, lost: QueueUnavailable) -> Receipt:
    """Return the receipt of a push that had to be kept and could not be, so that the sender retries."""
    if receipt.disposition is Disposition.ACKNOWLEDGE:
        return receipt
    return replace(
        receipt, outcome=verdict(lost).outcome, error_code=lost.code, detail=lost.detail, violations=()
    )
