"""Workers that share the connections of one account. The test moves their clock."""

import math
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, Final

import pytest

from ports import Clock
from push_relay.adapters.dynamodb.table import LedgerTable, number, text
from push_relay.core.account import Account
from push_relay.core.errors import ConnectionsBusy, LedgerUnavailable
from samples.version_before.connections import MARGIN_SECS, PATIENCE_SECS, RENEWAL_SECS
from samples.version_before.leases import DynamoDbLeaseRecord
from samples.version_before.share import LeasedConnection, SharedConnections
from samples.version_before.worker_leases import WorkerLeases

LIMIT: Final = 3
FINISH_SECS: Final = 60
CALL_SECS: Final = 10.0
LEASE_SECS: Final = CALL_SECS + MARGIN_SECS + RENEWAL_SECS
MAX_WAIT_SECS: Final = CALL_SECS + PATIENCE_SECS
ACCOUNT: Final = Account(
    connections=LIMIT, connect_timeout_secs=2, read_timeout_secs=8, vendor_finish_secs=FINISH_SECS
)
START: Final = 1_800_000_000.0
KEY: Final = {"pk": text("connections#default")}
SHORT_CALL_SECS: Final = 0.2


def left(seconds: float = 60.0) -> Callable[[], float]:
    """Return a function for the time that an invocation has left."""
    return lambda: seconds


class CountedTable(LedgerTable):
    """A table that counts its calls. Some calls fail before they are made, and some answers are lost."""

    def __init__(self, name: str) -> None:
        """Start counting at 0."""
        super().__init__(name)
        self.writes = self.reads = 0
        self.fails: Callable[[str], bool] = lambda _expression: False
        self.loses: Callable[[str], bool] = lambda _expression: False

    def update(self, **arguments: Any) -> Any:
        """Write."""
        self.writes += 1
        expression = arguments["UpdateExpression"]
        if self.fails(expression):
            raise LedgerUnavailable("the ledger did not answer")
        answer = super().update(**arguments)
        if self.loses(expression):
            raise LedgerUnavailable("the answer was lost")
        return answer

    def get(self, **arguments: Any) -> Any:
        """Read."""
        self.reads += 1
        if self.fails("read"):
            raise LedgerUnavailable("the ledger did not answer")
        return super().get(**arguments)


class Fleet:
    """The table, the clock, and the things that happen while a worker sleeps."""

    def __init__(self, table: LedgerTable) -> None:
        """Begin without a worker."""
        self.table, self.clock = CountedTable(table.name), Clock(START)
        self.slept: list[float] = []
        self.while_sleeping: Callable[[], None] = lambda: None
        self._sound = table

    def sleep(self, seconds: float) -> None:
        """Move the clock, and let the planned things happen."""
        self.slept.append(seconds)
        self.pass_time(seconds)
        self.while_sleeping()

    def pass_time(self, seconds: float) -> None:
        """Move the clock."""
        self.clock.time += seconds

    def once_asleep(self, happens: Callable[[], Any]) -> None:
        """Plan something that happens while a worker sleeps for the first time."""

        def first() -> None:
            self.while_sleeping = lambda: None
            happens()

        self.while_sleeping = first

    def worker(self, *, skew: float = 0.0) -> SharedConnections:
        """Start a worker. `skew` is the number of seconds by which its clock is ahead."""

        def now() -> float:
            return self.clock.now() + skew

        return SharedConnections(
            lambda name: DynamoDbLeaseRecord(self.table, "default", LIMIT, name, now),
            ACCOUNT,
            now,
            self.sleep,
        )

    def free(self, skew: float = 0.0) -> int:
        """Return the number of connections that a new worker could lease now."""
        return self.holder(pushes=LIMIT, calls=0, seconds=0, skew=skew).all_that_are_free()

    def holder(self, **more: Any) -> "Holder":
        """Start a worker that holds connections until the test ends its calls."""
        return Holder(self, **more)

    def occupy(self, *connections: int, until: float) -> None:
        """Lease connections as a worker of the previous version does."""
        for connection in connections:
            self.table.update(
                Key=KEY,
                UpdateExpression=f"SET until_{connection} = :until, owner_{connection} = :owner",
                ExpressionAttributeValues={":until": number(int(until)), ":owner": text("before")},
            )

    def item(self) -> dict[str, Any]:
        """Return the stored record."""
        return dict(self._sound.get(Key=KEY))

    def wishes(self) -> list[str]:
        """Return the wishes of the workers that wait."""
        return [name for name in self.item() if name.startswith("wish_")]


class Holder:
    """A worker with many pushes. The test begins and ends its calls, all of them in one thread."""

    def __init__(
        self,
        fleet: Fleet,
        *,
        pushes: int = 100,
        calls: int = LIMIT,
        seconds: float = 60.0,
        skew: float = 0.0,
    ) -> None:
        """Begin this number of calls."""
        self._fleet = fleet
        self._batch = ExitStack()
        self._deadlines: list[float] = []
        self.share = self._batch.enter_context(fleet.worker(skew=skew).held(pushes, left(seconds)))
        self._calls: list[ExitStack] = []
        for _ in range(calls):
            self.begin()

    @property
    def leased(self) -> int:
        """The number of connections that the worker has leased."""
        return len(self.share._leases._ends)

    def begin(self) -> None:
        """Begin a call."""
        with ExitStack() as call:
            connection = call.enter_context(self.share.connection(urgent=False))
            seconds = call.enter_context(connection.call(CALL_SECS))
            self._calls.append(call.pop_all())
            self._deadlines.append(self._fleet.clock.time + seconds)

    def end(self, seconds: float = SHORT_CALL_SECS) -> None:
        """Let time pass, then end the oldest call."""
        self._fleet.pass_time(seconds)
        if self._calls:
            self._next().close()

    @property
    def running_calls(self) -> int:
        """The number of calls that have not ended."""
        return len(self._calls)

    @property
    def must_end(self) -> float:
        """The moment at which the first of the calls has to end."""
        return min(self._deadlines, default=math.inf)

    @property
    def can_begin(self) -> bool:
        """Whether a call can begin before another call of this worker ends."""
        return any(map(self.share._leases.has, self.share._idle)) or not self.share._busy

    def _next(self) -> ExitStack:
        number = self._deadlines.index(self.must_end)
        del self._deadlines[number]
        return self._calls.pop(number)

    def fail(self, error: Exception) -> None:
        """End the oldest call with an error."""
        try:
            with self._next():
                raise error
        except type(error):
            pass

    def die(self) -> None:
        """End as a killed process does, which releases nothing."""
        self._calls, self._deadlines = [], []
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(WorkerLeases, "close", lambda _self: None)
            self._batch.close()

    def stop(self) -> None:
        """End all calls and the batch."""
        while self._calls:
            self.end()
        self._batch.close()

    def all_that_are_free(self) -> int:
        """Lease the free connections, return their number, and release them."""
        try:
            with self._batch:
                self.begin()
                return self.leased
        except ConnectionsBusy:
            return 0
        finally:
            while self._calls:
                self._next().close()


@contextmanager
def one(
    worker: SharedConnections, seconds: float = 60.0, *, urgent: bool = False
) -> Iterator[LeasedConnection]:
    """Hold a connection for a single push."""
    with worker.held(1, left(seconds)) as share, share.connection(urgent=urgent) as connection:
        yield connection
