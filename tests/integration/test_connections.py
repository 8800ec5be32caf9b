"""Workers share the account's connections on a real DynamoDB, and never use more than it has."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from connection_fleet import LIMIT, PATIENCE, SHORT_CALL_SECS, START, Fleet, left, one
from local_aws import LocalAws
from push_relay.adapters.dynamodb.leases import DynamoDbLeaseRecord
from push_relay.core.account import Account
from push_relay.core.clock import CLOCK_SKEW_SECS
from push_relay.core.delivery.connections import TURN_SECS, WISH_SECS
from push_relay.core.delivery.sender import SETTLE_MARGIN_SECS
from push_relay.core.delivery.share import LeasedShare, SharedConnections
from push_relay.core.delivery.worker_leases import WorkerLeases
from push_relay.core.errors import ConnectionsBusy


@pytest.fixture
def fleet(local_stores: LocalAws) -> Fleet:
    """Return a fleet with a table of its own."""
    return Fleet(local_stores.table())


# --- the limit -----------------------------------------------------------------------------------------


def test_a_lone_worker_may_lease_all_connections(fleet: Fleet) -> None:
    """When it ends, nothing is left in the record."""
    alone = fleet.holder()
    assert (alone.holds, fleet.free()) == (LIMIT, 0)
    alone.stop()
    assert fleet.free() == LIMIT
    assert set(fleet.item()) == {"pk"}


def test_a_worker_leases_no_more_connections_than_it_has_pushes(fleet: Fleet) -> None:
    """The others stay free."""
    holder = fleet.holder(pushes=2, calls=1)
    assert (holder.holds, fleet.free()) == (2, 1)


@pytest.mark.parametrize(("workers", "limit"), [(6, LIMIT), (10, LIMIT), (2, 1), (3, 2)])
def test_all_workers_send_all_of_their_pushes(fleet: Fleet, workers: int, limit: int) -> None:
    """Never more calls go on at a time than the account has connections, however many workers there are."""
    counting = threading.Lock()
    now = most = sent = 0
    account = Account(connections=limit)

    def send(share: LeasedShare) -> None:
        nonlocal now, most, sent
        with share.connection(urgent=False) as connection, connection.call(10.0):
            with counting:
                now += 1
                most = max(most, now)
            time.sleep(0.05)
            with counting:
                now -= 1
                sent += 1

    def work(_: int) -> None:
        worker = SharedConnections(
            lambda name: DynamoDbLeaseRecord(fleet.table, "default", limit, name, time.time),
            account,
            time.time,
            time.sleep,
        )
        with worker.held(6, left()) as share, ThreadPoolExecutor(limit) as threads:
            list(threads.map(lambda _: send(share), range(6)))

    with ThreadPoolExecutor(workers) as threads:
        list(threads.map(work, range(workers)))
    assert (sent, now, most) == (6 * workers, 0, limit)


def test_leases_of_the_version_before_count(fleet: Fleet) -> None:
    """During a deployment both versions work on one record."""
    fleet.occupy(1, until=START + 60)
    assert fleet.free() == LIMIT - 1


def test_each_account_has_connections_of_its_own(fleet: Fleet) -> None:
    """One organisation's pushes must not wait for the calls of another."""
    busy = fleet.holder()
    other = DynamoDbLeaseRecord(fleet.table, "bakery", LIMIT, "other", fleet.clock.now)
    assert list(other.take(range(LIMIT), 10.0).mine) == list(range(LIMIT))
    assert (busy.holds, fleet.free()) == (LIMIT, 0)
    busy.stop()
    assert fleet.free() == LIMIT


# --- waiting -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("seconds", "patience"), [(60.0, PATIENCE), (8.0, 8 - 2 * SETTLE_MARGIN_SECS), (2.0, 0.0)]
)
def test_a_worker_waits_for_the_longest_lease_and_while_it_has_time(
    fleet: Fleet, seconds: float, patience: float
) -> None:
    """No two pauses are equal. It leaves no wish behind."""
    fleet.occupy(*range(LIMIT), until=START + 100)
    with pytest.raises(ConnectionsBusy), one(fleet.worker(), seconds):
        pass
    assert sum(fleet.slept) == pytest.approx(patience)
    assert len(set(fleet.slept)) == len(fleet.slept)
    assert not fleet.wishes()


def test_the_pushes_of_one_batch_wait_only_once(fleet: Fleet) -> None:
    """If the first one waits in vain, the others fail at once."""
    fleet.occupy(*range(LIMIT), until=START + 100)
    with fleet.worker().held(3, left()) as share:
        for _ in range(3):
            with pytest.raises(ConnectionsBusy), share.connection(urgent=False):
                pass
    assert sum(fleet.slept) == pytest.approx(PATIENCE)


def test_a_waiting_worker_gets_a_connection_at_the_end_of_a_call(fleet: Fleet) -> None:
    """The other worker keeps the rest, and goes on."""
    busy = fleet.holder()
    fleet.once_asleep(busy.end)
    with one(fleet.worker()):
        assert sum(fleet.slept) < 2 * SHORT_CALL_SECS
        assert busy.holds == LIMIT - 1
        assert fleet.free() == 0
        busy.end()
        busy.begin()
        assert busy.holds == LIMIT - 1


