"""The account's connections on DynamoDB, given to a worker's threads.

The record of leases is in `leases.py`, what one worker does with it in `tenancy.py`, the rules of sharing in
`core/delivery/connections.py`. This module hands the leased connections to the pushes, in the order
in which they ask.
"""

import secrets
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from push_relay.adapters.leases import Leases
from push_relay.adapters.table import LedgerTable
from push_relay.adapters.tenancy import Tenancy, Times
from push_relay.core.account import Account
from push_relay.core.errors import RelayError
from push_relay.core.time import TimeLeft


class DynamoDbConnections:
    """The connections of one account, named `name` in the table."""

    def __init__(
        self,
        table: LedgerTable,
        name: str,
        account: Account,
        now: Callable[[], float],
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._table = table
        self._name = name
        self._account = account
        self._now = now
        self._sleep = sleep

    @contextmanager
    def held(self, pushes: int, time_left: TimeLeft) -> Iterator["LeasedShare"]:
        """Share the connections for so many pushes. What is leased at the end is given back."""
        limit = self._account.connections
        leases = Leases(self._table, self._name, limit, secrets.token_hex(8), self._now)
        tenancy = Tenancy(leases, self._account, Times(self._now, self._sleep, time_left))
        try:
            yield LeasedShare(tenancy, limit, pushes)
        finally:
            tenancy.close()


class LeasedShare:
    """The connections of one worker. Each of its pushes asks for one, from any thread, once."""

    def __init__(self, tenancy: Tenancy, limit: int, pushes: int) -> None:
        self._tenancy = tenancy
        self._limit = limit
        self._left = pushes  # those that have had no connection yet
        self._changed = threading.Condition()
        self._line: deque[object] = deque()  # pushes that wait, the first in front
        self._idle: list[int] = []
        self._busy = 0
        self._failure: RelayError | None = None

    @contextmanager
    def connection(self, *, urgent: bool) -> Iterator["LeasedConnection"]:
        """Hold a connection for one push. Raises ConnectionsBusy, LedgerUnavailable."""
        leased = LeasedConnection(self._tenancy, self._next(urgent=urgent))
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
                    self._idle = [number for number in self._idle if self._tenancy.has(number)]
                    if self._idle:
                        self._busy += 1
                        return self._idle.pop()
                    if not self._busy:
                        return None
                self._changed.wait()

    def _lease(self, *, urgent: bool) -> None:
        # What one push has waited for in vain, the others of this invocation do not wait for again.
        if self._failure:
            raise self._failure
        try:
            leased = self._tenancy.obtain(min(self._left, self._limit), urgent=urgent)
        except RelayError as exc:
            self._failure = exc
            raise
        with self._changed:
            self._idle += leased

    def _done(self, leased: "LeasedConnection") -> None:
        """Use a connection for the next push, share it with others, or give it back."""
        usable: list[int] = []
        try:
            if leased.unfinished:
                self._tenancy.keep(leased.number)
                return
            with self._changed:
                unused = [*self._idle, leased.number]
                self._idle, spare = unused[: self._left], unused[self._left :]
                wanted = min(self._limit, self._busy - 1 + self._left)
                if not spare:
                    self._idle.remove(leased.number)
            if spare:
                self._tenancy.give_back(spare)
            else:
                usable = self._tenancy.after_call(leased.number, wanted)
        finally:
            with self._changed:
                self._busy -= 1
                self._idle += usable
                self._changed.notify_all()


class LeasedConnection:
    """A leased connection. `unfinished` is True after a call that the vendor may not have ended."""

    def __init__(self, tenancy: Tenancy, number: int) -> None:
        self._tenancy = tenancy
        self.number = number
        self.unfinished = False

    @contextmanager
    def call(self, seconds: float) -> Iterator[float]:
        """Carry one call. Raises ConnectionsBusy, LedgerUnavailable before it begins."""
        allowed = self._tenancy.secure(self.number, seconds)
        try:
            yield allowed
        except BaseException as exc:
            # What the relay does not know may have happened after the request was sent.
            self.unfinished = getattr(exc, "unfinished", True)
            raise
