"""The permits and the backlog: who drains it, who is woken for it, and whether it has killed a worker."""

import pytest

from permit_fleet import NOON, Fleet, call, pushes
from push_relay.core.clock import CLOCK_SKEW_SECS
from push_relay.core.delivery.permit_circuit import FRESH_SECS
from push_relay.core.delivery.permit_ports import Session
from push_relay.core.delivery.permit_session import LOOK_FRESH_SECS, MARGIN_SECS, RENEWAL_SECS
from push_relay.core.delivery.permits import WAKE_GRACE_SECS
from push_relay.core.errors import ConnectionsBusy, DeliveryUnknown, LedgerUnavailable

#: Seconds after which every lease of a dead worker has ended.
LATER_SECS = 10.0 + MARGIN_SECS + RENEWAL_SECS + CLOCK_SKEW_SECS + 1


@pytest.fixture
def fleet() -> Fleet:
    """Return a fleet."""
    return Fleet()


def drain(fleet: Fleet, left: float = 60.0) -> Session:
    """Start a process that drains the backlog."""
    return fleet.process().session(lambda: left, drains=True, drains_now=True)


# --- what is announced at the end ----------------------------------------------------------------------


def test_a_worker_whose_calls_are_all_unfinished_returns_what_was_announced_before(fleet: Fleet) -> None:
    """The worker that announced has relied on this connection, and has sent no wake-up."""
    session, other = fleet.session(drains=True), fleet.process()
    session.ask(pushes(1), 1)
    assert other.announce() is None
    call(session, pushes(1)[0], DeliveryUnknown("lost"))
    assert session.connections == 0
    # From now on, it is not relied on.
    assert other.announce() == 0.0
    assert session.finish()


def test_a_worker_whose_last_call_is_unfinished_needs_no_further_write(fleet: Fleet) -> None:
    """The write that reserved the connection has shown that nothing was announced."""
    session = fleet.session(drains=True)
    session.ask(pushes(1), 1)
    call(session, pushes(1)[0], DeliveryUnknown("lost"))
    before = len(fleet.store.operations)
    assert not session.finish()
    assert len(fleet.store.operations) == before


def test_a_worker_whose_leases_others_have_returns_what_was_announced_before(fleet: Fleet) -> None:
    """It has noticed that with an ask without success."""
    session, other = fleet.session(drains=True), fleet.process()
    session.ask(pushes(1), 1)
    call(session, pushes(1)[0])
    assert other.announce() is None
    fleet.clock.time += LATER_SECS
    fleet.session().ask(pushes(3, 10), 3)
    session.ask(pushes(1, 50), 1)
    assert session.connections == 0
    assert session.finish()


def test_a_worker_that_never_had_a_connection_has_nothing_announced(fleet: Fleet) -> None:
    """An announcement is for the worker that has one."""
    busy = fleet.session(drains=True)
    busy.ask(pushes(3), 3)
    assert fleet.process().announce() is None
    other = fleet.session(drains=True)
    assert isinstance(other.ask(pushes(1, 10), 1)[0], ConnectionsBusy)
    assert not other.finish()
    assert busy.finish()


# --- wake-ups ------------------------------------------------------------------------------------------


def test_one_wake_up_at_a_time_is_sent_until_it_is_overdue(fleet: Fleet) -> None:
    """Each of many workers that announce would otherwise send one."""
    assert fleet.process().announce() == 0.0
    for secs in (0.0, 1.0, WAKE_GRACE_SECS - 1.0):
        fleet.clock.time = NOON + secs
        assert fleet.process().announce() is None
    assert not fleet.store.permits.announced
    fleet.clock.time = NOON + WAKE_GRACE_SECS
    assert fleet.process().announce() == 0.0
    assert fleet.process().announce() is None


def test_a_late_wake_up_is_overdue_after_its_time(fleet: Fleet) -> None:
    """All connections are leased, so it is due when the first lease ends."""
    fleet.session().ask(pushes(3), 3)
    secs = fleet.process().announce()
    assert secs is not None
    assert secs > WAKE_GRACE_SECS
    fleet.clock.time = NOON + secs
    assert fleet.process().announce() is None
    fleet.clock.time += WAKE_GRACE_SECS + 1
    assert fleet.process().announce() is not None


def test_a_drain_ends_the_wait_for_its_wake_up(fleet: Fleet) -> None:
    """The wake-up has come. An announcement after the drain needs another one."""
    assert fleet.process().announce() == 0.0
    session = drain(fleet)
    session.ask([], 3)
    assert fleet.store.permits.woken == 0
    session.finish()
    assert fleet.process().announce() == 0.0


def test_a_worker_with_its_own_pushes_does_not_end_the_wait_for_a_wake_up(fleet: Fleet) -> None:
    """The wake-up is still on its way."""
    assert fleet.process().announce() == 0.0
    session = fleet.session(drains=True)
    session.ask(pushes(1), 1)
    session.finish()
    assert fleet.process().announce() is None


