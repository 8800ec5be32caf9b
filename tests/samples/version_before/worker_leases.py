"""The connections that one worker has leased, and its place in the line of workers that wait for one.

A lease covers about one call and is renewed when a call begins, so a killed worker does not block its
connections for longer. If a call may be going on at the vendor, its connection stays reserved until the call
has surely ended.

`connections.py` has the rules of sharing. An adapter stores the record of leases, which the fleet shares.
"""

import math
import random
import threading
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from itertools import chain, repeat
from typing import NamedTuple, Protocol

from push_relay.core.account import Account
from push_relay.core.clock import TimeLeft
from push_relay.core.delivery.sender import SETTLE_MARGIN_SECS
from push_relay.core.errors import ConnectionsBusy, LedgerUnavailable
from samples.version_before.connections import (
    HEAD_START_SECS,
    MARGIN_SECS,
    PATIENCE_SECS,
    RENEWAL_SECS,
    VIEW_SECS,
    WISH_SECS,
    View,
    first_share,
    pause_secs,
    rebalance,
)

#: Attempts of one write. Each is made with what the refusal of the one before has shown.
_ATTEMPTS = 3
#: A wish is renewed when less than this is left of it.
_WISH_RENEWAL_SECS = WISH_SECS / 2


class Refused(Exception):
    """A connection or a wish was not as a write expected it; `view` shows how it was."""

    def __init__(self, view: View) -> None:
        super().__init__("the connections have changed")
        self.view = view


class LeaseRecord(Protocol):
    """The record of an account's leases and wishes, as one worker uses it. A wish means that a worker waits.

    Each write is one atomic step, and returns what the worker sees after it. Every method raises
    LedgerUnavailable; then it is unknown whether the write was made.
    """

    @property
    def worker(self) -> str:
        """The worker's name, which no other worker has."""
        ...

    def look(self) -> View:
        """Return how the connections are now."""
        ...

    def take(self, connections: Iterable[int], secs: float, *, unless_others_wait: bool = False) -> View:
        """Lease connections for so many seconds, all or none, and end the wish. Raises Refused."""
        ...

    def renew(self, connections: Iterable[int], secs: float) -> View:
        """Extend leases, all or none. Raises Refused if another worker has one of them."""
        ...

    def pass_on(self, heirs: Mapping[int, str | None], secs: float, *, wish: float | None = None) -> View:
        """Return leases, or hand them to workers that wait; all or none. Raises Refused.

        heirs  for each connection the worker that gets it, for `secs` seconds; None frees it
        wish   the moment since which this worker waits from now on
        """
        ...

    def keep(self, connection: int, until: int) -> View:
        """Reserve a connection until a moment: the vendor may still be working on a call.

        Raises Refused if the lease was lost.
        """
        ...

    def wish(self, since: float, *, renewed: bool) -> View:
        """Wait for a connection, or renew the wish. Raises Refused if there is no wish to renew."""
        ...

    def withdraw(self) -> View:
        """End the wish. Raises Refused if there is none: then a connection may have been handed over."""
        ...


class Times(NamedTuple):
    """The time, as an invocation has it.

    now    returns seconds since the epoch
    sleep  waits for some seconds
    left   returns the seconds until the invocation ends
    """

    now: Callable[[], float]
    sleep: Callable[[float], None]
    left: TimeLeft


