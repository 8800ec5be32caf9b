"""Workers that share the connections of one account, with one table and one clock that the test moves."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, Final

from fakes import Clock
from push_relay.adapters.connections import DynamoDbConnections, LeasedConnection
from push_relay.adapters.table import Table, number, text
from push_relay.core.account import Account
from push_relay.core.connections import MARGIN_SECS, PATIENCE_SECS, RENEWAL_SECS
from push_relay.core.errors import ConnectionsBusy, LedgerUnavailable

LIMIT: Final = 3
FINISH_SECS: Final = 60
CALL_SECS: Final = 10.0
LEASE_SECS: Final = CALL_SECS + MARGIN_SECS + RENEWAL_SECS
PATIENCE: Final = CALL_SECS + PATIENCE_SECS
ACCOUNT: Final = Account(connections=LIMIT, connect_timeout=2, read_timeout=8, vendor_finish_secs=FINISH_SECS)
START: Final = 1_800_000_000.0
KEY: Final = {"pk": text("connections#default")}
SHORT_CALL_SECS: Final = 0.2


def left(seconds: float = 60.0) -> Callable[[], float]:
    """Return the time that an invocation has left."""
    return lambda: seconds


class CountedTable(Table):
    """A table that counts its calls. Some fail before they are made, and some lose their answer."""

    def __init__(self, name: str) -> None:
        """Count from 0."""
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
    """The table, the clock, and what happens while a worker sleeps."""

    def __init__(self, table: Table) -> None:
        """Stop the clock."""
        self.table, self.clock = CountedTable(table.name), Clock(START)
        self.slept: list[float] = []
        self.while_sleeping: Callable[[], None] = lambda: None

    def sleep(self, seconds: float) -> None:
        """Let the time pass, and let happen what does."""
        self.slept.append(seconds)
        self.clock.time += seconds
        self.while_sleeping()

    def once_asleep(self, happens: Callable[[], Any]) -> None:
        """Let something happen while a worker sleeps for the first time."""

        def first() -> None:
            self.while_sleeping = lambda: None
            happens()

        self.while_sleeping = first

    def worker(self, *, skew: float = 0.0) -> DynamoDbConnections:
        """Start a worker. `skew`: seconds by which its clock is ahead."""
        now = self.clock.now
        return DynamoDbConnections(self.table, "default", ACCOUNT, lambda: now() + skew, self.sleep)

    def free(self, skew: float = 0.0) -> int:
        """Return how many connections a new worker could lease now."""
        return self.holder(pushes=LIMIT, calls=0, seconds=0, skew=skew).all_that_are_free()

    def holder(self, **more: Any) -> "Holder":
        """Start a worker that holds connections until the test ends its calls."""
        return Holder(self, **more)

    def occupy(self, *connections: int, until: float) -> None:
        """Let a worker of the version before lease connections."""
        for connection in connections:
            self.table.update(
                Key=KEY,
                UpdateExpression=f"SET until_{connection} = :until, owner_{connection} = :owner",
                ExpressionAttributeValues={":until": number(int(until)), ":owner": text("before")},
            )

    def item(self) -> dict[str, Any]:
        """Return the record."""
        return dict(self.table.get(Key=KEY))

    def wishes(self) -> list[str]:
        """Return the workers that wait."""
        return [name for name in self.item() if name.startswith("wish_")]


class Holder:
    """A worker with many pushes. The test begins and ends its calls, all in one thread."""

    def __init__(
        self,
        fleet: Fleet,
        *,
        pushes: int = 100,
        calls: int = LIMIT,
        seconds: float = 60.0,
        skew: float = 0.0,
    ) -> None:
        """Begin so many calls."""
        self._fleet = fleet
        self._batch = ExitStack()
        self.share = self._batch.enter_context(fleet.worker(skew=skew).held(pushes, left(seconds)))
        self._calls = [self._begin() for _ in range(calls)]

    def _begin(self) -> ExitStack:
        call = ExitStack()
        connection = call.enter_context(self.share.connection(urgent=False))
        call.enter_context(connection.call(CALL_SECS))
        return call

    @property
    def holds(self) -> int:
        """The connections that it has leased."""
        return len(self.share._tenancy._ends)

    def begin(self) -> None:
        """Begin a call."""
        self._calls.append(self._begin())

    def end(self, seconds: float = SHORT_CALL_SECS) -> None:
        """End the oldest call, after some time."""
        self._fleet.clock.time += seconds
        self._calls.pop(0).close()

    def fail(self, error: Exception) -> None:
        """End the oldest call with an error."""
        try:
            with self._calls.pop(0):
                raise error
        except type(error):
            pass

    def stop(self) -> None:
        """End all calls and the batch."""
        while self._calls:
            self.end()
        self._batch.close()

    def all_that_are_free(self) -> int:
        """Lease what is free, and give it back."""
        try:
            with self._batch:
                self.begin()
                return self.holds
        except ConnectionsBusy:
            return 0
        finally:
            while self._calls:
                self._calls.pop().close()


@contextmanager
def one(
    worker: DynamoDbConnections, seconds: float = 60.0, *, urgent: bool = False
) -> Iterator[LeasedConnection]:
    """Hold a connection for a single push."""
    with worker.held(1, left(seconds)) as share, share.connection(urgent=urgent) as connection:
        yield connection
