"""The relay's stores in memory: the ledger and the batch windows.

Tests and the bench share them. The contracts in tests/contracts hold the ledger and the batch windows to the
behaviour of their DynamoDB adapters.
"""

import itertools
import math
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from push_relay.core.clock import CLOCK_SKEW_SECS
from push_relay.core.delivery.batching import Added, BatchedPush, Window, overflow
from push_relay.core.delivery.ledger import (
    CLAIMED,
    LEDGER_MEMORY_SECS,
    PARKED,
    REPLAYABLE,
    Claim,
    Claimed,
    ClaimRequest,
    Settlement,
)
from push_relay.core.errors import ClaimHeld, LedgerUnavailable
from push_relay.core.event import Replay


@dataclass
class LedgerItem:
    """An item of the ledger, for one push. Times are whole seconds, as in DynamoDB."""

    status: str
    expires_at: int
    owner: str = ""
    lease_until: int = 0
    since: int | None = None
    error_code: str = ""
    source: str = ""
    event_id: str = ""
    window: str = ""
    replay_id: str | None = None
    unknown_sends: int = 0


class Ledger:
    """The ledger of one worker. `another` starts a worker that shares it.

    leases        the lease of each claim, in seconds
    cleared       the pushes whose parking was to be cleared
    claim_error   is raised by claims and by calls before a push, if it is set; `claim_all` returns it
    record_error  is raised by calls that record the end of a push, if it is set; `end_all` returns it
    """

    _claims = itertools.count(1)

    def __init__(self, now: Callable[[], float] = lambda: 0.0) -> None:
        self._now = now
        self._owners: dict[str, str] = {}  # the last claim of each push that this worker was granted
        self._lock = threading.Lock()
        self.items: dict[str, LedgerItem] = {}
        self.leases: list[float] = []
        self.cleared: list[str] = []
        self.claim_error: Exception | None = None
        self.record_error: Exception | None = None

    def another(self) -> "Ledger":
        """Start another worker with the same ledger and clock."""
        other = Ledger(self._now)
        other._lock, other.items = self._lock, self.items
        return other

    # --- the port -----------------------------------------------------------------------------------

    def begin_claims(
        self, requests: Sequence[ClaimRequest]
    ) -> Callable[[], Sequence[Claimed | LedgerUnavailable]]:
        """Claim pushes at once, and return the answers later."""
        answers = self.claim_all(requests)
        return lambda: answers

    def begin_ends(
        self, settlements: Sequence[Settlement]
    ) -> Callable[[], Sequence[LedgerUnavailable | None]]:
        """End claims at once, and return the answers later."""
        answers = self.end_all(settlements)
        return lambda: answers

    def claim_all(self, requests: Sequence[ClaimRequest]) -> Sequence[Claimed | LedgerUnavailable]:
        """Claim pushes one after the other."""
        return [self._answer(self._claim, request) for request in requests]

    def end_all(self, settlements: Sequence[Settlement]) -> Sequence[LedgerUnavailable | None]:
        """End claims one after the other."""
        return [self._answer(self._end, settlement) for settlement in settlements]

    def _answer[T, R](self, write: Callable[[T], R], argument: T) -> R | LedgerUnavailable:
        with self._lock:
            try:
                return write(argument)
            except LedgerUnavailable as exc:
                return exc
            except Exception as exc:  # noqa: BLE001 (as in the adapter, it must not affect the others)
                return LedgerUnavailable(f"the ledger did not answer ({type(exc).__name__})")

    def _claim(self, request: ClaimRequest) -> Claimed:
        _raise(self.claim_error)
        key, replay, replay_id = request.key, request.replay, request.replay_id
        self.leases.append(request.lease_secs)
        now, item = math.floor(self._now()), self.items.get(key)
        if item and not self._is_free(item, now, replay, replay_id, request.forget_before):
            claim = Claim.refused(item.status)
            return Claimed(claim, item.error_code if claim is Claim.FAILED else "")
        claimed = LedgerItem(
            CLAIMED,
            now + LEDGER_MEMORY_SECS,
            f"claim-{next(self._claims)}",
            math.ceil(self._now() + request.lease_secs) + CLOCK_SKEW_SECS,
        )
        if item:
            claimed.window, claimed.unknown_sends = item.window, item.unknown_sends
        claimed.replay_id = replay_id if replay is not Replay.NO else item.replay_id if item else None
        self.items[key] = claimed
        self._owners[key] = claimed.owner
        return Claimed(Claim.GRANTED, owner=claimed.owner)

    @staticmethod
    def _is_free(item: LedgerItem, now: int, replay: Replay, replay_id: str, forget_before: float) -> bool:
        if item.expires_at <= now or item.status == PARKED:
            return True
        if item.status == CLAIMED:
            return item.lease_until <= now
        if item.status in REPLAYABLE[replay] and item.replay_id != replay_id:
            return True
        return forget_before > 0 and item.since is not None and item.since < math.floor(forget_before)

    def settle(self, key: str, status: str, error_code: str = "") -> None:
        """Record the outcome of a claimed push."""
        with self._lock:
            self._end(Settlement(key, status, error_code))

    def clear_parked(self, key: str) -> None:
        """Forget a parked push."""
        with self._lock:
            _raise(self.claim_error or self.record_error)
            self.cleared.append(key)
            item = self.items.get(key)
            if item and item.status == PARKED:
                item.expires_at, item.unknown_sends = math.floor(self._now()), 0

    def error_code_of(self, key: str) -> str:
        """Return the error code with which a push was settled."""
        item = self.items.get(key)
        return item.error_code if item else ""

    def count_unknown(self, key: str) -> int:
        """Count a call of unknown fate."""
        with self._lock:
            _raise(self.record_error)
            item = self._own(key)
            if item is None:
                return 1
            item.unknown_sends += 1
            return item.unknown_sends

    def note_window(self, key: str, window: str, *, overwrite: bool = False) -> str:
        """Record the batch window of a claimed push."""
        with self._lock:
            _raise(self.claim_error)
            item = self._own(key)
            if item is None:
                raise ClaimHeld("another worker has taken over the claim of this push")
            item.window = window if overwrite else item.window or window
            return item.window

    def _own(self, key: str, owner: str = "") -> LedgerItem | None:
        item, owner = self.items.get(key), owner or self._owners.get(key, "")
        return item if item and owner and item.owner == owner else None

    def _end(self, settlement: Settlement) -> None:
        _raise(self.record_error)
        item = self._own(settlement.key, settlement.owner)
        if item is None:
            return
        if settlement.status == PARKED:
            item.source, item.event_id = settlement.source, settlement.event_id
        else:
            item.window, item.unknown_sends = "", 0
        now = math.floor(self._now())
        item.status, item.since, item.expires_at = str(settlement.status), now, now + LEDGER_MEMORY_SECS
        item.owner, item.lease_until = "", 0
        item.error_code = settlement.error_code or item.error_code

    # --- for tests ----------------------------------------------------------------------------------

    @property
    def states(self) -> dict[str, str | None]:
        """The statuses of settled pushes, and None for each claimed push. Parked ones are left out."""
        statuses = {key: item.status for key, item in self.items.items() if item.status != PARKED}
        return {key: None if status == CLAIMED else status for key, status in statuses.items()}

    @property
    def parked(self) -> list[str]:
        """The keys of parked pushes."""
        return [key for key, item in self.items.items() if item.status == PARKED]

    def put(self, key: str, status: str | None, error_code: str = "") -> None:
        """Settle a push in advance. Without a status, another worker holds a claim that never ends."""
        now = math.floor(self._now())
        item = LedgerItem(status or CLAIMED, now + LEDGER_MEMORY_SECS, error_code=error_code)
        if status is None:
            item.owner, item.lease_until = "another", 1 << 62
        else:
            item.since = now
        self.items[key] = item

    def end_claims(self) -> None:
        """End the leases of workers that have died."""
        for item in self.items.values():
            item.lease_until = 0 if item.status == CLAIMED else item.lease_until

    def break_down(self) -> None:
        """Refuse claims from now on, as the adapter would if DynamoDB failed."""
        self.claim_error = LedgerUnavailable("the ledger did not answer (Fake)")


