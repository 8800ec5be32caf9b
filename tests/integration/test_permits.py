"""The permits of an account in DynamoDB: one atomic write, shared with the version before."""

import itertools
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import date
from typing import Any

import pytest

from contracts.permits import PermitStoreContract
from local_aws import LocalAws
from permit_fleet import NOON, TODAY, pushes
from ports import CREDENTIALS, Clock
from push_relay.adapters.dynamodb.permits import DynamoDbPermits
from push_relay.adapters.dynamodb.table import LedgerTable, number, text
from push_relay.core.account import Account
from push_relay.core.delivery.account_permits import AccountPermits
from push_relay.core.delivery.permits import Lease, Permits
from push_relay.core.delivery.quota import Allowance, Quota
from push_relay.core.errors import CircuitOpen, LedgerUnavailable
from samples.version_before import values
from samples.version_before.calls import DynamoDbCallCounter
from samples.version_before.cooldown import DynamoDbCooldown
from samples.version_before.leases import DynamoDbLeaseRecord
from samples.version_before.values import Refused

DAY = date.fromisoformat(TODAY)
KEY = {"pk": text("connections#default")}
#: DynamoDB's limits of one request.
EXPRESSION_BYTES, OPERATORS = 4096, 300


class WatchedTable(LedgerTable):
    """A table whose requests are kept, and whose answers may be lost."""

    def __init__(self, name: str) -> None:
        """Begin without a request."""
        super().__init__(name)
        self.requests: list[dict[str, Any]] = []
        self.loses = False

    def update(self, **arguments: Any) -> Any:
        """Write."""
        self.requests.append(arguments)
        answer = super().update(**arguments)
        if self.loses:
            raise LedgerUnavailable("the answer was lost")
        return answer


class Fleet:
    """Processes of both versions that share a table and a clock."""

    def __init__(self, table: LedgerTable) -> None:
        """Begin at noon."""
        self.table, self.clock = WatchedTable(table.name), Clock(NOON)

    @property
    def store(self) -> DynamoDbPermits:
        """A store of the permits."""
        return DynamoDbPermits(self.table, "default", self.clock.now)

    def process(
        self, account: Account | None = None, budgets: dict[str, int] | None = None
    ) -> AccountPermits:
        """Start a process."""
        quota = Quota(account or Account(), budgets or {})
        return AccountPermits(self.store, quota, self.clock, lambda _calls, _limit: None)

    def before(self, worker: str = "before", limit: int = 3) -> DynamoDbLeaseRecord:
        """Start a worker of the version before."""
        return DynamoDbLeaseRecord(self.table, "default", limit, worker, self.clock.now)

    def lease(self, connection: int, owner: str) -> Lease:
        """Lease a connection as the version before does."""
        return Lease(owner, self.before(owner).take([connection], 10).mine[connection])

    def count(self, day: date, source: str) -> None:
        """Count a call as the version before does."""
        self.counter().count(day, Allowance(100, (source,)))

    def counter(self) -> DynamoDbCallCounter:
        """Return the counter of calls of the version before."""
        return DynamoDbCallCounter(self.table, "default", self.clock.now)


@pytest.fixture
def fleet(local_stores: LocalAws) -> Fleet:
    """Return a fleet with a separate table."""
    return Fleet(local_stores.table())


def at_once(functions: list[Callable[[], Any]]) -> list[Any]:
    """Run functions in threads that begin at the same time."""
    barrier = threading.Barrier(len(functions))

    def run(function: Callable[[], Any]) -> Any:
        barrier.wait(30)
        return function()

    with ThreadPoolExecutor(len(functions)) as pool:
        return list(pool.map(run, functions))


def turns(calls: Callable[[], int]) -> Iterator[int]:
    """Yield 25 turns, and more until there is a call: others may have all connections in each of these."""
    deadline = time.monotonic() + 60
    for turn in itertools.count():
        if turn >= 25 and (calls() or time.monotonic() > deadline):
            return
        yield turn


# --- the store -----------------------------------------------------------------------------------------


class TestDynamoDbPermits(PermitStoreContract):
    """The store in DynamoDB."""


@pytest.fixture
def stored(fleet: Fleet) -> Fleet:
    """Return permits that were never used."""
    return fleet


