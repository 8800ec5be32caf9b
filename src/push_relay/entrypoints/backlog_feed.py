"""The due events of an account's backlog, as pushes for a run; and their ends.

An event stays in the backlog until all its pushes have ended, so a worker that dies loses nothing.

If the worker before died while it drained, one of its events may have killed it. Then the first events are
handled one by one, each after its try was counted, and an event with too many tries is dead-lettered. So no
event is dead-lettered for its neighbour's crash.
"""

from collections.abc import Sequence
from threading import Lock

from push_relay.core.clock import Clock
from push_relay.core.delivery.backlog import Backlog, Shelf, Unreadable, Waiting, place
from push_relay.core.delivery.lane import Lane
from push_relay.core.delivery.permit_ports import LanePermits
from push_relay.core.delivery.run import LOOK_SECS
from push_relay.core.delivery.run_parts import AHEAD, RunEnd, Task
from push_relay.core.errors import (
    BudgetExhausted,
    ConnectionsBusy,
    Crashed,
    CredentialsUnavailable,
    LedgerUnavailable,
    OutOfTime,
    QuotaExhausted,
    RelayError,
    UnknownAccount,
)
from push_relay.core.outcomes import Disposition
from push_relay.core.push import Push, Receipt
from push_relay.core.queue_format import EVENT_ATTRIBUTE
from push_relay.core.quick_dataclass import dataclass
from push_relay.core.relay import Relay
from push_relay.entrypoints.ending import Ending
from push_relay.entrypoints.queue_record import MAX_CRASHES, QueueRecord
from push_relay.telemetry import Telemetry

#: Codes of pushes that wait for something that all others need too.
_STOPS_ALL = frozenset(
    error.code for error in (ConnectionsBusy, CredentialsUnavailable, LedgerUnavailable, OutOfTime)
)
#: Events among which one is chosen that is handled alone: the one with the fewest tries. A long outage costs
#: hundreds of probes, which have to be of different events.
_CHOICE, _PROBE_CHOICE = 50, 250


@dataclass(slots=True)
class _Taken:
    """An event that is being handled, the receipts of its pushes so far, and how many are left."""

    waiting: Waiting
    receipts: list[Receipt]
    left: int


@dataclass(frozen=True, slots=True)
class FeedParts:
    """The parts of the function that a feed uses."""

    relay: Relay
    backlog: Backlog
    ending: Ending
    telemetry: Telemetry
    clock: Clock


