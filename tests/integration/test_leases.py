"""Leases of connections end on time, cover calls that time out, and survive failures of DynamoDB."""

from contextlib import suppress

import pytest

from connection_fleet import (
    CALL_SECS,
    FINISH_SECS,
    KEY,
    LEASE_SECS,
    LIMIT,
    START,
    Fleet,
    left,
    one,
)
from local_aws import LocalAws
from push_relay.core.clock import CLOCK_SKEW_SECS
from push_relay.core.errors import (
    ConnectionsBusy,
    DeliveryUnknown,
    LedgerUnavailable,
    VendorRejected,
    VendorUnavailable,
)
from samples.version_before.connections import WISH_SECS
from samples.version_before.leases import DynamoDbLeaseRecord
from samples.version_before.worker_leases import Refused


@pytest.fixture
def fleet(local_stores: LocalAws) -> Fleet:
    """Return a fleet with a separate table."""
    return Fleet(local_stores.table())


# --- the end of a lease --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("seconds", "skew", "expected"),
    [
        (LEASE_SECS + CLOCK_SKEW_SECS - 0.1, 0.0, 0),
        (LEASE_SECS + CLOCK_SKEW_SECS, 0.0, LIMIT),
        (LEASE_SECS - 0.1, CLOCK_SKEW_SECS, 0),
        (LEASE_SECS, CLOCK_SKEW_SECS, LIMIT),
        (LEASE_SECS + 2 * CLOCK_SKEW_SECS, -CLOCK_SKEW_SECS, LIMIT),
    ],
)
def test_the_leases_of_a_killed_worker_end_after_about_a_call(
    fleet: Fleet, seconds: float, skew: float, expected: int
) -> None:
    """They do not end earlier, even if the clock of another worker is ahead by the allowed difference."""
    fleet.holder().die()
    fleet.clock.time = START + seconds
    assert fleet.free(skew) == expected


def test_no_lease_lasts_longer_than_the_invocation(fleet: Fleet) -> None:
    """A worker that is stopped by its timeout does not block its connections any longer."""
    fleet.holder(seconds=4.0).die()
    fleet.clock.time = START + 4 + CLOCK_SKEW_SECS
    assert fleet.free() == LIMIT


def test_a_call_renews_the_leases_only_if_they_do_not_cover_the_longest_call(fleet: Fleet) -> None:
    """In that case a single write renews all of them."""
    holder = fleet.holder(calls=LIMIT)
    for passed, writes in ((LEASE_SECS - CALL_SECS - 0.5, 1), (1.0, 2)):
        holder.end(passed)
        holder.begin()
        assert fleet.table.writes == writes
    fleet.clock.time += LEASE_SECS - 1
    assert fleet.free() == 0


def test_a_call_ends_before_its_lease(fleet: Fleet) -> None:
    """The time for the call is limited by the lease, even if the invocation has more time."""
    with one(fleet.worker()) as connection:
        with connection.call(100.0) as seconds:
            assert seconds == pytest.approx(LEASE_SECS, abs=1)
        with connection.call(4.0) as seconds:
            assert seconds == 4.0


def test_no_call_is_made_without_a_lease(fleet: Fleet) -> None:
    """After the lease has ended, another worker may have the connection, and keeps it."""
    with one(fleet.worker()) as connection:
        fleet.clock.time += LEASE_SECS + CLOCK_SKEW_SECS + 1
        other = fleet.holder()
        with pytest.raises(ConnectionsBusy), connection.call(CALL_SECS):
            pytest.fail("a call was made")
    assert (other.leased, fleet.free()) == (LIMIT, 0)


def test_a_worker_that_lost_some_leases_keeps_the_others(fleet: Fleet) -> None:
    """It releases the others when it end_of_call."""
    late = fleet.holder()
    fleet.clock.time += LEASE_SECS + CLOCK_SKEW_SECS + 1
    with one(fleet.worker()):
        late.end()
        with suppress(ConnectionsBusy):  # raised if the lease of this connection is the lost one
            late.begin()
        assert late.leased == LIMIT - 1
        late.stop()
        assert fleet.free() == LIMIT - 1


# --- calls that the vendor may still be working on ---------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "is_kept"),
    [
        (DeliveryUnknown("timeout"), True),
        (VendorUnavailable("504", unfinished=True), True),
        (RuntimeError("unknown"), True),
        (DeliveryUnknown("the vendor closed the connection", unfinished=False), False),
        (VendorUnavailable("503"), False),
        (VendorRejected("400"), False),
    ],
    ids=str,
)
def test_a_connection_stays_leased_until_the_vendor_has_ended_the_call(
    fleet: Fleet, error: Exception, *, is_kept: bool
) -> None:
    """The worker uses its other connections, and releases them when it end_of_call."""
    holder = fleet.holder()
    holder.fail(error)
    assert holder.leased == LIMIT - is_kept
    holder.stop()
    fleet.clock.time = START + FINISH_SECS - 1
    assert fleet.free() == LIMIT - is_kept
    fleet.clock.time = START + FINISH_SECS + CLOCK_SKEW_SECS + 1
    assert fleet.free() == LIMIT