# --- crashes -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("drains_now", [True, False])
def test_a_worker_that_died_over_the_backlog_is_noted_until_a_drain_has_finished(
    fleet: Fleet, *, drains_now: bool
) -> None:
    """It may have taken urgent events beside its own pushes too."""
    dead = fleet.process().session(lambda: 60.0, drains=True, drains_now=drains_now)
    dead.ask(pushes(3), 3)
    fleet.clock.time += LATER_SECS
    assert not fleet.store.permits.crashed
    other = fleet.session(drains=True)
    other.ask(pushes(1, 10), 1)
    assert fleet.store.permits.crashed
    assert fleet.leases() == 1  # all of the dead one's are removed, so that it is noted once
    other.finish()
    process = fleet.process()
    survivor = process.session(lambda: 60.0, drains=True, drains_now=True)
    survivor.ask(pushes(1, 20), 1)
    assert process.follows_crash
    survivor.release_idle(0)
    assert fleet.store.permits.crashed
    survivor.ask(pushes(1, 30), 1)
    survivor.finish(has_survived=False)
    assert fleet.store.permits.crashed  # it did not get to all events that may be the cause
    survivor = process.session(lambda: 60.0, drains=True, drains_now=True)
    survivor.ask(pushes(1, 40), 1)
    survivor.finish()
    assert not fleet.store.permits.crashed
    assert not process.follows_crash
    drain(fleet).ask(pushes(1, 40), 1)
    assert not fleet.store.permits.crashed


def test_a_worker_without_the_backlog_that_died_is_not_noted(fleet: Fleet) -> None:
    """Its own message is what may have killed it, and SQS counts that."""
    fleet.session().ask(pushes(3), 3)
    fleet.clock.time += LATER_SECS
    drain(fleet).ask(pushes(1, 10), 1)
    assert not fleet.store.permits.crashed


def test_the_connection_of_an_unfinished_call_does_not_show_a_crash(fleet: Fleet) -> None:
    """The worker ended as it should."""
    session = drain(fleet)
    session.ask(pushes(1), 1)
    call(session, pushes(1)[0], DeliveryUnknown("lost"))
    session.finish()
    fleet.clock.time += 600
    drain(fleet).ask(pushes(3, 10), 3)
    assert not fleet.store.permits.crashed


def test_a_drain_that_goes_on_has_not_survived_yet(fleet: Fleet) -> None:
    """The event that killed the one before may be the next one."""
    drain(fleet).ask([], 3)
    fleet.clock.time += LATER_SECS
    session = drain(fleet)
    session.ask([], 3)
    assert fleet.process().announce() is None
    assert session.finish(unless_announced=True)
    assert fleet.store.permits.crashed
    assert not session.finish(unless_announced=True)
    assert not fleet.store.permits.crashed


def test_a_drain_that_could_take_nothing_survives_nothing(fleet: Fleet) -> None:
    """It does not know whether its ask was granted, so it returns what it may have, and nothing else."""
    drain(fleet).ask([], 3)
    fleet.clock.time += LATER_SECS
    fleet.session().ask(pushes(1), 1)
    assert fleet.store.permits.crashed
    session = drain(fleet)
    fleet.store.loses = lambda operation: operation == "swap"
    with pytest.raises(LedgerUnavailable):
        session.ask([], 3)
    fleet.store.loses = lambda _operation: False
    session.finish()
    assert fleet.store.permits.crashed
    assert fleet.leases() == 1


# --- one drain at a time -------------------------------------------------------------------------------


def test_one_worker_drains_at_a_time_and_the_second_one_announces(fleet: Fleet) -> None:
    """Two would send the events out of order. The first one goes on with what the second one came for."""
    first, second = drain(fleet), drain(fleet)
    first.ask(pushes(1), 1)
    assert isinstance(second.ask(pushes(1, 10), 1)[0], ConnectionsBusy)
    assert second.connections == 0
    assert fleet.used() == 1
    second.finish()
    assert first.finish(unless_announced=True)
    assert first.connections == 1
    assert not first.finish(unless_announced=True)
    fleet.clock.time += FRESH_SECS
    assert second.ask(pushes(1, 10), 1) == [None]


def test_a_worker_with_its_own_pushes_calls_beside_a_drain_and_leaves_it_the_announcements(
    fleet: Fleet,
) -> None:
    """Its own events need no order with those of the backlog."""
    first, own = drain(fleet), fleet.session(drains=True)
    first.ask(pushes(1), 1)
    assert own.ask(pushes(1, 10), 1) == [None]
    assert fleet.process().announce() is None
    fleet.clock.time += LOOK_FRESH_SECS
    assert not own.look()
    assert first.look()


def test_a_drain_that_died_does_not_keep_others_from_draining(fleet: Fleet) -> None:
    """Its leases end."""
    drain(fleet).ask([], 1)
    second = drain(fleet)
    fleet.clock.time += LATER_SECS
    second.ask([], 1)
    assert second.connections == 1


def test_a_drain_takes_further_connections_beside_itself(fleet: Fleet) -> None:
    """It is not its own rival."""
    session = drain(fleet)
    for wanted in (1, 2, 3):
        session.ask([], wanted)
        assert session.connections == wanted
    assert not fleet.store.permits.announced
