"""The backlog in memory. The contract in tests/contracts/backlog.py holds it to the adapter of DynamoDB."""

import itertools
import threading
from collections.abc import Sequence

from push_relay.core.delivery.backlog import Shelf, Unreadable, Waiting, after_due, ceil_secs, place
from push_relay.core.errors import LedgerUnavailable, PayloadTooLarge, RelayError
from push_relay.core.queue_format import pack

_stamps = itertools.count(1)


class Backlog:
    """The backlog of one worker. `another` starts a worker that shares it.

    items        what waits, by shelf and position
    unreadable   what cannot be read, by shelf and position; a test plants it
    error        is raised by every call, or returned by `put`, if it is set
    most         events that one call returns at most, as if they were large
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.items: dict[tuple[Shelf, str], Waiting] = {}
        self.unreadable: dict[tuple[Shelf, str], Unreadable] = {}
        self.known: set[Shelf] = set()
        self.error: LedgerUnavailable | None = None
        self.most = 1_000_000

    def another(self) -> "Backlog":
        """Start another worker with the same backlog."""
        other = Backlog()
        other._lock, other.items, other.unreadable, other.known = (
            self._lock,
            self.items,
            self.unreadable,
            self.known,
        )
        return other

    def all(self) -> list[Waiting]:
        """Return everything that waits, in the order of shelves and places."""
        return [self.items[key] for key in sorted(self.items, key=lambda key: (not key[0].high, key))]

    def put(self, waiting: Sequence[Waiting]) -> Sequence[RelayError | None]:
        """Store events."""
        return [self._put(each) for each in waiting]

    def _put(self, waiting: Waiting) -> RelayError | None:
        try:
            pack(waiting.event)
        except PayloadTooLarge as exc:
            return exc
        if self.error:
            return self.error
        position = place(waiting)
        with self._lock:
            self.known.add(waiting.shelf)
            self.items[waiting.shelf, position] = waiting._replace(
                due=float(ceil_secs(waiting.due)),
                expected=float(ceil_secs(waiting.expected)),
                position=position,
                stamp=str(next(_stamps)),
            )
        return None

    def due(self, shelf: Shelf, count: int, now: float, after: str = "") -> Sequence[Waiting | Unreadable]:
        """Return the first events of a shelf that are due."""
        self._fail()
        with self._lock:
            stored: dict[tuple[Shelf, str], Waiting | Unreadable] = {**self.items, **self.unreadable}
        before = after_due(now)
        keys = sorted(key for key in stored if key[0] == shelf and after < key[1] < before)
        return [stored[key] for key in keys[: min(count, self.most)]]

    def remove(self, waiting: Sequence[Waiting | Unreadable]) -> None:
        """Delete what was read."""
        self._fail()
        with self._lock:
            for each in waiting:
                self.items.pop((each.shelf, each.position), None)
                self.unreadable.pop((each.shelf, each.position), None)

    def remove_unchanged(self, waiting: Sequence[Waiting]) -> None:
        """Delete what was read and was not stored again meanwhile."""
        self._fail()
        with self._lock:
            for each in waiting:
                key = (each.shelf, each.position)
                if key in self.items and self.items[key].stamp == each.stamp:
                    del self.items[key]

    def tried(self, waiting: Waiting) -> None:
        """Count a try."""
        self._fail()
        with self._lock:
            key = (waiting.shelf, waiting.position)
            if item := self.items.get(key):
                self.items[key] = item._replace(tries=item.tries + 1)

    def shelves(self) -> Sequence[Shelf]:
        """Return the shelves that have ever had an event."""
        self._fail()
        with self._lock:
            return sorted(self.known, key=lambda shelf: (not shelf.high, shelf))

    def _fail(self) -> None:
        if self.error:
            raise self.error
