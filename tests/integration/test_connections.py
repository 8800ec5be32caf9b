"""Workers share the account's connections on a real DynamoDB, and never use more than it has."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from connection_fleet import LIMIT, MAX_WAIT_SECS, SHORT_CALL_SECS, START, Fleet, left, one
from local_aws import LocalAws
from push_relay.core.account import Account
from push_relay.core.clock import CLOCK_SKEW_SECS
from push_relay.core.delivery.sender import SETTLE_MARGIN_SECS
from push_relay.core.errors import ConnectionsBusy
from samples.version_before.connections import TURN_SECS, WISH_SECS
from samples.version_before.leases import DynamoDbLeaseRecord
from samples.version_before.share import LeasedShare, SharedConnections
from samples.version_before.worker_leases import WorkerLeases


@pytest.fixture
def fleet(local_stores: LocalAws) -> Fleet:
    """Return a fleet with a separate table."""
    return Fleet(local_stores.table())


# --- the limit -----------------------------------------------------------------------------------------


def test_a_single_worker_may_lease_all_connections(fleet: Fleet) -> None:
    """When it has finished, the record contains no lease."""
    alone = fleet.holder()
    assert (alone.leased, fleet.free()) == (LIMIT, 0)
    alone.stop()
    assert fleet.free() == LIMIT
    assert set(fleet.item()) == {"pk"}


def test_a_worker_leases_at_most_one_connection_for_each_push(fleet: Fleet) -> None:
    """Another worker can lease the rest."""
    holder = fleet.holder(pushes=2, calls=1)
    assert (holder.leased, fleet.free()) == (2, 1)


@pytest.mark.parametrize(("workers", "limit"), [(6, LIMIT), (10, LIMIT), (2, 1), (3, 2)])
def test_all_workers_send_all_of_their_pushes(fleet: Fleet, workers: int, limit: int) -> None:
    """Never more calls run at a time than the account has connections, for any number of workers."""
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


def test_leases_of_the_previous_version_count(fleet: Fleet) -> None:
    """During a deployment both versions use the same record."""
    fleet.occupy(1, until=START + 60)
    assert fleet.free() == LIMIT - 1


def test_each_account_has_separate_connections(fleet: Fleet) -> None:
    """One organisation's pushes must not wait for the calls of another."""
    busy = fleet.holder()
    other = DynamoDbLeaseRecord(fleet.table, "bakery", LIMIT, "other", fleet.clock.now)
    assert list(other.take(range(LIMIT), 10.0).mine) == list(range(LIMIT))
    assert (busy.leased, fleet.free()) == (LIMIT, 0)
    busy.stop()
    assert fleet.free() == LIMIT


# --- waiting -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("seconds", "max_wait_secs"), [(60.0, MAX_WAIT_SECS), (8.0, 8 - 2 * SETTLE_MARGIN_SECS), (2.0, 0.0)]
)
def test_a_worker_waits_for_the_longest_lease_and_while_it_has_time(
    fleet: Fleet, seconds: float, max_wait_secs: float
) -> None:
    """Each pause has a different length. The worker leaves no wish behind."""
    fleet.occupy(*range(LIMIT), until=START + 100)
    with pytest.raises(ConnectionsBusy), one(fleet.worker(), seconds):
        pass
    assert sum(fleet.slept) == pytest.approx(max_wait_secs)
    assert len(set(fleet.slept)) == len(fleet.slept)
    assert not fleet.wishes()


def test_the_pushes_of_one_batch_wait_only_once(fleet: Fleet) -> None:
    """If the first push does not get a connection, the others fail at once."""
    fleet.occupy(*range(LIMIT), until=START + 100)
    with fleet.worker().held(3, left()) as share:
        for _ in range(3):
            with pytest.raises(ConnectionsBusy), share.connection(urgent=False):
                pass
    assert sum(fleet.slept) == pytest.approx(MAX_WAIT_SECS)


def test_a_waiting_worker_gets_a_connection_at_the_end_of_a_call(fleet: Fleet) -> None:
    """The other worker keeps the remaining connections, and continues."""
    busy = fleet.holder()
    fleet.once_asleep(busy.end)
    with one(fleet.worker()):
        assert sum(fleet.slept) < 2 * SHORT_CALL_SECS
        assert busy.leased == LIMIT - 1
        assert fleet.free() == 0
        busy.end()
        busy.begin()
        assert busy.leased == LIMIT - 1


