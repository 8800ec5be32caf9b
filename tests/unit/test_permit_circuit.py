"""The circuit of an account: calls stop while the vendor fails, and one probe at a time is sent."""

from itertools import count

import pytest

from permit_fleet import NOON, Fleet, call, pushes, raised
from ports import CREDENTIALS, ROTATED
from push_relay.core.delivery.permit_circuit import FRESH_SECS
from push_relay.core.delivery.permit_session import MARGIN_SECS, RENEWAL_SECS
from push_relay.core.errors import (
    CircuitOpen,
    CredentialsUnavailable,
    LedgerUnavailable,
    VendorThrottled,
    VendorUnauthorized,
    VendorUnavailable,
)

CALL_SECS = 10.0
LEASE_SECS = CALL_SECS + MARGIN_SECS + RENEWAL_SECS


@pytest.fixture
def fleet() -> Fleet:
    """Return a fleet."""
    return Fleet()


def test_a_throttled_call_stops_all_workers(fleet: Fleet) -> None:
    """Another worker learns it by its next write, and takes no connection."""
    first, second = fleet.session(), fleet.process()
    first.ask(pushes(1), 1)
    call(first, pushes(1)[0], VendorThrottled("slow down"))
    first.finish()
    session = second.session(lambda: 60.0)
    refusals = session.ask(pushes(3, 10), 3)
    assert [type(refusal) for refusal in refusals] == [CircuitOpen] * 3
    assert (session.connections, fleet.used()) == (0, 1)
    assert second.wait() == 10.0
    assert isinstance(second.refusal(pushes(1)[0]), CircuitOpen)
    assert not second.is_open(lambda: CREDENTIALS, high=True)


def test_a_call_notices_within_a_second_that_another_worker_was_throttled(fleet: Fleet) -> None:
    """A long session rarely asks."""
    session, other = fleet.session(), fleet.session()
    session.ask(pushes(2), 1)
    other.ask(pushes(1, 10), 1)
    call(other, pushes(1, 10)[0], VendorThrottled("slow down"))
    call(session, pushes(1)[0])
    fleet.clock.time += FRESH_SECS
    assert isinstance(raised(lambda: call(session, pushes(2)[1])), CircuitOpen)


def test_one_push_is_the_probe_when_it_is_due_and_its_answer_ends_the_cool_down(fleet: Fleet) -> None:
    """No further write is needed to make it the probe."""
    process = fleet.process()
    session = process.session(lambda: 60.0)
    session.ask(pushes(1), 1)
    call(session, pushes(1)[0], VendorThrottled("slow down"))
    session.finish()
    fleet.clock.time += 10
    fleet.store.operations.clear()
    session, other = process.session(lambda: 60.0), fleet.session()
    refusals = session.ask(pushes(3, 10), 3)
    assert [type(refusal) for refusal in refusals] == [type(None), CircuitOpen, CircuitOpen]
    assert session.connections == 1
    assert "swap" in fleet.store.operations
    assert isinstance(other.ask(pushes(1, 20), 1)[0], CircuitOpen)
    swaps = fleet.store.operations.count("swap")
    call(session, pushes(1, 10)[0])
    assert fleet.store.operations.count("swap") == swaps + 1
    assert session.ask(pushes(2, 11), 3) == [None, None]


def test_time_that_passes_before_a_probe_is_called_needs_no_further_write(fleet: Fleet) -> None:
    """The probe's end is compared with the end of the lease, and not with a number of seconds."""
    fleet.clock.time = NOON + 0.7
    session = fleet.session()
    session.ask(pushes(1), 1)
    call(session, pushes(1)[0], VendorThrottled("slow down"))
    fleet.clock.time += 10.4
    now, ticks = fleet.clock.now, count()
    fleet.clock.now = lambda: now() + 0.01 * next(ticks)  # type: ignore[method-assign]
    session.ask(pushes(1, 10), 1)
    fleet.store.operations.clear()
    with session.call(pushes(1, 10)[0], CREDENTIALS, 60.0):
        assert fleet.store.operations == []


def test_a_probe_that_was_not_sent_is_given_up_at_the_end(fleet: Fleet) -> None:
    """Its push may have been a duplicate. Another worker can send the probe at once."""
    session = fleet.session()
    session.ask(pushes(1), 1)
    call(session, pushes(1)[0], VendorThrottled("slow down"))
    fleet.clock.time += 10
    assert session.ask(pushes(1, 10), 1) == [None]
    session.finish()
    assert fleet.session().ask(pushes(1, 20), 1) == [None]


def test_a_failed_probe_makes_the_wait_longer(fleet: Fleet) -> None:
    """The interval grows."""
    process = fleet.process()
    session = process.session(lambda: 600.0)
    session.ask(pushes(1), 1)
    call(session, pushes(1)[0], VendorThrottled("slow down"))
    fleet.clock.time += 10
    session.ask(pushes(1, 10), 1)
    call(session, pushes(1, 10)[0], VendorUnavailable("503"))
    assert (process.wait() or 0) > 10


def test_three_failures_in_a_row_stop_calls_and_an_answer_ends_the_row(fleet: Fleet) -> None:
    """The third failed call refuses the next one, whose call is returned."""
    session = fleet.session()
    session.ask(pushes(7), 3)
    for push, fails in zip(pushes(6), (True, True, False, True, True, True), strict=True):
        call(session, push, VendorUnavailable("503") if fails else None)
    assert isinstance(raised(lambda: call(session, pushes(7)[6])), CircuitOpen)
    session.finish()
    assert fleet.used() == 6


def test_only_other_credentials_may_be_used_after_a_refusal(fleet: Fleet) -> None:
    """A second call of the same push asks for another call of the day."""
    session = fleet.session()
    (push,) = pushes(1)
    session.ask([push], 1)
    call(session, push, VendorUnauthorized("401"))
    refusal = raised(lambda: call(session, push))
    assert isinstance(refusal, VendorUnauthorized)
    assert refusal.is_paced
    call(session, push, credentials=ROTATED)
    session.finish()
    assert fleet.used() == 2
    assert not fleet.store.permits.cooldown.until


def test_the_state_of_the_circuit_is_known_to_the_process_even_if_it_cannot_be_stored(fleet: Fleet) -> None:
    """At least this worker stops calling."""
    process = fleet.process()
    session = process.session(lambda: 60.0)
    session.ask(pushes(2), 2)
    fleet.store.error = LedgerUnavailable("down")
    call(session, pushes(1)[0], VendorThrottled("slow down"))
    assert isinstance(raised(lambda: call(session, pushes(2)[1])), CircuitOpen)


def test_a_call_that_was_not_made_does_not_count_as_failed_and_is_returned(fleet: Fleet) -> None:
    """Its error was raised before the vendor was called."""
    session = fleet.session()
    session.ask(pushes(1), 1)
    call(session, pushes(1)[0], CredentialsUnavailable("no secret"))
    session.finish()
    assert fleet.used() == 0
    assert fleet.store.permits.cooldown.failures == 0
