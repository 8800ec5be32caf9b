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
from push_relay.core.clock import Clock, TimeLeft
from push_relay.core.delivery.ledger import Ledger
from push_relay.core.delivery.sender import Sender
from push_relay.core.errors import LedgerUnavailable, VendorRejected
from push_relay.core.event import Event, sha256_hex
from push_relay.core.graphemes import ELLIPSIS
from push_relay.core.outcomes import Outcome
from push_relay.core.phone_text import clean_line, fit
from push_relay.core.push import BATCHED, DEFAULT_ACCOUNT, Push, Receipt, Recipient, Wording

#: The source of the relay's own events; no folder can have this name.
SOURCE = ".digest"
#: Segments that are tried before a push is parked: full, or closed by a faster clock.
TRIES = 20
#: Pushes of a refused digest that are tried before the others. If the vendor refuses all of them, it may be
#: the recipient that it refuses, and each of the others would cost a call for nothing.
TRIALS = 3
#: Characters that a gathered push may have: a title is what a digest shows of it.
LONGEST = 10_000


@dataclass(frozen=True, slots=True)
class BatchedPush:
    """One gathered push: what it says, and whose it is.

    expires  seconds since the epoch from which on it is not worth sending; None: it always is
    """

    key: str
    source: str
    event_id: str
    correlation_id: str
    wording: Wording
    expires: float | None = None


