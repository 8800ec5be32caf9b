"""Telemetry with a journal of the receipts."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from chaos.fault_injector import FaultInjector, describe
from push_relay.core.event import Event
from push_relay.core.push import Receipt
from push_relay.telemetry import Telemetry


class WatchedTelemetry(Telemetry):
    """Telemetry with a journal of the receipts."""

    def __init__(self, injector: FaultInjector) -> None:
        super().__init__()
        self._injector = injector

    def accepted(self, *events: Event) -> None:
        """Note that events were queued."""
        if events:
            self._injector.note("ended", outcomes={"accepted": len(events)})
        super().accepted(*events)

    def kept(self, receipt: Receipt) -> None:
        """Note that an invalid item was queued. `deliver` takes it up again and rejects it."""
        self._injector.note("ended", outcomes={"accepted": 1})
        super().kept(receipt)

    def settled(self, receipts: Any, *, attempt: int) -> None:
        """Note receipts."""
        self._injector.note("ended", outcomes=outcomes_by_push(receipts))
        for receipt in receipts:
            details = describe(receipt.push) if receipt.push else {}
            self._injector.note(
                "receipt",
                event_id=receipt.event_id,
                outcome=receipt.outcome,
                code=receipt.error_code,
                attempt=attempt,
                **details,
            )
        super().settled(receipts, attempt=attempt)

    def refused(self, receipt: Receipt) -> None:
        """Note the receipt of a request that was refused before its sender was verified."""
        self._injector.note("ended", outcomes=outcomes_by_push([receipt]))
        super().refused(receipt)


def outcomes_by_push(receipts: Sequence[Receipt]) -> Mapping[str, int]:
    """Return the number of pushes by outcome.

    A batch push has a receipt for each of its events, all with the push's key. It counts as one.
    """
    seen: set[tuple[str, str]] = set()
    counted: Counter[str] = Counter()
    for receipt in receipts:
        key = receipt.push.key if receipt.push else ""
        is_repeated = (key, receipt.event_id) in seen
        if not key or is_repeated or all(key != other for other, _ in seen):
            counted[receipt.outcome] += 1
        seen.add((key, receipt.event_id))
    return counted
