"""Batch windows: pushes to one recipient in a time become one push, so that a storm costs one call.

The first push of a window opens it, and schedules an event of the relay's own that is due when the window
ends. That event is delivered like any other, and then every batched push has its receipt. Each step can be
repeated, so a worker that dies loses nothing.

A push is in at most one window, however often workers add it: the ledger notes the window before the push is
stored there, and notes another one only if the first has closed, or is full, without it.
"""

import math
from collections import Counter
from collections.abc import Sequence
from enum import StrEnum
from typing import Protocol

from push_relay.core.account import Account
from push_relay.core.clock import Clock, TimeLeft
from push_relay.core.delivery.ledger import Ledger
from push_relay.core.delivery.sender import Sender
from push_relay.core.delivery.wake_up import SOURCE
from push_relay.core.errors import LedgerUnavailable, VendorRejected
from push_relay.core.event import Event, sha256_hex
from push_relay.core.graphemes import ELLIPSIS
from push_relay.core.outcomes import Outcome
from push_relay.core.phone_text import clean_line, fit
from push_relay.core.push import BATCHED, DEFAULT_ACCOUNT, Push, Receipt, Recipient, Wording, of_account
from push_relay.core.quick_dataclass import dataclass, replace

#: Segments that are tried before a push is parked. They can be full, or closed by a faster clock.
MAX_TRIES = 20
#: Pushes of a refused batch push that are tried before the others. If the vendor refuses all of them, it may
#: refuse the recipient, and each of the others would waste a call.
TRIALS = 3
#: Characters that a batched push may have. The batch push shows only its title.
MAX_CHARS = 10_000


@dataclass(frozen=True, slots=True)
class BatchedPush:
    """One push in a batch window.

    expires  seconds since the epoch after which it is not worth sending; None: it always is
    """

    key: str
    source: str
    event_id: str
    correlation_id: str
    wording: Wording
    expires: float | None = None


