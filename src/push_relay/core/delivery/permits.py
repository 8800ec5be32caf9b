"""What an account permits: connections, calls of the day, and whether the vendor may be called at all.

All of it is one value, `Permits`, which the whole fleet shares. Functions of this module decide what a worker
may do; an adapter stores the value in one item, and replaces it by one conditional write.
"""

from collections.abc import Mapping
from datetime import date
from typing import NamedTuple, Protocol

from push_relay.core.delivery.cooldown import Cooldown


class Lease(NamedTuple):
    """A connection that a worker has leased.

    owner  the worker; for the connection of an unfinished call a name that no worker has
    until  when the lease ends, in whole seconds since the epoch
    """

    owner: str
    until: int


class DayCalls(NamedTuple):
    """The calls of an account on one day.

    used       calls that were counted, made or not
    drawn      calls that this version may make: it has drawn them from the day's item of all versions
    elsewhere  calls that the version before has counted, as of the last draw
    sources    calls that count for a source with a budget, by its name
    """

    used: int = 0
    drawn: int = 0
    elsewhere: int = 0
    sources: Mapping[str, int] = {}


class Permits(NamedTuple):
    """The permits of an account.

    leases     the leases, by the connection's number from 0; a free connection may be absent
    calls      the calls of a day, by its date in ISO 8601
    cooldown   the state of the circuit
    announced  whether events were put into the backlog that a sending worker has not looked for yet
    stamp      differs with each write; empty: never written
    """

    leases: Mapping[int, Lease] = {}
    calls: Mapping[str, DayCalls] = {}
    cooldown: Cooldown = Cooldown()
    announced: bool = False
    stamp: str = ""


class Drawn(NamedTuple):
    """The answer to a draw of calls.

    count    calls that were granted, at most those that were asked for
    total    calls of all versions on that day after it, those of this draw included
    sources  calls that the version before has counted for sources with a budget
    """

    count: int
    total: int
    sources: Mapping[str, int] = {}


class PermitStore(Protocol):
    """The permits of one account. Every method raises LedgerUnavailable."""

    def read(self) -> Permits:
        """Return the permits as they are now."""
        ...

    def swap(self, before: Permits, after: Permits) -> Permits:
        """Replace the permits if they are still `before`; return those that are stored afterwards.

        `after` has a new stamp. If the result has it too, the write was made, also if its answer was lost.
        """
        ...

    def draw(self, day: date, count: int, limit: int) -> Drawn:
        """Count calls of a day, so many as the limit allows; no other worker of any version can have them."""
        ...
