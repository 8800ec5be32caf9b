"""The permits of an account in memory, and permits that are always granted."""

import threading
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date

from push_relay.core.clock import TimeLeft
from push_relay.core.delivery.encoding import Credentials
from push_relay.core.delivery.permits import Drawn, Permits
from push_relay.core.errors import LedgerUnavailable, NotNow, RelayError
from push_relay.core.push import Push


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


class OpenSession:
    """The permits of a worker that gets all that it asks for."""

    def __init__(self, permits: "OpenPermits", *, drains: bool) -> None:
        self._permits = permits
        self.drains = drains
        self.connections = 0

    def ask(self, pushes: Sequence[Push], wanted: int) -> Sequence[RelayError | None]:
        """Grant everything, or raise the error."""
        self._permits.asked.append((list(pushes), wanted))
        if self._permits.error:
            raise self._permits.error
        self.connections = min(max(self.connections, wanted), self._permits.limit)
        return [None] * len(pushes)

    @contextmanager
    def call(self, _push: Push, _credentials: Credentials, seconds: float) -> Iterator[float]:
        """Allow a call for all of its seconds."""
        yield seconds

    def look(self) -> bool:
        """Return whether events were announced."""
        announced, self._permits.announced = self._permits.announced, False
        return announced

    def release_idle(self, wanted: int) -> None:
        """Return connections."""
        self.connections = min(self.connections, wanted)

    def finish(self, *, unless_announced: bool = False, has_survived: bool = True) -> bool:
        """Return all connections."""
        del has_survived
        if unless_announced and self.look():
            return True
        self.connections = 0
        return False


class OpenPermits:
    """The permits of an account that may always call.

    limit      the account's connections
    error      is raised by each ask, if it is set
    asked      the pushes of each ask, and the connections that were wanted
    announced  whether events were announced
    sessions   the sessions that were begun
    """

    def __init__(self, limit: int = 3) -> None:
        self.limit = limit
        self.error: Exception | None = None
        self.asked: list[tuple[list[Push], int]] = []
        self.announced = False
        self.are_busy = False
        self.sessions: list[OpenSession] = []

    def session(self, _time_left: TimeLeft, *, drains: bool = False, drains_now: bool = False) -> OpenSession:
        """Begin a session."""
        del drains_now
        self.sessions.append(OpenSession(self, drains=drains))
        return self.sessions[-1]

    def refusal(self, _push: Push) -> NotNow | None:
        """Refuse nothing."""
        return None

    def wait(self) -> float | None:
        """Wait for nothing."""
        return None

    def is_open(self, *, high: bool, source: str = "") -> bool:
        """Return that every push can be called."""
        assert high or source is not None
        return True

    def announce(self) -> float | None:
        """Announce events to a session that drains and holds a connection."""
        if any(session.drains and session.connections for session in self.sessions):
            self.announced = True
            return None
        return 0.0
