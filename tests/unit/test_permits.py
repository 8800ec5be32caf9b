"""A worker's permits: connections, calls and circuit in one write to begin and one to end."""

import math

import pytest

from permit_fleet import ACCOUNT, NOON, Fleet, call, pushes, raised
from ports import CREDENTIALS
from push_relay.core.account import Account
from push_relay.core.clock import CLOCK_SKEW_SECS
from push_relay.core.delivery.permit_session import LOOK_FRESH_SECS, MARGIN_SECS, RENEWAL_SECS
from push_relay.core.delivery.permits import Lease
from push_relay.core.errors import (
    ConnectionsBusy,
    DeliveryUnknown,
    LedgerUnavailable,
    VendorRejected,
    VendorUnavailable,
)

CALL_SECS = 10.0
LEASE_SECS = CALL_SECS + MARGIN_SECS + RENEWAL_SECS


@pytest.fixture
def fleet() -> Fleet:
    """Return a fleet."""
    return Fleet()


# --- connections ---------------------------------------------------------------------------------------


def test_a_warm_worker_begins_with_one_write_and_ends_with_one() -> None:
    """A day's calls are drawn in blocks, so that few asks draw."""
    fleet = Fleet(Account())
    process = fleet.process()
    for number in range(3):
        fleet.store.operations.clear()
        session = process.session(lambda: 60.0)
        assert session.ask(pushes(3, number * 10), 3) == [None] * 3
        for push in pushes(3, number * 10):
            call(session, push)
        assert not session.finish()
    assert fleet.store.operations == ["swap", "swap"]
    assert (fleet.used(), fleet.leases()) == (9, 0)


def test_a_cold_process_reads_once(fleet: Fleet) -> None:
    """Its first write can be refused only by another worker."""
    fleet.session().ask(pushes(1), 1)
    assert fleet.store.operations == ["read", "draw", "swap"]


def test_a_session_without_an_ask_writes_and_reads_nothing(fleet: Fleet) -> None:
    """All its pushes may have been duplicates."""
    session = fleet.session()
    session.release_idle(0)
    assert not session.finish()
    assert fleet.store.operations == []


def test_if_no_connection_is_free_every_push_is_refused_and_no_call_is_counted(fleet: Fleet) -> None:
    """The other worker goes on with the pushes."""
    holder = fleet.session()
    holder.ask(pushes(3), 3)
    process = fleet.process()
    session = process.session(lambda: 60.0)
    refusals = session.ask(pushes(5, 10), 3)
    assert [type(refusal) for refusal in refusals] == [ConnectionsBusy] * 5
    assert (session.connections, fleet.used()) == (0, 3)
    assert process.are_busy
    fleet.clock.time += 4
    assert not process.are_busy


def test_a_process_is_not_busy_because_of_its_own_connections(fleet: Fleet) -> None:
    """Its own worker can send what comes."""
    process = fleet.process()
    process.session(lambda: 60.0).ask(pushes(3), 3)
    assert not process.are_busy


def test_a_worker_takes_no_connection_that_no_push_will_use(fleet: Fleet) -> None:
    """Two workers share three connections, whatever the first would have liked."""
    first, second = fleet.session(), fleet.session()
    first.ask(pushes(2), 3)
    second.ask(pushes(5, 10), 3)
    assert (first.connections, second.connections) == (2, 1)


def test_connections_are_returned_when_they_are_idle(fleet: Fleet) -> None:
    """A connection that carries a call is kept."""
    session = fleet.session()
    session.ask(pushes(3), 3)
    with session.call(pushes(1)[0], CREDENTIALS, 10.0):
        session.release_idle(1)
        assert (session.connections, fleet.leases()) == (1, 1)
        session.release_idle(0)
        assert (session.connections, fleet.leases()) == (1, 1)


def test_the_end_leaves_a_call_its_connection(fleet: Fleet) -> None:
    """The call is going on, and its lease ends later."""
    session = fleet.session()
    session.ask(pushes(2), 2)
    with session.call(pushes(1)[0], CREDENTIALS, 10.0):
        session.finish()
        assert fleet.leases() == 1


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(LEASE_SECS + CLOCK_SKEW_SECS - 0.1, ConnectionsBusy), (LEASE_SECS + CLOCK_SKEW_SECS, type(None))],
)
def test_the_connections_of_a_dead_worker_are_free_when_its_leases_end(
    fleet: Fleet, seconds: float, expected: type
) -> None:
    """They are not free earlier, because its clock may be ahead."""
    fleet.session().ask(pushes(3), 3)
    fleet.clock.time += seconds
    assert type(fleet.session().ask(pushes(1, 10), 1)[0]) is expected


def test_no_lease_lasts_longer_than_the_invocation(fleet: Fleet) -> None:
    """A worker that is stopped by its timeout does not block its connections any longer."""
    fleet.session(left=4.0).ask(pushes(3), 3)
    fleet.clock.time += 4 + CLOCK_SKEW_SECS
    assert fleet.session().ask(pushes(1, 10), 1) == [None]


