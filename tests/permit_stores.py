"""The permits of an account in memory."""

import threading
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date

from push_relay.core.delivery.permits import Drawn, Permits
from push_relay.core.errors import LedgerUnavailable


class PermitStore:
    """The permits of one account, which all workers of a test share.

    permits    the stored value
    totals     calls of all versions, by day
    others     calls of a source with a budget that the version before has counted, by day
    operations the names of the operations that were made
    error      is raised by each operation, if it is set
    fails      whether an operation fails before it is made
    loses      whether the answer to an operation is lost after it was made
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.permits = Permits()
        self.totals: defaultdict[date, int] = defaultdict(int)
        self.others: defaultdict[date, dict[str, int]] = defaultdict(dict)
        self.operations: list[str] = []
        self.error: Exception | None = None
        self.fails: Callable[[str], bool] = lambda _operation: False
        self.loses: Callable[[str], bool] = lambda _operation: False

    def read(self) -> Permits:
        """Return the permits."""
        with self._operation("read"):
            return self.permits

    def swap(self, before: Permits, after: Permits) -> Permits:
        """Replace the permits if they are those that were seen."""
        with self._operation("swap"):
            assert after.stamp not in {"", before.stamp}
            changed = _changed(before, after)
            stored = self.permits.leases
            is_as_seen = all(stored.get(number) == before.leases.get(number) for number in changed)
            if self.permits.stamp == before.stamp and is_as_seen:
                kept = {number: lease for number, lease in stored.items() if number not in changed}
                leased = {number: lease for number, lease in after.leases.items() if number in changed}
                self.permits = after._replace(leases={**kept, **leased})
            return self.permits

    def draw(self, day: date, count: int, limit: int) -> Drawn:
        """Count calls of a day, as many as the limit allows."""
        with self._operation("draw"):
            granted = max(0, min(count, limit - self.totals[day]))
            self.totals[day] += granted
            return Drawn(granted, self.totals[day], dict(self.others[day]))

    @contextmanager
    def _operation(self, name: str) -> Iterator[None]:
        if self.error:
            raise self.error
        if self.fails(name):
            raise LedgerUnavailable("the ledger did not answer")
        with self._lock:
            self.operations.append(name)
            yield
        if self.loses(name):
            raise LedgerUnavailable("the answer was lost")


def _changed(before: Permits, after: Permits) -> set[int]:
    """Return the connections whose leases differ. Only these are written, and compared with what is stored.

    The version before changes leases without a new stamp.
    """
    numbers = {*before.leases, *after.leases}
    return {number for number in numbers if before.leases.get(number) != after.leases.get(number)}
