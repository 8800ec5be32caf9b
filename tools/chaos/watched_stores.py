"""The stores of a run with a journal and with kill points: the ledger, the permits, the backlog, the windows.

The methods that are not watched are the inner object's own.
"""

from collections.abc import Callable, Sequence
from datetime import date

from chaos.fault_injector import FaultInjector, describe, error_name, markers_of
from push_relay.core.delivery.backlog import Backlog, Shelf, Unreadable, Waiting
from push_relay.core.delivery.batching import Added, BatchedPush, BatchStore, Window
from push_relay.core.delivery.ledger import PARKED, Claimed, ClaimRequest, Ledger, Settlement
from push_relay.core.delivery.permits import Drawn, Permits, PermitStore
from push_relay.core.errors import LedgerUnavailable, RelayError
from push_relay.core.event import Replay
from push_relay.core.push import Push


class WatchedLedger:
    """A ledger."""

    def __init__(self, inner: Ledger, injector: FaultInjector) -> None:
        self.inner = inner
        self.injector = injector
        self.error_code_of = inner.error_code_of
        self.clear_parked = inner.clear_parked

    def begin_claims(
        self, requests: Sequence[ClaimRequest]
    ) -> Callable[[], Sequence[Claimed | LedgerUnavailable]]:
        """Begin to claim pushes."""
        self.injector.at("before_claim")
        end = self.inner.begin_claims(requests)
        self.injector.at("during_claim")

        def claimed() -> Sequence[Claimed | LedgerUnavailable]:
            answers = end()
            for request, answer in zip(requests, answers, strict=True):
                if isinstance(answer, Claimed):
                    self.injector.note(
                        "claimed",
                        key=request.key,
                        claim=answer.claim,
                        lease_secs=round(request.lease_secs, 3),
                        is_replay=request.replay is not Replay.NO,
                    )
            self.injector.at("after_claim")
            return answers

        return claimed

    def begin_ends(
        self, settlements: Sequence[Settlement]
    ) -> Callable[[], Sequence[LedgerUnavailable | None]]:
        """Begin to end claims."""
        self.injector.at("before_settle")
        end = self.inner.begin_ends(settlements)
        self.injector.at("during_settle")

        def ended() -> Sequence[LedgerUnavailable | None]:
            answers = end()
            for settlement, error in zip(settlements, answers, strict=True):
                if error:
                    self.injector.note("not_settled", key=settlement.key, result=error_name(error))
                elif settlement.status == PARKED:
                    self.injector.note("released", key=settlement.key)
                else:
                    self.injector.note("settled", key=settlement.key, status=settlement.status)
            self.injector.at("after_settle")
            return answers

        return ended

    def settle(self, key: str, status: str, error_code: str = "") -> None:
        """Settle a push."""
        self.injector.at("before_settle")
        try:
            self.inner.settle(key, status, error_code)
        except Exception as exc:
            self.injector.note("not_settled", key=key, result=error_name(exc))
            raise
        self.injector.note("settled", key=key, status=status)
        self.injector.at("after_settle")

    def count_unknown(self, key: str) -> int:
        """Count a call of unknown fate. If that is not possible, the push may be sent once more."""
        try:
            count = self.inner.count_unknown(key)
        except LedgerUnavailable:
            self.injector.note("unknown_not_counted", key=key)
            raise
        self.injector.note("unknown_counted", key=key, count=count)
        return count

    def note_window(self, key: str, window: str, *, overwrite: bool = False) -> str:
        """Note the batch window of a push."""
        self.injector.at("before_note_window")
        noted = self.inner.note_window(key, window, overwrite=overwrite)
        self.injector.note("noted_window", key=key, overwrite=overwrite, was_noted=noted != window)
        self.injector.at("after_note_window")
        return noted


class WatchedPermitStore:
    """The permits of an account."""

    def __init__(self, inner: PermitStore, injector: FaultInjector) -> None:
        self.inner = inner
        self.injector = injector
        self.read = inner.read

    def swap(self, before: Permits, after: Permits) -> Permits:
        """Replace the permits."""
        self.injector.at("before_swap")
        stored = self.inner.swap(before, after)
        self.injector.at("after_swap")
        return stored

    def draw(self, day: date, count: int, limit: int) -> Drawn:
        """Count calls of a day."""
        self.injector.at("before_draw")
        drawn = self.inner.draw(day, count, limit)
        self.injector.at("after_draw")
        return drawn


class WatchedBacklog:
    """A backlog."""

    def __init__(self, inner: Backlog, injector: FaultInjector) -> None:
        self.inner = inner
        self.injector = injector
        self.due = inner.due
        self.shelves = inner.shelves

    def put(self, waiting: Sequence[Waiting]) -> Sequence[RelayError | None]:
        """Store events."""
        self.injector.at("before_store")
        refusals = self.inner.put(waiting)
        for each, refusal in zip(waiting, refusals, strict=True):
            self.injector.note(
                "not_stored" if refusal else "stored",
                items=markers_of(each.event),
                shelf=_name(each.shelf),
                reason=each.reason,
                due=round(each.due, 3),
            )
        self.injector.at("after_store")
        return refusals

    def remove(self, waiting: Sequence[Waiting | Unreadable]) -> None:
        """Delete events that were read."""
        self._remove(waiting, lambda: self.inner.remove(waiting))

    def remove_unchanged(self, waiting: Sequence[Waiting]) -> None:
        """Delete events that were read and were not stored again meanwhile."""
        self._remove(waiting, lambda: self.inner.remove_unchanged(waiting))

    def _remove(self, waiting: Sequence[Waiting | Unreadable], remove: Callable[[], None]) -> None:
        self.injector.at("before_remove")
        remove()
        items = [m for each in waiting if isinstance(each, Waiting) for m in markers_of(each.event)]
        self.injector.note("removed", items=items, count=len(waiting))
        self.injector.at("after_remove")

    def tried(self, waiting: Waiting) -> None:
        """Count a try."""
        self.injector.at("before_tried")
        self.inner.tried(waiting)
        self.injector.at("after_tried")


class WatchedBatchStore:
    """A store of batch windows."""

    def __init__(self, inner: BatchStore, injector: FaultInjector) -> None:
        self.inner = inner
        self.injector = injector
        self.latest = inner.latest
        self.further = inner.further
        self.scheduled = inner.scheduled
        self.close = inner.close

    def add(self, window: Window, entry: BatchedPush) -> Added:
        """Add a push to a window."""
        self.injector.at("before_batch")
        push = Push(window.recipient, entry.wording, entry.key, account=window.account)
        self.injector.note("batching", **describe(push), window=window.id)
        added = self.inner.add(window, entry)
        self.injector.note("batched", key=entry.key, added=added)
        self.injector.at("after_batch")
        return added


def _name(shelf: Shelf) -> str:
    return f"{shelf.account} {'urgent' if shelf.high else 'normal'} {shelf.source}".rstrip()