def test_a_call_renews_the_leases_only_if_they_do_not_cover_the_longest_call(fleet: Fleet) -> None:
    """In that case one write renews all of them."""
    session = fleet.session()
    session.ask(pushes(3), 3)
    for push, passed, writes in zip(pushes(2), (RENEWAL_SECS - 0.5, 1.0), (0, 1), strict=True):
        fleet.store.operations.clear()
        fleet.clock.time += passed
        call(session, push)
        assert fleet.store.operations.count("swap") == writes
    ends = {lease.until for lease in fleet.store.permits.leases.values()}
    assert ends == {math.ceil(fleet.clock.time + LEASE_SECS)}


def test_a_call_ends_before_its_lease(fleet: Fleet) -> None:
    """The time for the call is limited by the lease, even if the invocation has more time."""
    session = fleet.session()
    session.ask(pushes(1), 1)
    assert call(session, pushes(1)[0]) == LEASE_SECS


def test_a_lost_lease_carries_no_call(fleet: Fleet) -> None:
    """Another worker took the connections after the leases had ended."""
    session = fleet.session()
    session.ask(pushes(3), 3)
    fleet.clock.time += LEASE_SECS + CLOCK_SKEW_SECS
    fleet.session().ask(pushes(3, 10), 3)
    error = raised(lambda: call(session, pushes(1)[0]))
    assert isinstance(error, ConnectionsBusy)
    assert session.connections == 0
    session.finish()
    assert fleet.leases() == 3


def test_a_lease_that_has_ended_is_extended_if_nobody_has_taken_it(fleet: Fleet) -> None:
    """It does not count as a connection that is free in addition."""
    session = fleet.session()
    session.ask(pushes(1), 1)
    fleet.clock.time += 60
    session.ask(pushes(3), 3)
    assert session.connections == 3


def test_a_worker_whose_connections_are_all_busy_has_none_for_another_call(fleet: Fleet) -> None:
    """Its threads are as many as its connections, so this is a connection that was lost."""
    session = fleet.session()
    session.ask(pushes(2), 1)
    with session.call(pushes(1)[0], CREDENTIALS, 10.0):
        assert isinstance(raised(lambda: call(session, pushes(2)[1])), ConnectionsBusy)
    call(session, pushes(2)[1])


# --- calls of unknown end ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "error",
    [DeliveryUnknown("timeout"), VendorUnavailable("gateway", unfinished=True), ValueError("unknown")],
)
def test_the_connection_of_an_unfinished_call_stays_reserved(fleet: Fleet, error: Exception) -> None:
    """No later write of the worker ends the reservation, also if it drains."""
    session = fleet.session(drains=True)
    session.ask(pushes(3), 3)
    call(session, pushes(1)[0], error)
    assert session.connections == 2
    session.finish()
    (lease,) = fleet.store.permits.leases.values()
    assert lease.owner.endswith("-unfinished")
    assert not lease.owner.startswith("drain-")
    assert lease.until == NOON + ACCOUNT.vendor_finish_secs


@pytest.mark.parametrize(
    "error", [VendorRejected("no"), DeliveryUnknown("reset", unfinished=False), VendorUnavailable("503")]
)
def test_the_connection_of_a_finished_call_can_be_used_again(fleet: Fleet, error: Exception) -> None:
    """The vendor has ended the call."""
    session = fleet.session()
    session.ask(pushes(3), 3)
    call(session, pushes(1)[0], error)
    assert session.connections == 3
    session.finish()
    assert fleet.leases() == 0


def test_a_reservation_that_could_not_be_stored_is_stored_with_the_next_write(fleet: Fleet) -> None:
    """Until then the lease keeps others away."""
    session = fleet.session()
    session.ask(pushes(3), 3)
    fleet.store.error = LedgerUnavailable("down")
    call(session, pushes(1)[0], DeliveryUnknown("timeout"))
    assert session.connections == 2
    fleet.store.error = None
    session.finish()
    assert [lease.owner[-11:] for lease in fleet.store.permits.leases.values()] == ["-unfinished"]


# --- answers that are lost -----------------------------------------------------------------------------


def test_a_lost_answer_to_an_ask_over_counts_and_leaves_no_lease(fleet: Fleet) -> None:
    """The calls stay counted, because the answer does not show whether they were."""
    session = fleet.session()
    fleet.store.loses = lambda operation: operation == "swap"
    assert isinstance(raised(lambda: session.ask(pushes(3), 3)), LedgerUnavailable)
    fleet.store.loses = lambda _operation: False
    assert session.ask(pushes(3), 3) == [None] * 3
    session.finish()
    assert (fleet.used(), fleet.leases()) == (3, 0)


