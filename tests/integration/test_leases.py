"""Leases of connections end on time, outlive calls that time out, and survive a DynamoDB that fails."""

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
from push_relay.adapters.dynamodb.leases import DynamoDbLeaseRecord
from push_relay.core.clock import CLOCK_SKEW_SECS
from push_relay.core.delivery.connections import WISH_SECS
from push_relay.core.delivery.worker_leases import Refused
from push_relay.core.errors import (
    ConnectionsBusy,
    DeliveryUnknown,
    LedgerUnavailable,
    VendorRejected,
    VendorUnavailable,
)


@pytest.fixture
def fleet(local_stores: LocalAws) -> Fleet:
    """Return a fleet with a table of its own."""
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
    """They do not end earlier, even if the clock of another worker is ahead as far as it may be."""
    fleet.holder().die()
    fleet.clock.time = START + seconds
    assert fleet.free(skew) == expected


def test_no_lease_lasts_longer_than_the_invocation(fleet: Fleet) -> None:
    """A worker that is ended by its timeout does not block its connections for longer."""
    fleet.holder(seconds=4.0).die()
    fleet.clock.time = START + 4 + CLOCK_SKEW_SECS
    assert fleet.free() == LIMIT


def test_a_call_renews_the_leases_only_if_they_do_not_cover_the_longest_call(fleet: Fleet) -> None:
    """Then one write renews all of them."""
    holder = fleet.holder(calls=LIMIT)
    for passed, writes in ((LEASE_SECS - CALL_SECS - 0.5, 1), (1.0, 2)):
        holder.end(passed)
        holder.begin()
        assert fleet.table.writes == writes
    fleet.clock.time += LEASE_SECS - 1
    assert fleet.free() == 0


def test_a_call_ends_before_its_lease(fleet: Fleet) -> None:
    """The time that it may take is what the lease covers, even if the invocation has more."""
    with one(fleet.worker()) as connection:
        with connection.call(100.0) as seconds:
            assert seconds == pytest.approx(LEASE_SECS, abs=1)
        with connection.call(4.0) as seconds:
            assert seconds == 4.0


def test_no_call_is_made_on_a_lost_lease(fleet: Fleet) -> None:
    """The other worker keeps the connection, whatever the first one does."""
    with one(fleet.worker()) as connection:
        fleet.clock.time += LEASE_SECS + CLOCK_SKEW_SECS + 1
        other = fleet.holder()
        with pytest.raises(ConnectionsBusy), connection.call(CALL_SECS):
            pytest.fail("a call was made")
    assert (other.holds, fleet.free()) == (LIMIT, 0)


def test_a_worker_that_lost_some_leases_keeps_the_others(fleet: Fleet) -> None:
    """It gives them back at its end."""
    late = fleet.holder()
    fleet.clock.time += LEASE_SECS + CLOCK_SKEW_SECS + 1
    with one(fleet.worker()):
        late.end()
        with suppress(ConnectionsBusy):  # if it is the lost one
            late.begin()
        assert late.holds == LIMIT - 1
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
    """The worker uses the others, and gives them back at its end."""
    holder = fleet.holder()
    holder.fail(error)
    assert holder.holds == LIMIT - is_kept
    holder.stop()
    fleet.clock.time = START + FINISH_SECS - 1
    assert fleet.free() == LIMIT - is_kept
    fleet.clock.time = START + FINISH_SECS + CLOCK_SKEW_SECS + 1
    assert fleet.free() == LIMIT


def test_a_connection_that_could_not_be_reserved_is_reserved_at_the_end_of_the_next_call(
    fleet: Fleet,
) -> None:
    """It is not given back in the meantime."""
    holder = fleet.holder()
    fleet.table.fails = lambda _expression: True
    holder.fail(DeliveryUnknown("timeout"))
    fleet.table.fails = lambda _expression: False
    holder.end()
    holder.die()
    fleet.clock.time = START + FINISH_SECS - 1
    assert fleet.free() == LIMIT - 1


def test_a_connection_that_could_not_be_reserved_is_reserved_at_the_end_of_the_batch(fleet: Fleet) -> None:
    """There was no other call in the meantime."""
    holder = fleet.holder(calls=1)
    fleet.table.fails = lambda _expression: True
    holder.fail(DeliveryUnknown("timeout"))
    fleet.table.fails = lambda _expression: False
    holder.stop()
    fleet.clock.time = START + FINISH_SECS - 1
    assert fleet.free() == LIMIT - 1


def test_a_worker_does_not_lease_again_what_it_could_not_reserve(fleet: Fleet) -> None:
    """The record still names it as the owner."""
    fleet.occupy(1, 2, until=START + 100)
    holder = fleet.holder(calls=1)
    fleet.table.fails = lambda expression: "SET" in expression and "REMOVE" not in expression
    holder.fail(DeliveryUnknown("timeout"))
    fleet.clock.time += 1
    with pytest.raises((ConnectionsBusy, LedgerUnavailable)):
        holder.begin()


def test_all_connections_can_be_reserved(fleet: Fleet) -> None:
    """The pushes that are left wait, and are parked if that takes too long."""
    holder = fleet.holder()
    for _ in range(LIMIT):
        holder.fail(DeliveryUnknown("timeout"))
    with pytest.raises(ConnectionsBusy):
        holder.begin()
    assert fleet.free() == 0


