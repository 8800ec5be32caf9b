"""Digests: what a route gathers for one recipient in a while becomes one push: a storm costs one call.

A window is a stretch of time of one recipient's. The first push that comes in it opens it and schedules an
event of the relay's own, due when it ends; that event is delivered like any other, and then every gathered
push has its receipt. Each step can be repeated: a worker that dies on the way loses nothing.

A push lies in one window at the most, whoever comes to gather it and whenever: the ledger notes the window
before the push is put there, and another one only when that one has closed, or is full, without it.
"""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Protocol

from push_relay.core.account import Account
from push_relay.core.errors import LedgerUnavailable
from push_relay.core.event import Event, digest
from push_relay.core.graphemes import cut
from push_relay.core.outcomes import Outcome
from push_relay.core.push import GATHERED, Message, Push, Receipt, Recipient
from push_relay.core.sender import Sender, TimeLeft, failure

#: The source of the relay's own events; no folder can have this name.
SOURCE = ".digest"
#: Windows that are tried before a push is parked: of one stretch of time, full, or closed by a faster clock.
TRIES = 10


@dataclass(frozen=True, slots=True)
class Entry:
    """One gathered push: what it says, and whose it is."""

    key: str
    source: str
    event_id: str
    correlation_id: str
    message: Message


@dataclass(frozen=True, slots=True)
class Window:
    """A stretch of time in which one recipient's pushes are gathered. `due`: seconds since the epoch."""

    id: str
    recipient: Recipient
    due: float
    high: bool = False


class Added(StrEnum):
    """What became of an entry that was added to a window."""

    SCHEDULED = "scheduled"  # it lies there, and the window's end is scheduled
    UNSCHEDULED = "unscheduled"  # it lies there, and the window's end is not scheduled yet
    CLOSED = "closed"  # the window has closed without it
    FULL = "full"  # the window has no room for it, and never will


class Digests(Protocol):
    """Where windows lie. Every method raises LedgerUnavailable."""

    def add(self, window: Window, entry: Entry) -> Added:
        """Add an entry, once: to add it again, even when the window has closed, tells that it lies there."""
        ...

    def scheduled(self, window: Window) -> None:
        """Note that the window's end is scheduled."""
        ...

    def close(self, window_id: str) -> tuple[Window, Sequence[Entry]] | None:
        """Let no more in, and return what was gathered; None where there is no such window."""
        ...


class Later(Protocol):
    """The queue, where an event waits until it is due. Raises QueueUnavailable."""

    def park(self, event: Event, attempt: int, due: float) -> None:
        """Queue an event, not to be seen before a moment (seconds since the epoch)."""
        ...


@dataclass(frozen=True, slots=True)
class Gatherer:
    """Gathers pushes into windows, and makes of a window that ends the one push that it becomes."""

    digests: Digests
    sender: Sender
    queue: Later

    def gather(self, event: Event, push: Push, time_left: TimeLeft) -> Receipt:
        """Put an event's push into its window. Never raises: an exception is the push's outcome."""
        if settled := self.sender.claim(event, push, time_left):
            return settled
        entry = Entry(push.key, event.source, event.id, event.correlation_id, push.message)
        try:
            self._put(push, entry)
            self.sender.ledger.settle(push.key, GATHERED)
        except Exception as exc:  # noqa: BLE001 (nothing is swallowed: it is the push's outcome)
            return self.sender.recorded(push, failure(event, exc, push))
        detail = "gathered with others to the same recipient"
        return replace(Receipt.of(event, Outcome.PARKED, detail=detail), error_code=GATHERED, push=push)

    def _put(self, push: Push, entry: Entry) -> None:
        """Put an entry into the window that the ledger notes for it, else into the first that takes it."""
        now = self.sender.clock.now
        window = self._noted(push, window_of(push, now()))
        for _ in range(TRIES):
            added = self.digests.add(window, entry)
            if added is Added.UNSCHEDULED:
                # In this order, so that a worker that dies in between leaves a second event, and not none.
                self.queue.park(closing_event(window), 1, window.due)
                self.digests.scheduled(window)
            if added in (Added.SCHEDULED, Added.UNSCHEDULED):
                return
            # By this worker's clock the closed one may last a while yet: the next begins when it is due.
            other = overflow(window) if added is Added.FULL else window_of(push, max(now(), window.due))
            window = self._noted(push, other, anew=True)
        raise LedgerUnavailable("no window of the digest has taken the push")

    def _noted(self, push: Push, window: Window, *, anew: bool = False) -> Window:
        """Note the window that a push goes into before it lies there; return the one that it is bound to."""
        noted = self.sender.ledger.remember(push.key, f"{window.due!r} {window.id}", anew=anew)
        due, _, name = noted.partition(" ")
        return replace(window, id=name, due=float(due))

    def closed(self, event: Event, account: Account) -> tuple[Push, Sequence[Entry]] | None:
        """Return the push that a window becomes, and what it stands for; None where nothing was gathered."""
        found = self.digests.close(str(event.data.get("window")))
        if found is None or not found[1]:
            return None
        window, entries = found
        message = summary(entries)
        body = cut(message.body, account.body_limit)
        push = Push(window.recipient, replace(message, body=body), event.identity, high=window.high)
        return replace(push, max_age=account.max_age), entries


def window_of(push: Push, now: float) -> Window:
    """Return the window that a push falls into."""
    seconds = push.digest or 1.0
    number = math.floor(now / seconds)
    parts = (push.recipient.kind, push.recipient.value, str(seconds), str(number), str(push.high))
    return Window(
        digest("\0".join(parts).encode("utf-8", "surrogatepass")),
        push.recipient,
        (number + 1) * seconds,
        push.high,
    )


def overflow(window: Window) -> Window:
    """Return the window of the same stretch of time that goes on where a full one has no room."""
    return replace(window, id=digest(window.id.encode()))


def closing_event(window: Window) -> Event:
    """Return the event that is due when a window ends."""
    return Event(
        source=SOURCE,
        id=window.id[:32],
        type=SOURCE,
        data={"window": window.id},
        received_at=window.due,
        identity=window.id,
    )


def summary(entries: Sequence[Entry]) -> Message:
    """Write the one message of several: a lone one as it is, else their titles, each once with its number."""
    messages = [entry.message for entry in entries]
    if len(messages) == 1:
        return messages[0]
    titles = Counter(message.title for message in messages)
    expiries = [message.expiry_secs for message in messages if message.expiry_secs is not None]
    return Message(
        title=f"{len(messages)} new alerts",
        body="\n".join(title if count == 1 else f"{count} \u00d7 {title}" for title, count in titles.items()),
        sound=True if any(message.sound for message in messages) else None,
        expiry_secs=max(expiries) if len(expiries) == len(messages) else None,
    )


def unfold(receipt: Receipt, entries: Sequence[Entry]) -> list[Receipt]:
    """Return each gathered push's receipt of the digest's end; one that waits goes on waiting as one."""
    if receipt.outcome is Outcome.PARKED:
        return [receipt]
    return [
        replace(
            receipt,
            source=entry.source,
            event_id=entry.event_id,
            correlation_id=entry.correlation_id,
            latency_ms=receipt.latency_ms if entry is entries[0] else None,
        )
        for entry in entries
    ]