def _raise(error: Exception | None) -> None:
    if error:
        raise error


class BatchStore:
    """The batch windows of one worker. `another` starts a worker that shares them.

    room          the number of pushes that fit in a segment
    closed_until  windows that are due until then count as closed, as if another worker's clock were ahead
    error         is raised by every call of the store, if it is set
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.windows: dict[str, tuple[Window, dict[str, BatchedPush]]] = {}
        self._closed: set[str] = set()
        self._scheduled: set[str] = set()
        self._full: dict[str, Window] = {}  # the windows that this worker found full, with those after them
        self.room = 1000
        self.closed_until = 0.0
        self.error: Exception | None = None

    def another(self) -> "BatchStore":
        """Start another worker with the same windows."""
        other = BatchStore()
        other._lock, other.windows, other.room = self._lock, self.windows, self.room
        other._closed, other._scheduled = self._closed, self._scheduled
        return other

    def latest(self, window: Window) -> Window:
        """Return the window in which the next push is tried first."""
        while window.id in self._full:
            window = self._full[window.id]
        return window

    def further(self, window: Window) -> Window:
        """Return the window for a push if another one is full."""
        self._full[window.id] = overflow(window)
        return self._full[window.id]

    def add(self, window: Window, entry: BatchedPush) -> Added:
        """Add a push to a window, once."""
        with self._lock:
            _raise(self.error)
            _, entries = self.windows.get(window.id, (window, {}))
            is_closed = window.id in self._closed
            if entry.key not in entries:
                if is_closed or window.due <= self.closed_until:
                    return Added.CLOSED
                if len(entries) >= self.room:
                    return Added.FULL
                self.windows.setdefault(window.id, (window, entries))
                entries[entry.key] = entry
            return Added.SCHEDULED if is_closed or window.id in self._scheduled else Added.UNSCHEDULED

    def scheduled(self, window: Window) -> None:
        """Record that the end of a window is scheduled."""
        with self._lock:
            _raise(self.error)
            self._scheduled.add(window.id)

    def close(self, window_id: str) -> tuple[Window, Sequence[BatchedPush]] | None:
        """Close a window, and return its pushes."""
        with self._lock:
            _raise(self.error)
            found = self.windows.get(window_id)
            if found is None:
                return None
            self._closed.add(window_id)
            return found[0], [entry for _, entry in sorted(found[1].items())]