# --- answers of DynamoDB that are lost -----------------------------------------------------------------


def test_a_write_that_is_sent_again_finds_its_own_work(fleet: Fleet) -> None:
    """If an answer is lost, AWS's client sends the write again."""
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


def test_a_wish_that_was_taken_for_a_dead_workers_is_made_again(fleet: Fleet) -> None:
    """The worker notices that when it looks again, and keeps its place in line."""
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
        assert holder.holds == LIMIT - 1


def test_a_worker_that_waits_for_long_renews_its_wish(fleet: Fleet) -> None:
    """It does not count as dead."""
    holder = fleet.holder()

    def later() -> None:
        if fleet.clock.time - START > 2 * WISH_SECS:
            fleet.while_sleeping = lambda: None
            holder.end()

    fleet.while_sleeping = later
    with one(fleet.worker()):
        assert holder.holds == LIMIT - 1
        assert fleet.clock.time - START < LEASE_SECS


# --- a DynamoDB that does not answer ---------------------------------------------------------------------


def after(fleet: Fleet) -> int:
    """Return how many connections are free when all leases have ended."""
    fleet.clock.time += LEASE_SECS + CLOCK_SKEW_SECS + 1
    return fleet.free()


@pytest.mark.parametrize("how", ["fails", "loses"])
def test_without_an_answer_to_its_lease_a_worker_sends_nothing(fleet: Fleet, how: str) -> None:
    """It gives back what it may have leased."""
    setattr(fleet.table, how, lambda expression: "owner_0" in expression and "SET" in expression)
    with fleet.worker().held(LIMIT, left()) as share:
        for _ in range(2):
            with pytest.raises(LedgerUnavailable), share.connection(urgent=False):
                pytest.fail("a push was sent")
    setattr(fleet.table, how, lambda _expression: False)
    assert fleet.free() == LIMIT


@pytest.mark.parametrize("step", ["wish_", "read"])
def test_a_worker_that_cannot_wait_fails_at_once(fleet: Fleet, step: str) -> None:
    """It leaves no lease behind, and a wish only for seconds."""
    fleet.occupy(*range(LIMIT), until=START + 1)
    fleet.table.fails = lambda expression: step in expression
    with pytest.raises(LedgerUnavailable), one(fleet.worker()):
        pytest.fail("a push was sent")
    fleet.table.fails = lambda _expression: False
    assert len(fleet.slept) <= 1
    assert after(fleet) == LIMIT


def test_a_worker_that_cannot_look_goes_on_with_what_it_has(fleet: Fleet) -> None:
    """Looking serves fairness only. The leases are valid all the same."""
    holder = fleet.holder()
    fleet.table.fails = lambda expression: expression == "read"
    holder.end()
    holder.begin()
    assert holder.holds == holder.calling == LIMIT


@pytest.mark.parametrize("how", ["fails", "loses"])
def test_a_connection_whose_handing_over_is_uncertain_is_not_used(fleet: Fleet, how: str) -> None:
    """The other worker has it, or gets it when this one ends."""
    holder = fleet.holder()

    def ends() -> None:
        setattr(fleet.table, how, lambda expression: "SET" in expression)
        holder.end()
        setattr(fleet.table, how, lambda _expression: False)
        assert holder.holds == LIMIT - 1
        if how == "fails":
            holder.stop()

    fleet.once_asleep(ends)
    with one(fleet.worker()):
        assert holder.holds + 1 <= LIMIT
    holder.stop()
    assert fleet.free() == LIMIT


@pytest.mark.parametrize("how", ["fails", "loses"])
def test_a_connection_that_was_perhaps_taken_in_addition_is_not_used(fleet: Fleet, how: str) -> None:
    """It is given back at the end."""
    other = fleet.holder(pushes=2, calls=2)
    holder = fleet.holder(calls=1)
    other.stop()
    setattr(fleet.table, how, lambda expression: "SET" in expression)
    holder.end()
    setattr(fleet.table, how, lambda _expression: False)
    assert holder.holds == 1
    holder.stop()
    assert fleet.free() == LIMIT


def test_no_call_is_made_on_a_lease_that_could_not_be_renewed(fleet: Fleet) -> None:
    """The next push tries again."""
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
def test_a_connection_that_could_not_be_given_back_ends_with_its_lease(fleet: Fleet, how: str) -> None:
    """The push is delivered all the same."""
    with one(fleet.worker()):
        setattr(fleet.table, how, lambda _expression: True)
    setattr(fleet.table, how, lambda _expression: False)
    assert after(fleet) == LIMIT


def test_a_connection_handed_to_a_dead_worker_comes_free(fleet: Fleet) -> None:
    """That takes about a call, as if the worker had died after it got the connection."""
    holder = fleet.holder()

    class DiedError(Exception):
        pass

    def die() -> None:
        holder.end(0.2)
        raise DiedError

    fleet.once_asleep(die)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("push_relay.core.delivery.worker_leases.WorkerLeases.close", lambda _self: None)
        with pytest.raises(DiedError), one(fleet.worker()):
            pass
    holder.stop()
    assert fleet.free() == LIMIT - 1
    assert after(fleet) == LIMIT