def test_a_connection_that_could_not_be_reserved_is_reserved_at_the_end_of_the_next_call(
    fleet: Fleet,
) -> None:
    """It is not released in the meantime."""
    holder = fleet.holder()
    fleet.table.fails = lambda _expression: True
    holder.fail(DeliveryUnknown("timeout"))
    fleet.table.fails = lambda _expression: False
    holder.end()
    holder.die()
    fleet.clock.time = START + FINISH_SECS - 1
    assert fleet.free() == LIMIT - 1


def test_a_connection_that_could_not_be_reserved_is_reserved_at_the_end_of_the_batch(fleet: Fleet) -> None:
    """In this case there was no other call in the meantime."""
    holder = fleet.holder(calls=1)
    fleet.table.fails = lambda _expression: True
    holder.fail(DeliveryUnknown("timeout"))
    fleet.table.fails = lambda _expression: False
    holder.stop()
    fleet.clock.time = START + FINISH_SECS - 1
    assert fleet.free() == LIMIT - 1


def test_a_worker_does_not_lease_a_connection_again_that_it_could_not_reserve(fleet: Fleet) -> None:
    """The record still has the worker as the owner."""
    fleet.occupy(1, 2, until=START + 100)
    holder = fleet.holder(calls=1)
    fleet.table.fails = lambda expression: "SET" in expression and "REMOVE" not in expression
    holder.fail(DeliveryUnknown("timeout"))
    fleet.clock.time += 1
    with pytest.raises((ConnectionsBusy, LedgerUnavailable)):
        holder.begin()


def test_all_connections_can_be_reserved(fleet: Fleet) -> None:
    """The remaining pushes wait, and are parked if that takes too long."""
    holder = fleet.holder()
    for _ in range(LIMIT):
        holder.fail(DeliveryUnknown("timeout"))
    with pytest.raises(ConnectionsBusy):
        holder.begin()
    assert fleet.free() == 0


# --- lost answers of DynamoDB --------------------------------------------------------------------------


def test_a_repeated_write_recognises_its_first_attempt(fleet: Fleet) -> None:
    """If an answer is lost, the AWS client sends the write again."""
    mine, other = (
        DynamoDbLeaseRecord(fleet.table, "default", LIMIT, name, fleet.clock.now) for name in ("me", "other")
    )
    for _ in range(2):
        assert set(mine.take([0, 1], LEASE_SECS).mine) == {0, 1}
    for _ in range(2):
        assert set(mine.renew([0, 1], LEASE_SECS).mine) == {0, 1}
    with pytest.raises(Refused) as refused:
        other.take([0, 2], LEASE_SECS)
    assert (refused.value.view.free, refused.value.view.mine) == ([2], {})
    for _ in range(2):
        assert set(mine.keep(1, int(START) + FINISH_SECS).mine) == {0}
    other.wish(START, renewed=False)
    mine.pass_on({0: "other"}, LEASE_SECS)
    with pytest.raises(Refused) as refused:
        mine.pass_on({0: "other"}, LEASE_SECS)
    assert not refused.value.view.mine
    assert set(other.look().mine) == {0}


def test_a_wish_that_was_removed_as_a_dead_workers_is_made_again(fleet: Fleet) -> None:
    """The worker notices it when it checks again, and keeps its place in the line."""
    holder = fleet.holder()
    first = fleet.clock.time

    def remove() -> None:
        (wish,) = fleet.wishes()
        fleet.table.update(Key=KEY, UpdateExpression=f"REMOVE {wish}")
        fleet.while_sleeping = hand_over

    def hand_over() -> None:
        (wish,) = fleet.wishes()
        assert fleet.item()[wish]["M"]["since"]["N"] == str(round(first * 1000))
        fleet.while_sleeping = holder.end

    fleet.while_sleeping = remove
    with one(fleet.worker()):
        assert holder.leased == LIMIT - 1


def test_a_worker_renews_its_wish_if_it_waits_for_long(fleet: Fleet) -> None:
    """Otherwise it would count as dead."""
    holder = fleet.holder()

    def end_after_some_time() -> None:
        if fleet.clock.time - START > 2 * WISH_SECS:
            fleet.while_sleeping = lambda: None
            holder.end()

    fleet.while_sleeping = end_after_some_time
    with one(fleet.worker()):
        assert holder.leased == LIMIT - 1
        assert fleet.clock.time - START < LEASE_SECS


# --- failures of DynamoDB --------------------------------------------------------------------------------


