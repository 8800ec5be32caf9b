"""The account's connections on a real DynamoDB: never more than it has, over the whole fleet."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from fakes import Clock
from local_aws import LocalAws
from push_relay.adapters.connections import PATIENCE, DynamoDbConnections
from push_relay.adapters.table import Table, text
from push_relay.core.errors import LedgerUnavailable
from push_relay.core.sender import RESERVE

LIMIT = 3


class Fleet:
    """Workers that share a table and a clock; waiting takes no time, but is noted."""

    def __init__(self, table: Table) -> None:
        """Stop the clock."""
        self.table, self.clock = table, Clock()
        self.slept: list[float] = []

    def worker(self, table: Table | None = None) -> DynamoDbConnections:
        """Start a worker."""
        return DynamoDbConnections(table or self.table, "default", LIMIT, self.clock.now, self.slept.append)


@pytest.fixture
def fleet(local_stores: LocalAws) -> Fleet:
    """Return a fleet with a table of its own."""
    return Fleet(local_stores.table())


def left(seconds: float = 30.0) -> Callable[[], float]:
    """Return the time that an invocation has left."""
    return lambda: seconds


def free(fleet: Fleet) -> int:
    """Return how many are free, by taking them all."""
    with fleet.worker().held(LIMIT, left(0)) as held:
        return held


def test_a_worker_holds_what_it_wants_and_what_is_free(fleet: Fleet) -> None:
    """At the most the account's; and gives it back."""
    with fleet.worker().held(2, left()) as first:
        with fleet.worker().held(2, left()) as second, fleet.worker().held(2, left()) as third:
            assert (first, second, third) == (2, 1, 0)
        assert free(fleet) == 1
    assert free(fleet) == LIMIT


def test_never_more_are_held_at_once_than_the_account_has(fleet: Fleet) -> None:
    """By many workers for a while; each of them gets its turn."""
    counting = threading.Lock()
    now, most, turns = 0, 0, 0

    def work(number: int) -> None:
        nonlocal now, most, turns
        worker = fleet.worker()
        for _ in range(5):
            with worker.held(1 + number % LIMIT, left()) as held:
                with counting:
                    now += held
                    most = max(most, now)
                    turns += held > 0
                fleet.table.get(Key={"pk": text("anything")})  # something that takes a moment
                with counting:
                    now -= held

    with ThreadPoolExecutor(6) as threads:
        list(threads.map(work, range(6)))
    assert 0 < most <= LIMIT
    assert turns > 0
    assert now == 0


@pytest.mark.parametrize(("seconds", "patience"), [(60.0, PATIENCE), (8.0, 8 - 2 * RESERVE), (2.0, 0.0)])
def test_a_worker_waits_with_patience_and_while_it_has_time(
    fleet: Fleet, seconds: float, patience: float
) -> None:
    """In steps that differ; then it holds none."""
    with fleet.worker().held(LIMIT, left()):
        fleet.slept.clear()
        with fleet.worker().held(1, left(seconds)) as held:
            assert held == 0
    assert sum(fleet.slept) == pytest.approx(patience)
    assert len(set(fleet.slept)) == len(fleet.slept) <= 12


def test_a_worker_that_waits_takes_what_comes_free(fleet: Fleet) -> None:
    """At its next look."""
    other = fleet.worker().held(LIMIT, left())
    other.__enter__()
    waiting = DynamoDbConnections(
        fleet.table, "default", LIMIT, fleet.clock.now, lambda _: other.__exit__(None, None, None) and None
    )
    with waiting.held(2, left()) as held:
        assert held == 2


def test_what_a_dead_worker_held_comes_free_when_its_time_was_over(fleet: Fleet) -> None:
    """Not before, by any clock that is two seconds off."""
    dead = fleet.worker().held(LIMIT, left(30))
    assert dead.__enter__() == LIMIT
    for seconds, expected in ((29, 0), (32, 0), (37, LIMIT)):
        fleet.clock.time = 1_800_000_000.0 + seconds
        assert free(fleet) == expected


def test_who_has_lost_a_connection_cannot_give_it_back(fleet: Fleet) -> None:
    """Somebody else holds it by now."""
    late = fleet.worker().held(LIMIT, left(30))
    late.__enter__()
    fleet.clock.time += 60
    with fleet.worker().held(LIMIT, left(30)) as held:
        assert held == LIMIT
        late.__exit__(None, None, None)
        assert free(fleet) == 0


def test_a_connection_is_its_owners_also_when_it_asks_twice(fleet: Fleet) -> None:
    """AWS's client sends anew what was taken, but whose answer was lost."""
    worker = fleet.worker()
    assert worker._lease([0, 1], "me", 30) is None
    assert worker._lease([0, 1], "me", 30) is None
    assert worker._lease([0, 2], "another", 30) == {2}
    assert worker._lease([0, 2], "me", 30) is None


class Counting(Table):
    """A table that counts its writes, and fails after it has written one of them."""

    writes = 0
    failing = 0

    def update(self, **arguments: Any) -> Any:
        """Write, then perhaps fail."""
        self.writes += 1
        answer = super().update(**arguments)
        if self.writes == self.failing:
            raise LedgerUnavailable("the answer was lost")
        return answer


def test_all_that_is_wanted_is_taken_in_one_write_and_given_back_in_another(fleet: Fleet) -> None:
    """However many: it is in every delivery's way. What is taken costs one write more to find out."""
    table = Counting(fleet.table.name)
    with fleet.worker(table).held(LIMIT, left()) as held:
        assert held == LIMIT
    assert table.writes == 2
    with fleet.worker().held(1, left()), fleet.worker(table).held(LIMIT, left()) as held:
        assert held == LIMIT - 1
    assert table.writes == 5


def test_a_worker_that_fails_on_the_way_keeps_nothing(fleet: Fleet) -> None:
    """Neither what it had, nor what it does not know that it has."""
    table = Counting(fleet.table.name)
    table.failing = 1
    with pytest.raises(LedgerUnavailable), fleet.worker(table).held(LIMIT, left()):
        pass
    assert free(fleet) == LIMIT


def test_who_has_lost_some_gives_back_the_others(fleet: Fleet) -> None:
    """In one write more."""
    late = fleet.worker().held(LIMIT, left(30))
    late.__enter__()
    fleet.clock.time += 60
    with fleet.worker().held(1, left(30)):
        late.__exit__(None, None, None)
        assert free(fleet) == LIMIT - 1


def test_a_worker_that_breaks_gives_back(fleet: Fleet) -> None:
    """Whatever happens while it holds them."""
    with pytest.raises(ZeroDivisionError), fleet.worker().held(LIMIT, left()):
        _ = 1 // 0
    assert free(fleet) == LIMIT