@dataclass(frozen=True, slots=True)
class BatchPush(Push):
    """The push that a window becomes, with what it speaks of, and what came too late for it."""

    entries: tuple[BatchedPush, ...] = ()
    expired: tuple[BatchedPush, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SinglePush(Push):
    """A gathered push that is sent alone, because the vendor refused its digest."""

    entry: BatchedPush


@dataclass(frozen=True, slots=True)
class Window:
    """A stretch of time in which one recipient's pushes are gathered.

    due      seconds since the epoch
    segment  the part of it that a push is put into; they end together, and become one digest
    """

    id: str
    recipient: Recipient
    due: float
    high: bool = False
    segment: int = 0


class Added(StrEnum):
    """What became of an entry that was added to a window."""

    SCHEDULED = "scheduled"  # it lies there, and the window's end is scheduled
    UNSCHEDULED = "unscheduled"  # it lies there, and the window's end is not scheduled yet
    CLOSED = "closed"  # the window has closed without it
    FULL = "full"  # the segment has no room for it, and never will


class BatchStore(Protocol):
    """Where windows are kept. Every method that needs the store raises LedgerUnavailable."""

    def latest(self, window: Window) -> Window:
        """Return where a window's next push is tried first, as far as this worker knows. No I/O."""
        ...

    def further(self, window: Window) -> Window:
        """Return where a push goes for which a segment has no room, maybe in another window. No I/O."""
        ...

    def add(self, window: Window, entry: BatchedPush) -> Added:
        """Add an entry to a segment, once. Adding it again returns that it lies there, even after the end."""
        ...

    def scheduled(self, window: Window) -> None:
        """Note that the window's end is scheduled."""
        ...

    def close(self, window_id: str) -> tuple[Window, Sequence[BatchedPush]] | None:
        """Let no more in, and return what was gathered; None where there is no such window."""
        ...


class Scheduler(Protocol):
    """The queue, where an event waits until it is due. Raises QueueUnavailable."""

    def requeue(self, event: Event, attempt: int, due: float, error_code: str) -> None:
        """Queue an event, not to be seen before a moment (seconds since the epoch), with why it waits."""
        ...


@dataclass(frozen=True, slots=True)
class Batcher:
    """Gathers pushes into windows, and makes of a window that ends the one push that it becomes."""

    store: BatchStore
    ledger: Ledger
    sender: Sender
    queue: Scheduler
    clock: Clock

    def add(self, event: Event, push: Push, time_left: TimeLeft) -> Receipt:
        """Put an event's push into its window. Never raises: an exception is the push's outcome."""
        if settled := self.sender.claim(event, push, time_left):
            return settled
        expires = None if push.max_age is None else event.received_at + push.max_age
        entry = BatchedPush(push.key, event.source, event.id, event.correlation_id, push.wording, expires)
        try:
            self._put(push, entry)
            self.ledger.settle(push.key, BATCHED)
        except Exception as exc:  # noqa: BLE001 (nothing is swallowed: it is the push's outcome)
            return self.sender.recorded(push, Receipt.of_error(event, exc, push))
        detail = "gathered with others to the same recipient"
        return replace(Receipt.of(event, Outcome.PARKED, detail=detail), error_code=BATCHED, push=push)

    def _put(self, push: Push, entry: BatchedPush) -> None:
        """Put an entry into the window that the ledger notes for it, else into the first that takes it."""
        now = self.clock.now
        window = self._noted(push, self.store.latest(window_of(push, now())))
        for _ in range(TRIES):
            added = self.store.add(window, entry)
            if added is Added.UNSCHEDULED:
                # In this order, so that a worker that dies in between leaves a second event, and not none.
                self.queue.requeue(closing_event(window), 1, window.due, BATCHED)
                self.store.scheduled(window)
            if added in (Added.SCHEDULED, Added.UNSCHEDULED):
                return
            # By this worker's clock the closed one may last a while yet: the next begins when it is due.
            next_one = window_of(push, max(now(), window.due))
            other = self.store.further(window) if added is Added.FULL else self.store.latest(next_one)
            window = self._noted(push, other, overwrite=True)
        raise LedgerUnavailable("no window of the digest has taken the push")

    def _noted(self, push: Push, window: Window, *, overwrite: bool = False) -> Window:
        """Note the window that a push goes into before it lies there; return the one that it is bound to."""
        segment = f"#{window.segment}" if window.segment else ""
        noted = self.ledger.note_window(push.key, f"{window.due!r} {window.id}{segment}", overwrite=overwrite)
        due, _, name = noted.partition(" ")
        window_id, _, number = name.partition("#")
        return replace(window, id=window_id, due=float(due), segment=int(number or 0))

    def end(self, event: Event, account: Account) -> list[Push | Receipt]:
        """Write the push that a window becomes; receipts instead where it becomes none. Never raises.

        If the event waited or failed for pushes of a refused digest, those are written instead.
        """
        try:
            found = self.store.close(str(event.data.get("window")))
            if found is None or not found[1]:
                return [Receipt.of(event, Outcome.FILTERED, detail="nothing was gathered")]
            push = _written(event, *found, self.clock.now(), account)
        except Exception as exc:  # noqa: BLE001 (nothing is swallowed: it is the event's outcome)
            return [Receipt.of_error(event, exc)]
        if is_for_single_pushes(event):
            return [*_single_pushes(event, push)]
        return [push] if push.entries else [*_left_out(push)]


def window_of(push: Push, now: float) -> Window:
    """Return the window that a push falls into."""
    seconds = push.batch_secs or 1.0
    number = math.floor(now / seconds)
    parts = (push.recipient.kind, push.recipient.value, str(seconds), str(number), str(push.high))
    return Window(
        sha256_hex("\0".join(parts).encode("utf-8", "surrogatepass")),
        push.recipient,
        (number + 1) * seconds,
        push.high,
    )


def overflow(window: Window) -> Window:
    """Return the window of the same stretch of time that goes on where a full one has no room."""
    return replace(window, id=sha256_hex(window.id.encode()), segment=0)


def account_of(event: Event) -> str:
    """Return the account of the window whose end an event is."""
    return str(event.data.get("account", DEFAULT_ACCOUNT))


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


def can_be_batched(wording: Wording) -> bool:
    """Tell whether a digest may gather a message: one that is too long goes by itself."""
    return len(wording.title) + len(wording.body) <= LONGEST


def _written(
    event: Event, window: Window, entries: Sequence[BatchedPush], now: float, account: Account
) -> BatchPush:
    # Each time anew: a digest that has waited for a day speaks of less than it would have at first.
    fresh = tuple(entry for entry in entries if now <= (entry.expires or math.inf))
    expired = tuple(entry for entry in entries if now > (entry.expires or math.inf))
    return BatchPush(
        window.recipient,
        fit(summary(fresh or expired), account.title_limit, account.body_limit),
        event.identity,
        high=window.high,
        sources=tuple(sorted({entry.source for entry in fresh})),
        entries=fresh,
        expired=expired,
    )


def summary(entries: Sequence[BatchedPush]) -> Wording:
    """Write the one message of several: a lone one as it is, else their titles, each once with its number."""
    wordings = [entry.wording for entry in entries]
    if len(wordings) == 1:
        return wordings[0]
    # The version before has gathered titles as they came.
    titles = Counter(clean_line(wording.title) or ELLIPSIS for wording in wordings)
    expiries = [wording.expiry_secs for wording in wordings if wording.expiry_secs is not None]
    return Wording(
        title=f"{len(wordings)} new alerts",
        body="\n".join(title if count == 1 else f"{count} \u00d7 {title}" for title, count in titles.items()),
        sound=True if any(wording.sound for wording in wordings) else None,
        expiry_secs=max(expiries) if len(expiries) == len(wordings) else None,
    )


def split_refused_batch(event: Event, receipt: Receipt) -> list[SinglePush]:
    """Return the pushes of a digest that the vendor refused: each is sent alone. Empty for any other receipt.

    A call of unknown fate is no refusal: the vendor may have shown the digest.
    """
    push = receipt.push
    if not isinstance(push, BatchPush) or receipt.error_code != VendorRejected.code or len(push.entries) == 1:
        return []
    return _single_pushes(event, push)


def notice(event: Event, pushes: Sequence[SinglePush]) -> Push:
    """Return a push in the relay's own words to the recipient of a refused digest, one for each digest."""
    first = pushes[0]
    return Push(
        first.recipient,
        Wording(
            "Alerts one by one", f"A summary of {len(pushes)} alerts was refused. They follow one by one."
        ),
        sha256_hex(f"{event.identity}\0".encode()),
        high=first.high,
        sources=tuple(sorted({source for push in pushes for source in push.sources})),
    )


def is_for_single_pushes(event: Event) -> bool:
    """Tell whether a window's event is for pushes of its refused digest, and not for the digest itself."""
    return bool(event.only) and event.identity not in event.only


def _single_pushes(event: Event, push: BatchPush) -> list[SinglePush]:
    """Return a digest's pushes that an event is for. Those that are too old expire when they are tried."""
    entries = [*push.entries, *push.expired]
    keys = [sha256_hex(f"{event.identity}\0{entry.key}".encode()) for entry in entries]
    wanted = set(event.only) if is_for_single_pushes(event) else set(keys)
    return [
        SinglePush(
            push.recipient,
            entry.wording,
            key,
            high=push.high,
            max_age=None if entry.expires is None else entry.expires - event.received_at,
            sources=(entry.source,),
            entry=entry,
        )
        for key, entry in zip(keys, entries, strict=True)
        if key in wanted
    ]


def receipts_of_batch(receipt: Receipt) -> list[Receipt]:
    """Return each gathered push's receipt of the digest's end; one that waits goes on waiting as one.

    The receipt of any other push is its own.
    """
    push = receipt.push
    if isinstance(push, SinglePush):
        detail = receipt.detail or "sent alone, because the vendor refused the digest"
        return [replace(_about(push.entry, receipt), detail=detail)]
    if not isinstance(push, BatchPush) or receipt.outcome is Outcome.PARKED:
        return [receipt]
    first, *others = [_about(entry, receipt) for entry in push.entries]
    return [first, *(replace(other, latency_ms=None) for other in others), *_left_out(push)]


def _about(entry: BatchedPush, receipt: Receipt) -> Receipt:
    return replace(receipt, source=entry.source, event_id=entry.event_id, correlation_id=entry.correlation_id)


def _left_out(push: BatchPush) -> list[Receipt]:
    """Make the receipts of what came too late for a digest: of its key, in words of their own."""
    return [
        Receipt(
            entry.source,
            entry.event_id,
            Outcome.EXPIRED,
            entry.correlation_id,
            push=replace(push, wording=entry.wording),
        )
        for entry in push.expired
    ]
