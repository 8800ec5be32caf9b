"""The rules by which the workers of a fleet share an account's connections.

The vendor limits the calls that an account makes at a time, over all workers. A worker leases connections for
the pushes that it has to send. A single worker may lease all of them. If another worker waits, it gets a
connection at the end of a call. If more workers wait than there are connections, they take turns.

Leases are conditional writes, so these rules cannot break the limit. They decide only who gets the next
connection.
"""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import NamedTuple, Protocol

#: Seconds for which a worker keeps its last connection before it hands it to one that waits.
TURN_SECS = 0.5
#: Seconds that are added to the waiting time of a worker whose push is urgent. It overtakes another worker
#: only if that one has waited for less.
HEAD_START_SECS = 5.0
#: Seconds for which a worker relies on what it last saw of the others.
VIEW_SECS = 0.1
#: Seconds for which a wish is valid without being renewed. So long a dead worker counts as waiting.
WISH_SECS = 5
#: Seconds by which a lease is longer than the longest call. The first part covers the time between the lease
#: and the call. Because of the second part, not every call needs a write that renews the lease.
MARGIN_SECS, RENEWAL_SECS = 1.0, 2.0
#: Seconds that a worker waits in addition to the longest call. By then even the leases of a killed worker
#: have ended, on any clock of the fleet.
PATIENCE_SECS = 9.0
#: The pause between two looks of a worker that waits is a part of the time that it has waited, within bounds.
#: The upper bound grows with the worker's place in line, because only the first ones can be next.
_WAITED_PART, _SHORTEST_PAUSE_SECS, _LONGEST_PAUSE_SECS = 0.25, 0.05, 0.5
_PAUSE_SECS_PER_PLACE = 0.1


class Connection(Protocol):
    """One of the account's connections, leased for one push."""

    def call(self, seconds: float) -> AbstractContextManager[float]:
        """Make one call inside the context, which yields the seconds that it may take, at most `seconds`.

        If the call raises an error that is `unfinished`, the connection stays leased until the vendor has
        surely ended the call. Raises ConnectionsBusy if the lease was lost, LedgerUnavailable if it could not
        be renewed; then no call may be made.
        """
        ...


class Share(Protocol):
    """The connections that one worker has leased for its pushes."""

    def connection(self, *, urgent: bool) -> AbstractContextManager[Connection]:
        """Wait for a connection, and hold it for one push.

        Pushes get connections in the order in which they ask. Raises ConnectionsBusy if none became free in
        time, LedgerUnavailable if the record of leases cannot be read.
        """
        ...


class Unleased:
    """A connection that is not leased, for a caller that makes one call at a time."""

    def call(self, seconds: float) -> AbstractContextManager[float]:
        """Yield all of the seconds."""
        return nullcontext(seconds)


class View(NamedTuple):
    """The account's connections as one worker saw them.

    free     connections without a valid lease, by number
    mine     connections leased by this worker, and the end of each lease (seconds since the epoch)
    waiting  workers that have no connection and wait for one; the first gets the next
    """

    free: Sequence[int] = ()
    mine: Mapping[int, int] = {}
    waiting: Sequence[str] = ()


class Change(NamedTuple):
    """The change that a worker with connections makes at the end of a call.

    heir  the worker that gets the connection
    take  how many free connections it leases in addition
    """

    heir: str | None = None
    take: int = 0


def first_share(view: View, worker: str, wanted: int) -> int:
    """Return how many free connections a worker leases if it has none.

    It leaves one for each worker that waits. Workers that have waited longer are served first.
    """
    others = [other for other in view.waiting if other != worker]
    ahead = view.waiting.index(worker) if worker in view.waiting else len(others)
    one = 1 if len(view.free) > ahead else 0
    return min(wanted, max(one, len(view.free) - len(others)))


def rebalance(view: View, worker: str, held: int, wanted: int, held_secs: float) -> Change:
    """Return what a worker changes at the end of a call, if it has more to send.

    held       connections that it has, the one of this call included
    wanted     connections that it could use
    held_secs  seconds since it had none
    """
    waiting = [other for other in view.waiting if other != worker]
    # Waiting workers take the free connections. The heir is the first one that does not get any of these.
    if len(waiting) > len(view.free):
        gives = held > 1 or held_secs >= TURN_SECS
        return Change(heir=waiting[len(view.free)] if gives else None)
    return Change(take=max(0, min(wanted - held, len(view.free) - len(waiting))))


def pause_secs(waited_secs: float, place: int) -> float:
    """Return the seconds until a worker that waits looks again. `place`: its place in line, from 1."""
    longest = min(_PAUSE_SECS_PER_PLACE * place, _LONGEST_PAUSE_SECS)
    return min(max(_WAITED_PART * waited_secs, _SHORTEST_PAUSE_SECS), longest)