def test_a_lost_answer_to_the_end_frees_the_connections_of_both_writes(fleet: Fleet) -> None:
    """The worker does not know that it has none any more, and asks again."""
    session = fleet.session()
    session.ask(pushes(3), 3)
    fleet.store.fails = lambda operation: operation == "swap"
    assert not session.finish()
    assert (session.connections, fleet.leases()) == (0, 3)
    fleet.store.fails = lambda _operation: False
    session.ask(pushes(1, 10), 1)
    assert session.connections == 3
    session.finish()
    assert fleet.leases() == 0


def test_a_write_of_unknown_result_is_never_made_later(fleet: Fleet) -> None:
    """A worker that uses the connections again writes first, also if it only looks."""
    session = fleet.session(drains=True)
    session.ask(pushes(3), 3)
    before = fleet.store.permits
    fleet.store.fails = lambda operation: operation == "swap"
    session.release_idle(1)
    fleet.store.fails = lambda _operation: False
    session.look()
    assert session.connections == 3
    late = before._replace(leases={}, stamp="late")
    assert fleet.store.swap(before, late).stamp != "late"


def test_a_worker_gives_up_if_others_are_always_faster(fleet: Fleet) -> None:
    """It does not try for ever."""
    session, others = fleet.session(), iter(range(1000))

    def change(operation: str) -> bool:
        if operation == "swap":
            fleet.store.permits = fleet.store.permits._replace(stamp=f"other-{next(others)}")
        return False

    fleet.store.fails = change
    assert "at once" in raised(lambda: session.ask(pushes(1), 1)).detail


def test_a_lease_that_the_version_before_took_without_a_stamp_is_respected(fleet: Fleet) -> None:
    """It changes only its own attributes, so a write that changes this lease is refused."""
    process = fleet.process()
    process.session(lambda: 60.0).finish(unless_announced=True)
    old = Lease("before", int(NOON) + 30)
    fleet.store.permits = fleet.store.permits._replace(leases={0: old, 2: old})
    session = process.session(lambda: 60.0)
    session.ask(pushes(3), 3)
    assert session.connections == 1
    session.finish()
    assert fleet.store.permits.leases == {0: old, 2: old}


# --- announcements -------------------------------------------------------------------------------------


def test_a_worker_that_drains_finds_what_was_announced(fleet: Fleet) -> None:
    """It keeps its connections instead of ending."""
    session, other = fleet.session(drains=True), fleet.process()
    session.ask(pushes(3), 3)
    assert not session.look()
    assert other.announce() is None
    assert session.finish(unless_announced=True)
    assert session.connections == 3
    assert other.announce() is None
    fleet.clock.time += LOOK_FRESH_SECS
    assert session.look()
    assert not session.look()
    assert not session.finish(unless_announced=True)
    assert other.announce() == 0


def test_an_announcement_to_no_one_returns_when_a_wake_up_is_needed(fleet: Fleet) -> None:
    """A worker that does not drain will not look."""
    fleet.session().ask(pushes(3), 3)
    process = fleet.process()
    assert process.announce() == LEASE_SECS + CLOCK_SKEW_SECS
    assert not fleet.store.permits.announced
    # One wake-up is enough, if it does not get lost.
    assert fleet.process().announce() is None
    fleet.clock.time = fleet.store.permits.woken
    assert process.announce() == 0.0


def test_a_wake_up_is_not_needed_sooner_than_after_a_second(fleet: Fleet) -> None:
    """The first lease ends in a moment, and its worker may renew it."""
    fleet.session().ask(pushes(3), 3)
    fleet.clock.time += LEASE_SECS + CLOCK_SKEW_SECS - 0.5
    assert fleet.process().announce() == 1.0


def test_a_worker_whose_lease_has_ended_drains_nothing(fleet: Fleet) -> None:
    """It was killed."""
    fleet.session(drains=True).ask(pushes(1), 1)
    process = fleet.process()
    fleet.clock.time += LEASE_SECS + CLOCK_SKEW_SECS
    assert process.announce() == 0.0


def test_an_announcement_that_was_cleared_meanwhile_is_made_again(fleet: Fleet) -> None:
    """The process still knows the one before, so only the store shows that it was cleared."""
    session, other = fleet.session(drains=True), fleet.process()
    session.ask(pushes(3), 3)
    assert other.announce() is None
    fleet.clock.time += LOOK_FRESH_SECS
    assert session.look()
    assert other.announce() is None
    assert fleet.store.permits.announced


def test_a_worker_that_has_lost_its_connections_still_finds_the_announcement(fleet: Fleet) -> None:
    """Nobody else would."""
    session, other = fleet.session(drains=True), fleet.process()
    session.ask(pushes(1), 1)
    assert other.announce() is None
    fleet.clock.time += LEASE_SECS + CLOCK_SKEW_SECS
    fleet.session().ask(pushes(3, 10), 3)
    assert session.finish(unless_announced=True)