@dataclass(frozen=True, slots=True)
class BatchPush(Push):
    """The push that a window becomes, with the pushes that it reports and those that are too old."""

    entries: tuple[BatchedPush, ...] = ()
    expired: tuple[BatchedPush, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SinglePush(Push):
    """A batched push that is sent alone, because the vendor refused the batch push."""

    entry: BatchedPush


@dataclass(frozen=True, slots=True)
class Window:
    """A time in which one recipient's pushes are collected.

    due      seconds since the epoch
    segment  the part that stores a push; all parts end together, and become one batch push
    """

    id: str
    recipient: Recipient
    due: float
    high: bool = False
    segment: int = 0
    account: str = DEFAULT_ACCOUNT


class Added(StrEnum):
    """The result of adding a push to a window."""

    SCHEDULED = "scheduled"  # it is stored, and the window's end is scheduled
    UNSCHEDULED = "unscheduled"  # it is stored, and the window's end is not scheduled yet
    CLOSED = "closed"  # the window has closed without it
    FULL = "full"  # the segment never has room for it


class BatchStore(Protocol):
    """The store of windows. Every method that does I/O raises LedgerUnavailable."""

    def latest(self, window: Window) -> Window:
        """Return the segment to try first for a window's next push, as far as this worker knows. No I/O."""
        ...

    def further(self, window: Window) -> Window:
        """Return the segment to try after a full one, perhaps in another window. No I/O."""
        ...

    def add(self, window: Window, entry: BatchedPush) -> Added:
        """Add a push to a segment, once. If it is stored there already, return that, even after the end."""
        ...

    def scheduled(self, window: Window) -> None:
        """Note that the window's end is scheduled."""
        ...

    def close(self, window_id: str) -> tuple[Window, Sequence[BatchedPush]] | None:
        """Close a window and return its pushes; None if there is no such window."""
        ...


class Scheduler(Protocol):
    """Keeps an event until it is due. Raises LedgerUnavailable, QueueUnavailable."""

    def schedule(self, window: Window, event: Event) -> None:
        """Keep the event that is due when a window ends."""
        ...


@dataclass(frozen=True, slots=True)
class Batcher:
    """Adds pushes to batch windows, and writes the one push of a window that ends."""

    store: BatchStore
    ledger: Ledger
    sender: Sender
    scheduler: Scheduler
    clock: Clock

    def add(self, event: Event, push: Push, time_left: TimeLeft) -> Receipt:
        """Put an event's push into its window. Never raises: an exception is the push's outcome."""
        if settled := self.sender.claim(event, push, time_left):
            return settled
        expires = None if push.max_age is None else event.received_at + push.max_age
        entry = BatchedPush(push.key, event.source, event.id, event.correlation_id, push.wording, expires)
        try:
            due = self._put(push, entry)
            self.ledger.settle(push.key, BATCHED)
        except Exception as exc:  # noqa: BLE001 (nothing is swallowed: it is the push's outcome)
            return self.sender.recorded(push, Receipt.of_error(event, exc, push))
        detail = "in a batch window with others to the same recipient"
        receipt = Receipt.of(event, Outcome.PARKED, detail=detail)
        return replace(receipt, error_code=BATCHED, push=push, due=due)

    def _put(self, push: Push, entry: BatchedPush) -> float:
        """Add a push to the window that the ledger notes for it, else to the first that accepts it.

        Returns when the window ends, in seconds since the epoch.
        """
        now = self.clock.now
        window = self._noted(push, self.store.latest(window_of(push, now())))
        for _ in range(MAX_TRIES):
            added = self.store.add(window, entry)
            if added is Added.UNSCHEDULED:
                # In this order, a worker that dies in between leaves a second event instead of none.
                self.scheduler.schedule(window, closing_event(window))
                self.store.scheduled(window)
            if added in (Added.SCHEDULED, Added.UNSCHEDULED):
                return window.due
            # By this worker's clock the closed window is perhaps still open. The next one begins at its end.
            next_one = window_of(push, max(now(), window.due))
            other = self.store.further(window) if added is Added.FULL else self.store.latest(next_one)
            window = self._noted(push, other, overwrite=True)
        raise LedgerUnavailable("no batch window has accepted the push")

    def _noted(self, push: Push, window: Window, *, overwrite: bool = False) -> Window:
        """Note a push's window before the push is stored there; return the window that is noted."""
        segment = f"#{window.segment}" if window.segment else ""
        noted = self.ledger.note_window(push.key, f"{window.due!r} {window.id}{segment}", overwrite=overwrite)
        due, _, name = noted.partition(" ")
        window_id, _, number = name.partition("#")
        return replace(window, id=window_id, due=float(due), segment=int(number or 0))

    def end(self, event: Event, account: Account) -> list[Push | Receipt]:
        """Write the push that a window becomes, or receipts if it becomes none. Never raises.

        If the event waited or failed for pushes of a refused batch push, those are written instead.
        """
        try:
            found = self.store.close(str(event.data.get("window")))
            if found is None or not found[1]:
                return [Receipt.of(event, Outcome.FILTERED, detail="the batch window is empty")]
            push = _written(event, *found, self.clock.now(), account)
        except Exception as exc:  # noqa: BLE001 (nothing is swallowed: it is the event's outcome)
            return [Receipt.of_error(event, exc)]
        if is_for_single_pushes(event):
            return [*_single_pushes(event, push)]
        return [push] if push.entries else [*_left_out(push)]


def window_of(push: Push, now: float) -> Window:
    """Return the window of a push that is added now (seconds since the epoch)."""
    seconds = push.batch_secs or 1.0
    number = math.floor(now / seconds)
    parts = (push.recipient.kind, push.recipient.value, str(seconds), str(number), str(push.high))
    name = sha256_hex("\0".join(parts).encode("utf-8", "surrogatepass"))
    return Window(
        of_account(name, push.account),
        push.recipient,
        (number + 1) * seconds,
        push.high,
        account=push.account,
    )


def overflow(window: Window) -> Window:
    """Return the window that continues a full one, in the same time."""
    return replace(window, id=sha256_hex(window.id.encode()), segment=0)


def account_of(event: Event) -> str:
    """Return the account of the window that ends with an event."""
    return str(event.data.get("account", DEFAULT_ACCOUNT))


def closing_event(window: Window) -> Event:
    """Return the event that is due when a window ends."""
    return Event(
        source=SOURCE,
        id=window.id[:32],
        type=SOURCE,
        # Without the default account, as the version before writes and reads it.
        data={"window": window.id}
        | ({} if window.account == DEFAULT_ACCOUNT else {"account": window.account}),
        received_at=window.due,
        identity=window.id,
    )


def can_be_batched(wording: Wording) -> bool:
    """Return whether a batch window accepts a wording. One that is too long is sent alone."""
    return len(wording.title) + len(wording.body) <= MAX_CHARS


def _written(
    event: Event, window: Window, entries: Sequence[BatchedPush], now: float, account: Account
) -> BatchPush:
    # At each attempt, because pushes expire while the batch push waits.
    fresh = tuple(entry for entry in entries if now <= (entry.expires or math.inf))
    expired = tuple(entry for entry in entries if now > (entry.expires or math.inf))
    return BatchPush(
        window.recipient,
        fit(summary(fresh or expired), account.title_limit, account.body_limit),
        event.identity,
        high=window.high,
        account=account_of(event),
        sources=tuple(sorted({entry.source for entry in fresh})),
        entries=fresh,
        expired=expired,
    )


def summary(entries: Sequence[BatchedPush]) -> Wording:
    """Write one wording for several: a single one unchanged, else their titles, each once with its number."""
    wordings = [entry.wording for entry in entries]
    if len(wordings) == 1:
        return wordings[0]
    # The version before stored titles that were not cleaned.
    titles = Counter(clean_line(wording.title) or ELLIPSIS for wording in wordings)
    expiries = [wording.expiry_secs for wording in wordings if wording.expiry_secs is not None]
    return Wording(
        title=f"{len(wordings)} new alerts",
        body="\n".join(title if count == 1 else f"{count} \u00d7 {title}" for title, count in titles.items()),
        sound=True if any(wording.sound for wording in wordings) else None,
        expiry_secs=max(expiries) if len(expiries) == len(wordings) else None,
    )


def split_refused_batch(event: Event, receipt: Receipt) -> list[SinglePush]:
    """Return the pushes of a batch push that the vendor refused. Empty for any other receipt.

    Each is sent alone. A call of unknown fate is not a refusal, because the vendor may have shown the push.
    """
    push = receipt.push
    if not isinstance(push, BatchPush) or receipt.error_code != VendorRejected.code or len(push.entries) == 1:
        return []
    return _single_pushes(event, push)


def notice(event: Event, pushes: Sequence[SinglePush]) -> Push:
    """Return a push in the relay's own words to the recipient of a refused batch push."""
    first = pushes[0]
    return Push(
        first.recipient,
        Wording(
            "Alerts one by one", f"A summary of {len(pushes)} alerts was refused. They follow one by one."
        ),
        sha256_hex(f"{event.identity}\0".encode()),
        high=first.high,
        account=first.account,
        sources=tuple(sorted({source for push in pushes for source in push.sources})),
    )


def is_for_single_pushes(event: Event) -> bool:
    """Return whether a window's event is for the pushes of a refused batch push, and not for that itself."""
    return bool(event.only) and event.identity not in event.only


def _single_pushes(event: Event, push: BatchPush) -> list[SinglePush]:
    """Return a batch push's pushes that an event is for. Those that are too old expire at their attempt."""
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
            account=push.account,
            sources=(entry.source,),
            entry=entry,
        )
        for key, entry in zip(keys, entries, strict=True)
        if key in wanted
    ]


def receipts_of_batch(receipt: Receipt) -> list[Receipt]:
    """Return the receipt of each push of a batch push that has ended.

    A parked batch push keeps its one receipt. The receipt of any other push is returned unchanged.
    """
    push = receipt.push
    if isinstance(push, SinglePush):
        detail = receipt.detail or "sent alone, because the vendor refused the batch push"
        return [replace(_about(push.entry, receipt), detail=detail)]
    if not isinstance(push, BatchPush) or receipt.outcome is Outcome.PARKED:
        return [receipt]
    first, *others = [_about(entry, receipt) for entry in push.entries]
    return [first, *(replace(other, latency_ms=None) for other in others), *_left_out(push)]


def _about(entry: BatchedPush, receipt: Receipt) -> Receipt:
    return replace(receipt, source=entry.source, event_id=entry.event_id, correlation_id=entry.correlation_id)


def _left_out(push: BatchPush) -> list[Receipt]:
    """Make the receipts of the pushes that were too old for a batch push. They have its key."""
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