def free_after_all_leases(fleet: Fleet) -> int:
    """Return the number of free connections free_after_all_leases all leases have ended."""
    fleet.clock.time += LEASE_SECS + CLOCK_SKEW_SECS + 1
    return fleet.free()


@pytest.mark.parametrize("how", ["fails", "loses"])
def test_a_worker_sends_nothing_if_its_lease_is_not_confirmed(fleet: Fleet, how: str) -> None:
    """It releases the connections that it may have leased."""
    setattr(fleet.table, how, lambda expression: "owner_0" in expression and "SET" in expression)
    with fleet.worker().held(LIMIT, left()) as share:
        for _ in range(2):
            with pytest.raises(LedgerUnavailable), share.connection(urgent=False):
                pytest.fail("a push was sent")
    setattr(fleet.table, how, lambda _expression: False)
    assert fleet.free() == LIMIT


@pytest.mark.parametrize("step", ["wish_", "read"])
def test_a_worker_that_cannot_wait_fails_at_once(fleet: Fleet, step: str) -> None:
    """It leaves no lease behind, and a wish for seconds only."""
    fleet.occupy(*range(LIMIT), until=START + 1)
    fleet.table.fails = lambda expression: step in expression
    with pytest.raises(LedgerUnavailable), one(fleet.worker()):
        pytest.fail("a push was sent")
    fleet.table.fails = lambda _expression: False
    assert len(fleet.slept) <= 1
    assert free_after_all_leases(fleet) == LIMIT


def test_a_worker_that_cannot_read_the_record_continues_with_its_leases(fleet: Fleet) -> None:
    """Reading the record only serves fairness. The leases are valid without it."""
    holder = fleet.holder()
    fleet.table.fails = lambda expression: expression == "read"
    holder.end()
    holder.begin()
    assert holder.leased == holder.running_calls == LIMIT


@pytest.mark.parametrize("how", ["fails", "loses"])
def test_a_connection_is_not_used_if_its_handover_is_uncertain(fleet: Fleet, how: str) -> None:
    """The other worker has it, or gets it when this worker end_of_call."""
    holder = fleet.holder()

    def end_of_call() -> None:
        setattr(fleet.table, how, lambda expression: "SET" in expression)
        holder.end()
        setattr(fleet.table, how, lambda _expression: False)
        assert holder.leased == LIMIT - 1
        if how == "fails":
            holder.stop()

    fleet.once_asleep(end_of_call)
    with one(fleet.worker()):
        assert holder.leased + 1 <= LIMIT
    holder.stop()
    assert fleet.free() == LIMIT


@pytest.mark.parametrize("how", ["fails", "loses"])
def test_an_additional_connection_is_not_used_if_its_lease_is_not_confirmed(fleet: Fleet, how: str) -> None:
    """It is released at the end."""
    other = fleet.holder(pushes=2, calls=2)
    holder = fleet.holder(calls=1)
    other.stop()
    setattr(fleet.table, how, lambda expression: "SET" in expression)
    holder.end()
    setattr(fleet.table, how, lambda _expression: False)
    assert holder.leased == 1
    holder.stop()
    assert fleet.free() == LIMIT


def test_no_call_is_made_on_a_lease_that_could_not_be_renewed(fleet: Fleet) -> None:
    """The next push tries to renew it again."""
    with fleet.worker().held(2, left()) as share:
        with share.connection(urgent=False) as connection:
            fleet.clock.time += LEASE_SECS - CALL_SECS + 1
            fleet.table.fails = lambda _expression: True
            with pytest.raises(LedgerUnavailable), connection.call(CALL_SECS):
                pytest.fail("a call was made")
        fleet.table.fails = lambda _expression: False
        with share.connection(urgent=False) as connection, connection.call(CALL_SECS) as seconds:
            assert seconds == CALL_SECS


@pytest.mark.parametrize("how", ["fails", "loses"])
def test_a_connection_that_could_not_be_released_is_free_when_its_lease_ends(fleet: Fleet, how: str) -> None:
    """The push is delivered nevertheless."""
    with one(fleet.worker()):
        setattr(fleet.table, how, lambda _expression: True)
    setattr(fleet.table, how, lambda _expression: False)
    assert free_after_all_leases(fleet) == LIMIT


def test_a_connection_that_was_handed_to_a_dead_worker_is_free_again_later(fleet: Fleet) -> None:
    """This takes about a call, as if the worker had died free_after_all_leases it got the connection."""
    holder = fleet.holder()

    class DiedError(Exception):
        pass

    def die() -> None:
        holder.end(0.2)
        raise DiedError

    fleet.once_asleep(die)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("samples.version_before.worker_leases.WorkerLeases.close", lambda _self: None)
        with pytest.raises(DiedError), one(fleet.worker()):
            pass
    holder.stop()
    assert fleet.free() == LIMIT - 1
    assert free_after_all_leases(fleet) == LIMIT