def test_a_waiting_worker_takes_connections_that_another_releases(fleet: Fleet) -> None:
    """It leases as many as it needs when it checks again."""
    busy = fleet.holder(pushes=LIMIT)
    fleet.once_asleep(busy.stop)
    late = fleet.holder(pushes=2, calls=1)
    assert late.leased == 2


def test_workers_take_turns_if_there_are_more_of_them_than_connections(fleet: Fleet) -> None:
    """A worker keeps its last connection for a moment, then hands it over and waits for its next turn."""
    fleet.occupy(1, 2, until=START + 100)
    first = fleet.holder(calls=1)
    ended: list[float] = []

    def end_of_a_call() -> None:
        if not ended or first.leased:
            ended.append(fleet.clock.time)
            first.end(0.0)
            if first.leased:
                first.begin()

    fleet.while_sleeping = end_of_a_call
    with one(fleet.worker()):
        fleet.while_sleeping = lambda: None
        assert first.leased == 0
        assert TURN_SECS <= ended[-1] - START < 2 * TURN_SECS
        assert len(fleet.wishes()) == 1
    first.begin()
    assert (first.leased, fleet.wishes()) == (1, [])


def test_a_new_worker_does_not_take_a_connection_that_is_left_for_another(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The worker that waits takes it when it checks again."""
    monkeypatch.setattr(
        "samples.version_before.worker_leases.random.sample", lambda free, count: list(free)[:count]
    )
    fleet.occupy(*range(LIMIT), until=START + 100)

    def new_worker_starts() -> None:
        fleet.occupy(0, until=START - 100)
        with pytest.raises(ConnectionsBusy), one(fleet.worker(), 2 * SETTLE_MARGIN_SECS):
            pass

    fleet.once_asleep(new_worker_starts)
    with one(fleet.worker()):
        assert len(fleet.slept) == 1


def test_an_urgent_push_overtakes_others_within_its_head_start(fleet: Fleet) -> None:
    """It gets the first connection that is handed over, although it has waited for a shorter time."""
    busy = fleet.holder()

    def urgent_push_arrives() -> None:
        fleet.once_asleep(busy.end)
        with one(fleet.worker(), urgent=True):
            assert len(fleet.slept) == 2
            assert len(fleet.wishes()) == 1
        fleet.once_asleep(busy.end)

    fleet.once_asleep(urgent_push_arrives)
    with one(fleet.worker()):
        assert not fleet.wishes()


def test_a_connection_is_not_handed_to_a_worker_that_has_stopped_waiting(fleet: Fleet) -> None:
    """A worker's view of the others may be outdated."""
    fleet.occupy(1, 2, until=START + 100)
    holder = fleet.holder(calls=1)
    other = DynamoDbLeaseRecord(fleet.table, "default", LIMIT, "other", fleet.clock.now)
    other.wish(START, renewed=False)
    holder.end(TURN_SECS - 0.01)
    holder.begin()
    other.withdraw()
    holder.end(0.02)
    assert (holder.leased, fleet.table.reads) == (1, 1)


def test_a_dead_worker_counts_as_waiting_only_while_its_wish_lasts(fleet: Fleet) -> None:
    """After that, the next write of another worker removes the wish."""
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
    assert busy.leased == LIMIT
    busy.stop()
    assert set(fleet.item()) == {"pk"}


# --- releasing and taking connections -------------------------------------------------------------------


def test_a_connection_is_released_as_soon_as_it_is_idle(fleet: Fleet) -> None:
    """It is not kept until the end of the batch, whose last call may take long."""
    holder = fleet.holder(pushes=LIMIT)
    for idle in range(1, LIMIT + 1):
        holder.end()
        assert fleet.free() == idle


def test_a_busy_worker_takes_connections_that_others_released(fleet: Fleet) -> None:
    """It checks at the end of each of its calls."""
    other = fleet.holder(pushes=2, calls=2)
    holder = fleet.holder(calls=1)
    other.stop()
    assert holder.leased == 1
    holder.end()
    assert holder.leased == LIMIT


def test_few_calls_of_dynamodb_are_made(fleet: Fleet) -> None:
    """A single push needs two writes. A batch needs at most one additional read for each call."""
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