def test_a_person_can_read_the_item(fleet: Fleet) -> None:
    """Fields that are empty are left out."""
    session = fleet.process().session(lambda: 60.0)
    session.ask(pushes(1), 1)
    item = fleet.table.get(Key=KEY)
    assert {"owner_0", "until_0", "stamp", "pk", "calls", "cooldown"} == set(item)
    assert item["cooldown"] == {"M": {}}
    assert item["calls"] == {"M": {TODAY: {"M": {"used": number(1), "drawn": number(25)}}}}


def test_one_write_changes_50_leases_within_the_limits_of_dynamodb(fleet: Fleet) -> None:
    """The double of DynamoDB does not check these."""
    account = Account(connections=50)
    session = fleet.process(account).session(lambda: 60.0, drains=True)
    session.ask(pushes(50), 50)
    assert session.connections == 50
    fleet.clock.time += 10
    session.ask(pushes(50, 100), 50)
    session.finish()
    assert fleet.store.read().leases == {}
    other = fleet.before(limit=50)
    other.take(range(50), 1.0)
    fleet.clock.time += 10
    session.ask(pushes(50, 200), 50)
    requests = [request for request in fleet.table.requests if "#stamp" in request["UpdateExpression"]]
    assert len(requests) >= 4
    for request in requests:
        for expression in (request["UpdateExpression"], request["ConditionExpression"]):
            assert len(expression) <= EXPRESSION_BYTES
            assert sum(expression.count(sign) for sign in ("=", "AND", "(")) <= OPERATORS
    assert session.connections == 50


# --- many workers at once ------------------------------------------------------------------------------


def test_workers_that_ask_at_once_share_the_connections_and_the_calls(fleet: Fleet) -> None:
    """Nobody gets a fourth connection, and each granted call is counted."""
    processes = [fleet.process() for _ in range(6)]

    def ask(worker: int) -> int:
        session = processes[worker].session(lambda: 60.0)
        return session.ask(pushes(2, worker * 10), 1).count(None)

    granted = at_once([lambda worker=worker: ask(worker) for worker in range(6)])  # type: ignore[misc]
    permits = fleet.store.read()
    assert sorted(granted) == [0, 0, 0, 2, 2, 2]
    assert len({lease.owner for lease in permits.leases.values()}) == 3
    assert permits.calls[TODAY].used == 6


def test_an_announcement_meets_the_end_of_the_worker_that_drains(fleet: Fleet) -> None:
    """Either the worker finds it, or the other learns that a wake-up is needed."""
    for turn in range(25):
        session, other = fleet.process().session(lambda: 60.0, drains=True), fleet.process()
        session.ask(pushes(1, turn), 1)
        other.is_open(lambda: CREDENTIALS, high=True)
        goes_on, secs = at_once([lambda: session.finish(unless_announced=True), other.announce])  # noqa: B023
        assert goes_on == (secs is None)
        session.finish()
        # The wake-up of this turn is no longer expected.
        fleet.clock.time += 10


def test_a_lost_answer_leaves_no_lease_behind(fleet: Fleet) -> None:
    """The next write of the worker counts what the lost one has leased."""
    session = fleet.process().session(lambda: 60.0)
    fleet.table.loses = True
    with suppress(LedgerUnavailable):
        session.ask(pushes(2), 2)
    fleet.table.loses = False
    session.ask(pushes(2), 2)
    session.ask(pushes(3), 3)
    assert session.connections == 3
    session.finish()
    assert fleet.store.read().leases == {}


# --- side by side with the version before --------------------------------------------------------------


def test_both_versions_share_the_connections(fleet: Fleet) -> None:
    """Each respects what the other has leased, renewed and returned."""
    old = fleet.before()
    old.take([1], 10)
    session = fleet.process().session(lambda: 60.0)
    session.ask(pushes(3), 3)
    assert session.connections == 2
    with pytest.raises(Refused) as refused:
        old.take([0], 10)
    assert list(refused.value.view.free) == []
    old.renew([1], 20)
    session.ask(pushes(3, 10), 3)
    assert session.connections == 2
    old.pass_on({1: None}, 10)
    session.ask(pushes(3, 20), 3)  # its answer shows the connection that is free
    session.ask(pushes(3, 30), 3)
    assert session.connections == 3
    session.finish()
    assert list(old.look().free) == [0, 1, 2]


