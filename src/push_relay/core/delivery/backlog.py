"""The backlog: events that wait, by account and priority, in the order in which they are sent."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from push_relay.core.errors import RelayError
from push_relay.core.event import Event


class Shelf(NamedTuple):
    """A part of the backlog whose events are sent one after the other.

    high    whether its events are urgent
    source  the source whose budget its events wait for; empty if they do not wait for one
    """

    account: str
    high: bool = False
    source: str = ""


class Waiting(NamedTuple):
    """An event that waits.

    due      not to be sent before this time, seconds since the epoch; 0: as soon as the account permits
    expected when it is probably sent, for people (of a push that waits for the account); 0: `due`
    reason   the error code for which it waits
    attempt  the number of its next attempt, from 1
    tries    how often a worker has taken it from the backlog and did not finish it
    position its place on the shelf, if it was read
    """

    shelf: Shelf
    event: Event
    reason: str
    due: float = 0.0
    expected: float = 0.0
    attempt: int = 1
    tries: int = 0
    position: str = ""


class Backlog(Protocol):
    """The store of what waits. Every method raises LedgerUnavailable."""

    def put(self, waiting: Sequence[Waiting]) -> Sequence[RelayError | None]:
        """Store events; return for each why it is not stored, or None. The same event is stored once."""
        ...

    def due(self, shelf: Shelf, count: int, now: float) -> Sequence[Waiting]:
        """Return the first events of a shelf that are due, in order of due time and arrival."""
        ...

    def remove(self, waiting: Sequence[Waiting]) -> None:
        """Delete events that were read."""
        ...

    def tried(self, waiting: Waiting) -> None:
        """Count a try, before an event is handled that may crash the function."""
        ...

    def shelves(self) -> Sequence[Shelf]:
        """Return the shelves that have ever had an event, urgent ones first."""
        ...
