"""The delivery mode `direct`: an accepted event is delivered within the HTTP call that brought it."""

from dataclasses import dataclass, replace

from push_relay.core.clock import TimeLeft
from push_relay.core.errors import PayloadTooLarge, QueueUnavailable
from push_relay.core.event import Event
from push_relay.core.intake import Forwarded
from push_relay.core.outcomes import Disposition, verdict
from push_relay.core.push import Receipt
from push_relay.core.queue_format import pack
from push_relay.core.relay import Relay
from push_relay.entrypoints.ending import Ending
from push_relay.entrypoints.queue_record import QueueRecord


@dataclass(frozen=True, slots=True)
class DirectForward:
    """Delivers events at once. The queues take pushes that are parked or dead-lettered."""

    relay: Relay
    ending: Ending

    def __call__(self, event: Event, time_left: TimeLeft) -> Forwarded:
        """Deliver an event. Raises PayloadTooLarge for an event that no queue message can hold."""
        # It may have to be parked or dead-lettered, so it has to fit into a queue message here too.
        pack(event)
        (receipts,) = self.relay.deliver([event], time_left)
        record = QueueRecord({}, event=event, receipts=receipts)
        try:
            self.ending.dead_letter(record)
            if parked := record.asking_for(Disposition.PARK):
                self.ending.requeue(record, parked)
        except (QueueUnavailable, PayloadTooLarge) as exc:
            lost = QueueUnavailable(exc.detail)
            return Forwarded([_not_kept(receipt, lost) for receipt in receipts], lost)
        return Forwarded(receipts)


def _not_kept(receipt: Receipt, lost: QueueUnavailable) -> Receipt:
    """Return the receipt of a push that had to be kept and could not be, so that the sender retries."""
    if receipt.disposition is Disposition.ACKNOWLEDGE:
        return receipt
    return replace(
        receipt, outcome=verdict(lost).outcome, error_code=lost.code, detail=lost.detail, violations=()
    )