def test_a_waiting_worker_takes_what_another_gives_back(fleet: Fleet) -> None:
    """It leases as many as it needs when it looks the next time."""
    busy = fleet.holder(pushes=LIMIT)
    fleet.once_asleep(busy.stop)
    late = fleet.holder(pushes=2, calls=1)
    assert late.holds == 2


def test_workers_take_turns_if_there_are_more_of_them_than_connections(fleet: Fleet) -> None:
    """A worker keeps its last connection for a moment, then hands it over and waits for its next turn."""
    fleet.occupy(1, 2, until=START + 100)
    first = fleet.holder(calls=1)
    ended: list[float] = []

    def end_of_a_call() -> None:
        if not ended or first.holds:
            ended.append(fleet.clock.time)
            first.end(0.0)
            if first.holds:
                first.begin()

    fleet.while_sleeping = end_of_a_call
    with one(fleet.worker()):
        fleet.while_sleeping = lambda: None
        assert first.holds == 0
        assert TURN_SECS <= ended[-1] - START < 2 * TURN_SECS
        assert len(fleet.wishes()) == 1
    first.begin()
    assert (first.holds, fleet.wishes()) == (1, [])


def test_a_newcomer_does_not_take_what_came_free_for_another(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The worker that waits takes it at its next look."""
    monkeypatch.setattr(
        "push_relay.core.delivery.worker_leases.random.sample", lambda free, count: list(free)[:count]
    )
    fleet.occupy(*range(LIMIT), until=START + 100)

    def newcomer_comes() -> None:
        fleet.occupy(0, until=START - 100)
        with pytest.raises(ConnectionsBusy), one(fleet.worker(), 2 * SETTLE_MARGIN_SECS):
            pass

    fleet.once_asleep(newcomer_comes)
    with one(fleet.worker()):
        assert len(fleet.slept) == 1


def test_an_urgent_push_overtakes_those_that_have_waited_for_less_than_its_head_start(fleet: Fleet) -> None:
    """It gets the first connection that is handed over, though it waits for less."""
    busy = fleet.holder()

    def urgent_comes() -> None:
        fleet.once_asleep(busy.end)
        with one(fleet.worker(), urgent=True):
            assert len(fleet.slept) == 2
            assert len(fleet.wishes()) == 1
        fleet.once_asleep(busy.end)

    fleet.once_asleep(urgent_comes)
    with one(fleet.worker()):
        assert not fleet.wishes()


def test_a_connection_is_not_handed_to_a_worker_that_waits_no_longer(fleet: Fleet) -> None:
    """What a worker saw of the others may be outdated."""
    fleet.occupy(1, 2, until=START + 100)
    holder = fleet.holder(calls=1)
    other = DynamoDbLeaseRecord(fleet.table, "default", LIMIT, "other", fleet.clock.now)
    other.wish(START, renewed=False)
    holder.end(TURN_SECS - 0.01)
    holder.begin()
    other.withdraw()
    holder.end(0.02)
    assert (holder.holds, fleet.table.reads) == (1, 1)


def test_a_dead_worker_counts_as_waiting_only_while_its_wish_lasts(fleet: Fleet) -> None:
    """Then the next write of another worker removes it."""
    busy = fleet.holder()

    class DiedError(Exception):
        pass

    def die() -> None:
        raise DiedError

    fleet.once_asleep(die)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(WorkerLeases, "close", lambda _self: None)
        with pytest.raises(DiedError), one(fleet.worker()):
            pass
    assert len(fleet.wishes()) == 1
    busy.end(WISH_SECS + CLOCK_SKEW_SECS + 1)
    assert busy.holds == LIMIT
    busy.stop()
    assert set(fleet.item()) == {"pk"}


# --- what is not needed, and what is free ---------------------------------------------------------------


def test_a_connection_is_given_back_as_soon_as_it_is_idle(fleet: Fleet) -> None:
    """It does not wait for the end of the batch, whose last call may take long."""
    holder = fleet.holder(pushes=LIMIT)
    for idle in range(1, LIMIT + 1):
        holder.end()
        assert fleet.free() == idle


def test_a_worker_with_more_to_send_takes_what_others_gave_back(fleet: Fleet) -> None:
    """It looks at the end of each call."""
    other = fleet.holder(pushes=2, calls=2)
    holder = fleet.holder(calls=1)
    other.stop()
    assert holder.holds == 1
    holder.end()
    assert holder.holds == LIMIT


def test_few_calls_of_dynamodb_are_made(fleet: Fleet) -> None:
    """A lone push takes two writes, and a batch at most one look for each call besides."""
    with one(fleet.worker()):
        pass
    assert (fleet.table.writes, fleet.table.reads) == (2, 0)
    fleet.table.writes = 0
    alone = fleet.holder(pushes=10)
    for _ in range(7):
        alone.end()
        alone.begin()
    assert (fleet.table.writes, fleet.table.reads) == (1, 7)
    alone.stop()
    assert fleet.table.writes == 1 + LIMIT
