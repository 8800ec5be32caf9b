"""The backlog: events that wait, by account and priority, in the order in which they are sent."""

import math
from collections.abc import Sequence
from typing import NamedTuple, Protocol

from push_relay.core.clock import CLOCK_SKEW_SECS
from push_relay.core.errors import RelayError
from push_relay.core.event import Event, sha256_hex

#: Digits of a due time in seconds, and of an arrival in milliseconds, so that texts sort as the numbers do.
_DUE_DIGITS, _ARRIVAL_DIGITS = 11, 14


class Shelf(NamedTuple):
    """A part of the backlog whose events are sent one after the other.

    high    whether its events are urgent
    source  the source whose budget its events wait for; empty if they do not wait for one
    """

    account: str
    high: bool = False
    source: str = ""


class Waiting(NamedTuple):
    """An event that waits. `due` and `expected` are stored in whole seconds, rounded up.

    due      not to be sent before this time, seconds since the epoch; 0: as soon as the account permits
    expected when it is probably sent, for people (of a push that waits for the account); 0: `due`
    reason   the error code for which it waits
    attempt  the number of its next attempt, from 1
    tries    how often a worker has taken it from the backlog and did not finish it
    position its place on the shelf, if it was read
    stamp    of the write that has stored it, if it was read
    """

    shelf: Shelf
    event: Event
    reason: str
    due: float = 0.0
    expected: float = 0.0
    attempt: int = 1
    tries: int = 0
    position: str = ""
    stamp: str = ""


class Unreadable(NamedTuple):
    """An item of the backlog that is not an event: it is corrupt, or a later version has written it.

    It belongs into the dead-letter queue with its body and attributes, and is removed then.

    reason    the error code for which it waited
    body      the event as a queue message, so far as it can be read
    version   of the body: the value of the message attribute `push-relay-event`
    source    the event's source, for people
    event_id  the event's id, for people
    """

    shelf: Shelf
    position: str
    reason: str
    body: str
    version: str
    source: str
    event_id: str


class Backlog(Protocol):
    """The store of what waits. Every method but `put` raises LedgerUnavailable."""

    def put(self, waiting: Sequence[Waiting]) -> Sequence[RelayError | None]:
        """Store events; return for each why it is not stored, or None. Never raises.

        An event that is stored again for the same place (see `place`) replaces itself. So an event that was
        read and is put back at its own place must not be removed afterwards.
        """
        ...

    def due(self, shelf: Shelf, count: int, now: float, after: str = "") -> Sequence[Waiting | Unreadable]:
        """Return the first events of a shelf that are due, in the order of their places.

        after  only events whose places follow this one; empty: all

        These may be fewer than `count` if they are large, but at least one if any is due.
        """
        ...

    def remove(self, waiting: Sequence[Waiting | Unreadable]) -> None:
        """Delete events that were read. Those that are no longer there are left out."""
        ...

    def remove_unchanged(self, waiting: Sequence[Waiting]) -> None:
        """Delete events that were read, except those that were stored again at their places meanwhile.

        An event that goes on as a message has to be removed in this way: a worker may handle the message
        before the removal, store the event at the same place, and delete the message.
        """
        ...

    def tried(self, waiting: Waiting) -> None:
        """Count a try, before an event is handled that may crash the function."""
        ...

    def shelves(self) -> Sequence[Shelf]:
        """Return the shelves that have ever had an event, urgent ones first."""
        ...


def place(waiting: Waiting) -> str:
    """Return the place of an event on its shelf. Places sort as texts, by time and then by arrival.

    The time is that until which the event waits; if there is none, that of its arrival. So an event that is
    tried again at a time does not wait for all others.

    The same event has the same place if it waits until the same time. So a message that SQS hands out twice
    is one event of the backlog. An event with the same content for other pushes has another place.
    """
    event = waiting.event
    parts = [event.source, event.identity, event.id, event.replay, event.replay_id]
    parts += [*event.only, "", *event.skip]
    mark = sha256_hex("\0".join(parts).encode("utf-8", "surrogatepass"))[:16]
    arrival = _digits(round(event.received_at * 1000), _ARRIVAL_DIGITS)
    # Another worker's clock may be behind the one that has noted the arrival.
    time = ceil_secs(waiting.due) or math.floor(event.received_at) - CLOCK_SKEW_SECS
    return f"{_digits(time, _DUE_DIGITS)}#{arrival}#{mark}"


def place_time(position: str) -> int:
    """Return the time of a place: until when its event waits, or when it arrived; seconds since the epoch.

    It is 0 if the text is not a place, which somebody may have written into the table.
    """
    digits = position[:_DUE_DIGITS]
    return int(digits) if digits.isdecimal() else 0


def after_due(now: float) -> str:
    """Return a text that sorts after the places of all that is due at a time, and before all others."""
    return _digits(math.floor(now) + 1, _DUE_DIGITS)


def ceil_secs(seconds: float) -> int:
    """Return a time in whole seconds, never before it."""
    return max(0, math.ceil(seconds))


def _digits(number: int, count: int) -> str:
    return f"{min(max(0, number), 10**count - 1):0{count}d}"