class WorkerLeases:
    """The leases of one worker. Safe to use from several threads.

    Calls of the record are made one after the other, so that each knows what the one before has changed.
    """

    def __init__(self, record: LeaseRecord, account: Account, times: Times) -> None:
        self._record = record
        self._limit = account.connections
        self._call_secs = float(account.connect_timeout_secs + account.read_timeout_secs)
        self._finish_secs = account.vendor_finish_secs
        self._times = times
        self._lock = threading.Lock()
        self._ends: dict[int, int] = {}  # connections that it may use, and the ends of their leases
        self._since = 0.0  # when it last had none
        self._spare: deque[int] = deque()  # the next write returns them
        self._unfinished: dict[int, int] = {}  # to be reserved, and until when
        self._unsure: set[int] = set()  # a write of this worker may have changed them, or may do so later
        self._wish: float | None = None  # since when it waits
        self._wish_until = 0.0
        self._seen = View()
        self._seen_at = -math.inf

    def has(self, connection: int) -> bool:
        """Return whether a connection is still leased, as far as this worker knows."""
        return connection in self._ends

    def obtain(self, wanted: int, *, urgent: bool) -> list[int]:
        """Wait until at least one connection is leased, and return those that are.

        Raises ConnectionsBusy if none became free in time, LedgerUnavailable.
        """
        with self._lock:
            try:
                self._wait(wanted, urgent=urgent)
            except LedgerUnavailable:
                self._unsure.update(range(self._limit))
                raise
            if not self._ends:
                raise ConnectionsBusy("the account's connections are all in use")
            self._since = self._times.now()
            return list(self._ends)

    def after_call(self, connection: int, wanted: int) -> list[int]:
        """Share with the others at the end of a call; return the connections that may be used next.

        wanted  connections that this worker could use
        """
        with self._lock:
            self._reserve()
            if connection not in self._ends:
                return []
            try:
                if abs(self._times.now() - self._seen_at) >= VIEW_SECS:
                    self._saw(self._record.look())
            except LedgerUnavailable:
                return [connection]  # The lease is valid nevertheless.
            held_secs = self._times.now() - self._since
            change = rebalance(self._seen, self._record.worker, len(self._ends), wanted, held_secs)
            if change.heir is not None:
                self._hand_over(connection, change.heir)
            more = self._take(change.take) if change.take else []
            return [number for number in (connection, *more) if number in self._ends]

    def secure(self, connection: int, seconds: float) -> float:
        """Return the seconds that a call may take on a connection, `seconds` at most.

        The lease is renewed if it does not cover the longest call. Raises ConnectionsBusy if the lease was
        lost, LedgerUnavailable if it could not be renewed.
        """
        needed = min(seconds, self._call_secs + MARGIN_SECS)
        if self._left(connection) < needed:
            with self._lock:
                # Another thread may have renewed all of them in the meantime.
                if self._left(connection) < needed:
                    self._renew()
        if connection not in self._ends:
            raise ConnectionsBusy("the lease of the connection ended, and another worker has it")
        return min(seconds, self._left(connection))

    def keep(self, connection: int) -> None:
        """Reserve a connection until the vendor has surely ended the call; this worker has it no longer."""
        with self._lock:
            self._ends.pop(connection, None)
            self._unfinished[connection] = math.ceil(self._times.now() + self._finish_secs)
            self._reserve()

    def return_spare(self, connections: Iterable[int]) -> None:
        """Return connections. One write returns those of several threads."""
        self._spare.extend(connections)
        with self._lock:
            self._release([self._spare.popleft() for _ in range(len(self._spare))])

    def close(self) -> None:
        """Return all connections. If that fails, their leases end on time."""
        with self._lock, suppress(LedgerUnavailable):
            self._reserve()
            if self._unsure:
                mine = self._saw(self._record.look()).mine
                self._ends = {c: end for c, end in mine.items() if c not in self._unfinished}
            self._release(list(self._ends))
            if self._wish is not None or self._record.worker in self._seen.waiting:
                self._withdraw()
                self._release(list(self._ends))

    # --- the steps: each is called with the lock held ---------------------------------------------------

    def _wait(self, wanted: int, *, urgent: bool) -> None:
        """Lease connections when it is this worker's turn; give up if that takes longer than any call."""
        patience = min(self._call_secs + PATIENCE_SECS, self._times.left() - 2 * SETTLE_MARGIN_SECS)
        waited = 0.0
        self._try(wanted)
        while not self._ends and waited < patience and self._times.left() > 2 * SETTLE_MARGIN_SECS:
            self._make_wish(urgent=urgent)
            # The pauses differ in length, so that waiting workers do not look at the same moments.
            pause = pause_secs(waited, self._place()) * (0.75 + random.random() / 2)  # noqa: S311 (not secret)
            pause = min(pause, patience - waited)
            self._times.sleep(pause)
            waited += pause
            self._try(wanted)

    def _try(self, wanted: int) -> None:
        """Lease free connections if it is this worker's turn, or find that one was handed over."""
        self._reserve()
        # A new worker writes without looking first, as if all were free. A refusal shows how they are.
        new = self._wish is None
        view = View(free=range(self._limit)) if new else self._saw(self._record.look())
        for _ in range(_ATTEMPTS):
            self._adopt(view)
            chosen = self._choose(view, first_share(view, self._record.worker, wanted))
            if self._ends or not chosen:
                return
            try:
                taken = self._record.take(chosen, self._lease_secs(), unless_others_wait=new)
                self._adopt(self._saw(taken))
            except Refused as refused:
                view, new = self._saw(refused.view), False
            else:
                return

    def _adopt(self, view: View) -> None:
        """Use what this worker has leased, unless a write of unknown result can still change that."""
        self._ends = {c: end for c, end in view.mine.items() if self._may_use(c)}
        if self._ends:
            self._wish = None

    def _choose(self, view: View, count: int) -> list[int]:
        """Choose free connections to lease."""
        usable = [connection for connection in view.free if self._may_use(connection)]
        return random.sample(usable, min(count, len(usable)))

    def _may_use(self, connection: int) -> bool:
        return connection not in self._unsure and connection not in self._unfinished

    def _make_wish(self, *, urgent: bool) -> None:
        now = self._times.now()
        known = self._wish is not None and self._record.worker in self._seen.waiting
        if known and self._wish_until - now >= _WISH_RENEWAL_SECS:
            return
        # If another worker removed the wish as a dead worker's, the new one has the same place in line.
        if self._wish is None:
            self._wish = now - (HEAD_START_SECS if urgent else 0.0)
        try:
            self._saw(self._record.wish(self._wish, renewed=known))
        except Refused as refused:
            self._saw(refused.view)  # A connection was handed over, which the next look finds.
            return
        self._wish_until = now + WISH_SECS

    def _place(self) -> int:
        """Return this worker's place in line, from 1."""
        line, me = self._seen.waiting, self._record.worker
        return line.index(me) + 1 if me in line else len(line) + 1

    def _withdraw(self) -> None:
        try:
            self._saw(self._record.withdraw())
        except Refused as refused:
            self._adopt(self._saw(refused.view))
        self._wish = None

    def _hand_over(self, connection: int, heir: str) -> None:
        """Hand a connection over; a worker that hands over its last one waits for its next turn."""
        now = self._times.now()
        wish = now if len(self._ends) == 1 else None
        try:
            self._saw(self._record.pass_on({connection: heir}, self._full_lease_secs, wish=wish))
        except Refused as refused:
            # The heir waits no longer, or the lease was lost.
            if connection not in self._saw(refused.view).mine:
                del self._ends[connection]
            return
        except LedgerUnavailable:
            self._unsure.add(connection)
        else:
            self._wish, self._wish_until = wish, now + WISH_SECS
        del self._ends[connection]

    def _take(self, count: int) -> list[int]:
        """Lease more connections that are free; none if another worker was faster."""
        chosen = self._choose(self._seen, count)
        if not chosen:
            return []
        try:
            mine = self._saw(self._record.take(chosen, self._lease_secs())).mine
        except Refused as refused:
            self._saw(refused.view)
            return []
        except LedgerUnavailable:
            self._unsure.update(chosen)
            return []
        self._ends |= {connection: mine[connection] for connection in chosen}
        return chosen

    def _renew(self) -> None:
        """Extend all leases; those that another worker has are lost."""
        for _ in range(_ATTEMPTS):
            try:
                mine = (
                    self._saw(self._record.renew(self._ends, self._lease_secs())).mine if self._ends else {}
                )
            except Refused as refused:
                mine = self._saw(refused.view).mine
                self._ends = {c: end for c, end in self._ends.items() if c in mine}
            else:
                self._ends = {connection: mine[connection] for connection in self._ends}
                return

    def _reserve(self) -> None:
        """Reserve the connections of unfinished calls. If that fails, the next step tries again."""
        for connection, until in list(self._unfinished.items()):
            try:
                self._saw(self._record.keep(connection, until))
            except Refused as refused:
                self._saw(refused.view)  # Another worker has it.
            except LedgerUnavailable:
                return
            del self._unfinished[connection]

    def _release(self, connections: Sequence[int]) -> None:
        """Return connections, or hand them to workers that wait."""
        left = [connection for connection in connections if connection in self._ends]
        for connection in left:
            del self._ends[connection]
        for attempt in range(_ATTEMPTS):
            if not left:
                return
            # The last attempt names no heirs, so that no other worker can make it fail.
            waiting = self._seen.waiting[len(self._seen.free) :] if attempt < _ATTEMPTS - 1 else []
            others = [worker for worker in waiting if worker != self._record.worker]
            heirs = dict(zip(left, chain(others, repeat(None)), strict=False))
            try:
                self._saw(self._record.pass_on(heirs, self._full_lease_secs))
            except Refused as refused:
                mine = self._saw(refused.view).mine
                left = [connection for connection in left if connection in mine]
            except LedgerUnavailable:
                break
            else:
                return
        self._unsure.update(left)

    def _saw(self, view: View) -> View:
        self._seen, self._seen_at = view, self._times.now()
        return view

    def _left(self, connection: int) -> float:
        return self._ends.get(connection, 0) - self._times.now()

    @property
    def _full_lease_secs(self) -> float:
        return self._call_secs + MARGIN_SECS + RENEWAL_SECS

    def _lease_secs(self) -> float:
        """Return the length of a lease, which is not longer than the rest of the invocation."""
        return max(1.0, min(self._full_lease_secs, self._times.left()))
