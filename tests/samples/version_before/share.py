"""The account's connections, handed to the pushes of a batch in the order in which they ask.

`worker_leases.py` leases them, and `connections.py` has the rules of sharing.
"""

import secrets
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from push_relay.core.account import Account
from push_relay.core.clock import TimeLeft
from push_relay.core.errors import RelayError
from samples.version_before.worker_leases import LeaseRecord, Times, WorkerLeases


class SharedConnections:
    """The connections of one account. `record_of` returns the record of leases for a worker's name."""

    def __init__(
        self,
        record_of: Callable[[str], LeaseRecord],
        account: Account,
        now: Callable[[], float],
        sleep: Callable[[float], None],
    ) -> None:
        self._record_of = record_of
        self._account = account
        self._now = now
        self._sleep = sleep

    @contextmanager
    def held(self, pushes: int, time_left: TimeLeft) -> Iterator["LeasedShare"]:
        """Share the connections for so many pushes. All that are leased at the end are returned."""
        record = self._record_of(secrets.token_hex(8))
        leases = WorkerLeases(record, self._account, Times(self._now, self._sleep, time_left))
        try:
            yield LeasedShare(leases, self._account.connections, pushes)
        finally:
            leases.close()


class LeasedShare:
    """The connections of one worker. Each of its pushes asks once for one, from any thread."""

    def __init__(self, leases: WorkerLeases, limit: int, pushes: int) -> None:
        self._leases = leases
        self._limit = limit
        self._left = pushes  # pushes that have had no connection yet
        self._changed = threading.Condition()
        self._line: deque[object] = deque()  # pushes that wait, the first in front
        self._idle: list[int] = []
        self._busy = 0
        self._failure: RelayError | None = None

    @contextmanager
    def connection(self, *, urgent: bool) -> Iterator["LeasedConnection"]:
        """Hold a connection for one push. Raises ConnectionsBusy, LedgerUnavailable."""
        leased = LeasedConnection(self._leases, self._next(urgent=urgent))
        try:
            yield leased
        finally:
            self._done(leased)

    def _next(self, *, urgent: bool) -> int:
        ticket = object()
        with self._changed:
            self._line.append(ticket)
        try:
            while (number := self._in_turn(ticket)) is None:
                self._lease(urgent=urgent)
            return number
        finally:
            with self._changed:
                self._line.remove(ticket)
                self._left -= 1
                self._changed.notify_all()

    def _in_turn(self, ticket: object) -> int | None:
        """Wait for an idle connection; return None if there is none and no other push will leave one."""
        with self._changed:
            while True:
                if self._line[0] is ticket:
                    self._idle = [number for number in self._idle if self._leases.has(number)]
                    if self._idle:
                        self._busy += 1
                        return self._idle.pop()
                    if not self._busy:
                        return None
                self._changed.wait()

    def _lease(self, *, urgent: bool) -> None:
        # If one push has waited without success, the others of this invocation do not wait again.
        if self._failure:
            raise self._failure
        try:
            leased = self._leases.obtain(min(self._left, self._limit), urgent=urgent)
        except RelayError as exc:
            self._failure = exc
            raise
        with self._changed:
            self._idle += leased

    def _done(self, leased: "LeasedConnection") -> None:
        """Use a connection for the next push, share it with others, or return it."""
        usable: list[int] = []
        try:
            if leased.unfinished:
                self._leases.keep(leased.number)
                return
            with self._changed:
                unused = [*self._idle, leased.number]
                self._idle, spare = unused[: self._left], unused[self._left :]
                wanted = min(self._limit, self._busy - 1 + self._left)
                if not spare:
                    self._idle.remove(leased.number)
            if spare:
                self._leases.return_spare(spare)
            else:
                usable = self._leases.after_call(leased.number, wanted)
        finally:
            with self._changed:
                self._busy -= 1
                self._idle += usable
                self._changed.notify_all()


class LeasedConnection:
    """A leased connection. `unfinished` is True after a call that may be going on at the vendor."""

    def __init__(self, leases: WorkerLeases, number: int) -> None:
        self._leases = leases
        self.number = number
        self.unfinished = False

    @contextmanager
    def call(self, seconds: float) -> Iterator[float]:
        """Carry one call. Raises ConnectionsBusy, LedgerUnavailable before it begins."""
        allowed = self._leases.secure(self.number, seconds)
        try:
            yield allowed
        except BaseException as exc:
            # An unknown error may have happened after the request was sent.
            self.unfinished = getattr(exc, "unfinished", True)
            raise