class BacklogFeed:
    """The feed of one account. `end`: how its runs have ended."""

    def __init__(self, parts: FeedParts, account: str) -> None:
        self._parts = parts
        self._account = account
        self._lane = parts.relay.lanes.get(account)
        self._lock = Lock()
        self._shelves: Sequence[Shelf] | None = None
        self._shelves_at = 0.0
        self._is_after_crash = False
        self._open: dict[Shelf, bool] = {}
        self._taken: dict[int, _Taken] = {}
        self._seen: dict[Shelf, set[str]] = {}  # places that this feed has taken and not removed
        self._finished: list[Waiting | Unreadable] = []
        self._moved: list[Waiting] = []  # those that wait elsewhere now
        self._count = self._counted = 0  # events taken: until now, before the last run
        self._is_empty = False  # whether the last look at the open shelves has found nothing
        self.end = RunEnd()

    # --- taking -----------------------------------------------------------------------------------------

    def take(self, count: int, *, urgent: bool = False) -> Sequence[Task]:
        """Return the pushes of the next events: urgent ones first, then in order of due time and arrival."""
        tasks: list[Task] = []
        self._is_empty = False
        try:
            self.flush()
            shelves = self._open_shelves(urgent=urgent)
            self._is_after_crash |= self._permits.follows_crash
            # A probe is chosen among all, so that an urgent push that cannot be sent is not every probe.
            for step in [shelves] if self._permits.is_stopped else [[shelf] for shelf in shelves]:
                while len(tasks) < count and (found := self._next(step, count - len(tasks))):
                    for each in found:
                        tasks += self._tasks(each)
            self._is_empty = not tasks and not self._taken
        except RelayError as exc:
            # Those that were taken are sent nevertheless.
            self._trouble("the backlog was not read", exc)
        return tasks

    def goes_on(self) -> bool:
        """Return whether events are due that could not be taken, because others had not ended.

        If the last run has taken none, there is no other run, so that the runs end.
        """
        is_new, self._counted = self._count > self._counted, self._count
        try:
            self.flush()
            return is_new and any(self._fresh(shelf, 1) for shelf in self._open_shelves(urgent=False))
        except RelayError as exc:
            self._trouble("the backlog was not read", exc)
            return False

    def _open_shelves(self, *, urgent: bool) -> list[Shelf]:
        now = self._parts.clock.monotonic()
        if self._shelves is None or now - self._shelves_at >= LOOK_SECS:
            # Another worker may have begun a shelf meanwhile.
            shelves = self._parts.backlog.shelves()
            self._shelves = [shelf for shelf in shelves if shelf.account == self._account]
            self._shelves_at = now
        shelves = [shelf for shelf in self._shelves if shelf.high or not urgent]
        for shelf in shelves:
            if shelf not in self._open:
                self._open[shelf] = self.is_open(shelf)
        return [shelf for shelf in shelves if self._open[shelf]]

    def _next(self, shelves: Sequence[Shelf], count: int) -> Sequence[Waiting | Unreadable]:
        """Return the next events of shelves that this feed has not taken yet."""
        is_careful = self._is_careful
        if is_careful and self._taken:
            return []
        is_choosy = is_careful or self._permits.is_stopped
        wanted = _PROBE_CHOICE if self._permits.is_stopped else _CHOICE if is_careful else count
        found = [each for shelf in shelves if self._open[shelf] for each in self._fresh(shelf, wanted)]
        if is_choosy and found:
            # One push that cannot be sent must not be every probe, nor stop all others with each crash.
            found = [min(found, key=_tries)]
        for each in found:
            self._seen[each.shelf].add(each.position)
        if is_careful and found and not self._survives(found[0]):
            return self._next(shelves, count)
        return found

    def _fresh(self, shelf: Shelf, count: int) -> Sequence[Waiting | Unreadable]:
        """Return the first due events of a shelf that this feed has not taken yet."""
        seen = self._seen.setdefault(shelf, set())
        fresh: list[Waiting | Unreadable] = []
        now, after = self._parts.clock.now(), ""
        while len(fresh) < count and (page := self._parts.backlog.due(shelf, count, now, after)):
            # Events that are being handled stay in the backlog, so the first ones may all have been taken.
            fresh += [each for each in page if each.position not in seen]
            after = page[-1].position
        return fresh[:count]

    @property
    def _known_lane(self) -> Lane:
        if self._lane is None:
            raise UnknownAccount("relay.toml no longer has this account")
        return self._lane

    @property
    def _permits(self) -> LanePermits:
        return self._known_lane.permits

    def is_open(self, shelf: Shelf) -> bool:
        """Return whether the account permits a call for the events of a shelf. Raises LedgerUnavailable."""
        credentials = self._known_lane.sender.credentials.refreshed
        return self._permits.is_open(credentials, high=shelf.high, source=shelf.source)

    @property
    def _is_careful(self) -> bool:
        """Whether one of the next events may have killed the worker before."""
        return (
            self._lane is not None
            and self._is_after_crash
            and self._count < 2 * AHEAD * self._lane.account.connections
        )

    @property
    def holds_back(self) -> bool:
        """Whether it returns the next event when the one that is being handled has ended."""
        return bool(self._taken) and self._is_careful

    @property
    def has_survived(self) -> bool:
        """Whether it has handled alone all events that may have killed the worker before."""
        return not self._is_careful or (self._is_empty and all(self._open.values()))

    def _survives(self, each: Waiting | Unreadable) -> bool:
        """Count a try of an event that may have killed the worker before; dead-letter it after too many."""
        if isinstance(each, Unreadable):
            return True
        if each.tries < MAX_CRASHES:
            self._parts.backlog.tried(each)
            return True
        error = Crashed(f"the function had the event {each.tries} times and did not finish it")
        self._finish(_Taken(each, [Receipt.of_error(each.event, error)], 0))
        return False

    def _tasks(self, each: Waiting | Unreadable) -> Sequence[Task]:
        """Return the pushes of an event; end it if it has none."""
        if isinstance(each, Unreadable):
            self._dead_letter(each)
            return []
        self._count += 1
        number = self._count
        pushes: list[Push] = []
        receipts: list[Receipt] = []
        for made in self._parts.relay.pushes(each.event):
            if isinstance(made, Receipt):
                receipts.append(made)
            elif self._lane is None or made.account != self._account:
                # A route, or the list of accounts, has changed while the event waited.
                error = ConnectionsBusy("it waits for the connections of another account")
                receipts.append(Receipt.of_error(each.event, error, made))
            else:
                pushes.append(made)
        taken = _Taken(each, receipts, len(pushes))
        if not pushes:
            self._finish(taken)
            return []
        with self._lock:
            self._taken[number] = taken
        return [Task(number, each.event, push) for push in pushes]

    def end_without_lane(self, found: Sequence[Waiting | Unreadable]) -> None:
        """End events whose account relay.toml no longer has: their receipts have that."""
        for each in found:
            self._seen.setdefault(each.shelf, set())
            self._tasks(each)
        self.flush()

    # --- ending -----------------------------------------------------------------------------------------

    def ended(self, task: Task, receipts: Sequence[Receipt]) -> None:
        """Note the receipts of a push; after the last one its event ends."""
        with self._lock:
            taken = self._taken[task.number]
            taken.receipts += receipts
            taken.left -= 1
            if taken.left:
                return
        try:
            self._finish(taken)
        finally:
            with self._lock:
                del self._taken[task.number]

    def left(self, end: RunEnd) -> None:
        """Note how a run has ended, and remove from the backlog what has ended with it."""
        self.flush()
        self.end = RunEnd(self.end.announced or end.announced, self.end.has_more or end.has_more)

    def flush(self) -> None:
        """Remove events that have ended. One that cannot be removed is a duplicate later."""
        with self._lock:
            finished, self._finished = self._finished, []
            moved, self._moved = self._moved, []
        try:
            if finished:
                self._parts.backlog.remove(finished)
            if moved:
                # Another drain may have moved an event back to its old place, and removed the new one.
                self._parts.backlog.remove_unchanged(moved)
        except RelayError as exc:
            self._trouble("events were not removed from the backlog", exc)
            return
        for each in [*finished, *moved]:
            self._seen[each.shelf].discard(each.position)

    def _finish(self, taken: _Taken) -> None:
        """End an event: dead-letter and park what its receipts demand, and remove it."""
        waiting = taken.waiting
        self._parts.relay.clear_dropped(waiting.event, taken.receipts)
        record = QueueRecord({}, attempt=waiting.attempt, reason=waiting.reason, event=waiting.event)
        record.note(taken.receipts, self._parts.clock.now())
        self._parts.telemetry.settled(record.receipts, attempt=record.attempt)
        self._close_for(record)
        try:
            self._parts.ending.dead_letter(record)
        except RelayError as exc:
            self._trouble("an event stays in the backlog", exc)
            return
        waits = record.waiting()
        if not waits or not all(_is_as_read(each, waiting) for each in waits):
            (error,) = self._parts.ending.park([record])
            if error:
                self._trouble("an event stays in the backlog", error)
                return
        if not any(_is_at(each, waiting) for each in waits):
            with self._lock:
                if waits:
                    self._moved.append(waiting)
                else:
                    self._finished.append(waiting)

    def _close_for(self, record: QueueRecord) -> None:
        """Close the shelves whose events would meet what has stopped these pushes."""
        for receipt in record.asking_for(Disposition.PARK):
            code, push = receipt.error_code, receipt.push
            if push and push.account != self._account:
                continue
            high = bool(push and push.high)
            for shelf in list(self._open):
                if code == BudgetExhausted.code:
                    closes = push is not None and shelf.source in push.sources
                elif code == QuotaExhausted.code:
                    closes = high or not shelf.high
                else:
                    closes = receipt.is_paced or code in _STOPS_ALL
                self._open[shelf] &= not closes

    def _dead_letter(self, each: Unreadable) -> None:
        """Dead-letter an item that is not an event, so that it does not block its shelf."""
        error = RelayError("an item of the backlog cannot be read")
        self._parts.telemetry.settled(
            [Receipt.failure(error, source=None, event_id=each.event_id)], attempt=1
        )
        try:
            attributes = {EVENT_ATTRIBUTE: each.version} if each.version else {}
            # SQS takes no empty message.
            body = each.body or "an item of the backlog without content"
            self._parts.ending.queues.dead_letter(body, attributes, each.reason, each.event_id)
        except RelayError as exc:
            self._trouble("an item stays in the backlog", exc)
            return
        with self._lock:
            self._finished.append(each)

    def _trouble(self, what: str, error: RelayError) -> None:
        self._parts.telemetry.trouble(what, error_code=error.code, detail=error.detail)


def _tries(each: Waiting | Unreadable) -> tuple[int, int]:
    return (each.tries, each.attempt) if isinstance(each, Waiting) else (0, 0)


def _is_at(now: Waiting, read: Waiting) -> bool:
    """Whether an event waits at the place at which it was read."""
    return now.shelf == read.shelf and place(now) == read.position


def _is_as_read(now: Waiting, read: Waiting) -> bool:
    """Whether an event waits as it did when it was read, so that it need not be stored again."""
    return (
        _is_at(now, read)
        and (now.reason, now.attempt, now.event) == (read.reason, read.attempt, read.event)
        and not read.tries
    )