def test_both_versions_at_once_never_lease_a_fourth_connection(fleet: Fleet) -> None:
    """Each thread checks the number of calls that go on. How many meet is up to the scheduler."""
    running: list[object] = []
    most: list[int] = []
    made: Counter[str] = Counter()

    def called(version: str, calls: int) -> None:
        made[version] += calls
        mine = [object() for _ in range(calls)]
        running.extend(mine)
        most.append(len(running))
        time.sleep(0.005)
        most.append(len(running))
        for call in mine:
            running.remove(call)

    def before(name: str) -> None:
        old = fleet.before(name)
        for _ in turns(lambda: made["before"]):
            free = list(old.look().free)[:2]
            with suppress(Refused):
                mine = list(old.take(free, 20).mine) if free else []
                if not mine:
                    continue
                called("before", len(mine))
                old.pass_on(dict.fromkeys(mine), 20)

    def after() -> None:
        process = fleet.process()
        for turn in turns(lambda: made["after"]):
            session = process.session(lambda: 60.0)
            push = pushes(1, turn)[0]
            if session.ask([push], 2) == [None]:
                with session.call(push, CREDENTIALS, 5.0):
                    called("after", 1)
            else:
                # This process believes for some seconds that all are in use, and the clock never goes on.
                process = fleet.process()
            session.finish()

    at_once([lambda: before("old1"), lambda: before("old2"), after, after])
    assert 2 <= max(most) <= 3
    assert set(made) == {"before", "after"}
    assert {lease.owner for lease in fleet.store.read().leases.values()} == set()


def test_both_versions_at_once_never_exceed_the_day(fleet: Fleet) -> None:
    """Together they use all of its calls but a drawn block."""
    account, made = Account(daily_calls=60, reserved_percent=0), []
    # One thread may use the whole day while the others are starting.
    each_has_made_one = threading.Barrier(3)

    def before() -> None:
        counter = fleet.counter()
        while counter.count(DAY, Allowance(account.daily_calls)).is_granted:
            made.append("before")
            if made.count("before") == 1:
                each_has_made_one.wait(60)

    def after() -> None:
        process = fleet.process(account)
        for turn in range(1000):
            session = process.session(lambda: 60.0)
            (refusal,) = session.ask(pushes(1, turn), 1)
            if refusal is None:
                made.append("after")
                with session.call(pushes(1, turn)[0], CREDENTIALS, 1.0):
                    pass
            session.finish()
            if refusal:
                break
            if turn == 0:
                each_has_made_one.wait(60)

    at_once([before, after, after])
    assert 55 <= len(made) <= 60
    assert set(made) == {"before", "after"}


def test_an_outage_goes_on_after_an_update(fleet: Fleet) -> None:
    """The first write of the new version stores what it has read from the item of the version before."""
    until = int(NOON) + 100
    state = values.Cooldown(until=until, level=3, day=TODAY, spent=5, reason="vendor_throttled", stamp="old")
    DynamoDbCooldown(fleet.table, "default", fleet.clock.now).swap(values.Cooldown(), state)
    process = fleet.process()
    (refusal,) = process.session(lambda: 60.0).ask(pushes(1), 1)
    assert isinstance(refusal, CircuitOpen)
    fleet.before().take([0], 10)
    fleet.clock.time = until
    assert fleet.process().session(lambda: 60.0).ask(pushes(2), 2)[0] is None
    stored = fleet.store.read().cooldown
    assert (stored.level, stored.spent) == (3, 5)
    assert stored.probe


def test_a_refused_first_swap_has_the_outage_too(fleet: Fleet) -> None:
    """The version before changed a lease in the meantime."""
    state = values.Cooldown(until=int(NOON) + 100, reason="vendor_throttled", stamp="old")
    DynamoDbCooldown(fleet.table, "default", fleet.clock.now).swap(values.Cooldown(), state)
    fleet.before().take([0], 10)
    found = fleet.store.swap(Permits(), Permits(leases={0: Lease("new", 1)}, stamp="one"))
    assert (found.stamp, found.cooldown.until) == ("", int(NOON) + 100)


def test_the_version_before_can_run_again(fleet: Fleet) -> None:
    """It ignores what it does not know, and counts on."""
    session = fleet.process().session(lambda: 60.0)
    session.ask(pushes(2), 2)
    session.finish()
    assert list(fleet.before().look().free) == [0, 1, 2]
    assert fleet.counter().count(DAY, Allowance(2500)).calls == 26
