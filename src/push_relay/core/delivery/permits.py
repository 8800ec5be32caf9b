"""The permits of an account: connections, calls of the day, and whether the vendor may be called at all.

All of it is one value, `Permits`, which the whole fleet shares. An adapter stores the value in one item, and
replaces it by one conditional write. The functions of this module are the rules of connections;
`permit_calls.py` has those of the day's calls, and `cooldown.py` those of the circuit.
"""

import math
from collections.abc import Iterable, Mapping
from datetime import date
from typing import NamedTuple, Protocol

from push_relay.core.clock import CLOCK_SKEW_SECS
from push_relay.core.delivery.cooldown import Cooldown
from push_relay.core.errors import LedgerUnavailable

#: The beginning of the name of a worker that goes on with the backlog: after its own pushes, or now.
DRAINS = "drain-"
DRAINS_NOW = DRAINS + "now-"
#: The end of the name under which the connection of an unfinished call is reserved.
UNFINISHED = "-unfinished"
#: The detail of ConnectionsBusy.
BUSY = "the account's connections are all in use"
#: Seconds after which a wake-up that was announced is taken for lost.
WAKE_GRACE_SECS = 5
#: Seconds after which a wake-up starts a drain if all connections are leased: at least, at most.
SOONEST_WAKE_SECS, LATEST_WAKE_SECS = 1.0, 20.0


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
    others     the same of the version before, as of the last draw
    """

    used: int = 0
    drawn: int = 0
    elsewhere: int = 0
    sources: Mapping[str, int] = {}
    others: Mapping[str, int] = {}


class Permits(NamedTuple):
    """The permits of an account.

    leases     the leases, by the connection's number from 0; a free connection may be absent
    calls      the calls of a day, by its date in ISO 8601
    cooldown   the state of the circuit
    announced  whether events were put into the backlog that a sending worker has not looked for yet
    woken      until when a wake-up is expected, in whole seconds since the epoch; 0: none is
    crashed    whether a worker died while it drained, and no drain has survived since then
    stamp      differs with each write; empty: never written
    """

    leases: Mapping[int, Lease] = {}
    calls: Mapping[str, DayCalls] = {}
    cooldown: Cooldown = Cooldown()
    announced: bool = False
    woken: int = 0
    crashed: bool = False
    stamp: str = ""


class Drawn(NamedTuple):
    """The answer to a draw of calls.

    calls    calls that were granted, at most those that were asked for
    total    calls of all versions on that day after it, those of this draw included
    sources  calls that the version before has counted for sources with a budget
    """

    calls: int
    total: int
    sources: Mapping[str, int] = {}


class WriteUnknown(LedgerUnavailable):
    """Nobody can know whether a change of the permits was made: another worker has changed them since.

    permits  as they are now
    """

    def __init__(self, permits: Permits) -> None:
        super().__init__("the answer to a change of the account's permits was lost")
        self.permits = permits


class PermitStore(Protocol):
    """The permits of one account. Every method raises LedgerUnavailable."""

    def read(self) -> Permits:
        """Return the permits as they are now."""
        ...

    def swap(self, before: Permits, after: Permits) -> Permits:
        """Replace the permits if they are still `before`; return those that are stored afterwards.

        `after` has a new stamp. If the result has it too, the write was made, also if its answer was lost.
        Raises WriteUnknown if the answer was lost and the result has another stamp.
        """
        ...

    def draw(self, day: date, count: int, limit: int) -> Drawn:
        """Count calls of a day, so many as the limit allows; no other worker of any version can have them."""
        ...


def ended_before(now: float) -> int:
    """Return the moment that has passed on every clock of the fleet. A lease up to it has ended."""
    return math.floor(now) - CLOCK_SKEW_SECS


def free_connections(permits: Permits, limit: int, now: float) -> list[int]:
    """Return the connections that nobody has leased, or whose lease has ended."""
    ended = ended_before(now)
    leases = permits.leases
    return [c for c in range(limit) if c not in leases or leases[c].until <= ended]


def leased_by(permits: Permits, worker: str) -> dict[int, int]:
    """Return the connections of a worker, and the end of each lease."""
    return {c: lease.until for c, lease in permits.leases.items() if lease.owner == worker}


def with_leases(permits: Permits, connections: Iterable[int], owner: str, until: int) -> Permits:
    """Lease connections, or extend leases. No lease of this owner ends earlier than before."""
    before = leased_by(permits, owner)
    leases = {c: Lease(owner, max(until, before.get(c, 0))) for c in connections}
    return permits._replace(leases={**permits.leases, **leases})


def without_leases(permits: Permits, connections: Iterable[int], owner: str) -> Permits:
    """Return connections of a worker; those that another worker has stay as they are."""
    returned = {c for c in connections if c in permits.leases and permits.leases[c].owner == owner}
    return permits._replace(leases={c: each for c, each in permits.leases.items() if c not in returned})


def is_drained(permits: Permits, now: float) -> bool:
    """Return whether a worker that goes on with the backlog holds a connection."""
    ended = ended_before(now)
    return any(lease.owner.startswith(DRAINS) and lease.until > ended for lease in permits.leases.values())


def drains_now(permits: Permits, worker: str, now: float) -> bool:
    """Return whether another worker than this one is draining the backlog."""
    ended, leases = ended_before(now), permits.leases.values()
    others = [lease for lease in leases if lease.owner.startswith(DRAINS_NOW) and lease.owner != worker]
    return any(lease.until > ended for lease in others)


def announcement(permits: Permits, limit: int, now: float) -> tuple[Permits, float | None]:
    """Announce events; return the seconds after which a wake-up is needed, or None if none is."""
    if is_drained(permits, now):
        return permits._replace(announced=True), None
    if permits.woken > now:
        return permits, None
    secs = wake_secs(permits, limit, now)
    return permits._replace(woken=math.ceil(now + secs) + WAKE_GRACE_SECS), secs


def dead_drains(permits: Permits, now: float) -> set[int]:
    """Return the connections of workers that went on with the backlog, and died before they returned them."""
    ended = ended_before(now)
    leases = permits.leases.items()
    return {c for c, lease in leases if lease.owner.startswith(DRAINS) and lease.until <= ended}


def wake_secs(permits: Permits, limit: int, now: float) -> float:
    """Return the seconds until a connection is free: 0 if one is, else until the first lease ends."""
    if free_connections(permits, limit, now):
        return 0.0
    first = min(permits.leases[c].until for c in range(limit)) + CLOCK_SKEW_SECS - now
    return min(max(SOONEST_WAKE_SECS, first), LATEST_WAKE_SECS)
