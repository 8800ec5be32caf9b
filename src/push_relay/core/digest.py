"""Digests: what a route gathers for one recipient in a while becomes one push: a storm costs one call.

A window is a stretch of time of one recipient's. The first push that comes in it opens it and schedules an
event of the relay's own, due when it ends; that event is delivered like any other, and then every gathered
push has its receipt. Each step can be repeated: a worker that dies on the way loses nothing.
"""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from push_relay.core.account import Account
from push_relay.core.event import Event, digest
from push_relay.core.graphemes import cut
from push_relay.core.outcomes import Outcome
from push_relay.core.push import GATHERED, Message, Push, Receipt, Recipient
from push_relay.core.sender import Sender, TimeLeft, failure

#: The source of the relay's own events; no folder can have this name.
SOURCE = ".digest"


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


class Digests(Protocol):
    """Where windows lie. Every method raises LedgerUnavailable."""

    def add(self, window: Window, entry: Entry) -> bool | None:
        """Add an entry, once; tell whether the window's end is scheduled, None where it is closed."""
        ...

    def scheduled(self, window: Window) -> None:
        """Note that the window's end is scheduled."""
        ...

    def close(self, window_id: str) -> tuple[Window, Sequence[Entry]] | None:
        """Let no more in, and return what was gathered; None where there is no such window."""
        ...


class Later(Protocol):
    """The queue, where an event waits until it is due. Raises QueueUnavailable."""

    def park(self, event: Event, attempt: int, due: float, error_code: str) -> None:
        """Queue an event, not to be seen before a moment (seconds since the epoch), with why it waits."""
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
        seconds = push.digest or 0.0
        now = self.sender.clock.now()
        window = window_of(push, seconds, now)
        scheduled = self.digests.add(window, entry)
        if scheduled is None:
            # It has just been closed: the next one.
            window = window_of(push, seconds, now + seconds)
            scheduled = self.digests.add(window, entry)
        if not scheduled:
            # In this order, so that a worker that dies in between leaves a second event, and not none.
            self.queue.park(closing_event(window), 1, window.due, GATHERED)
            self.digests.scheduled(window)

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


def window_of(push: Push, seconds: float, now: float) -> Window:
    """Return the window that a push falls into."""
    number = math.floor(now / seconds)
    parts = (push.recipient.kind, push.recipient.value, str(seconds), str(number), str(push.high))
    return Window(
        digest("\0".join(parts).encode("utf-8", "surrogatepass")),
        push.recipient,
        (number + 1) * seconds,
        push.high,
    )


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
