"""Two worker processes on a real DynamoDB and SQS share an account's connections, with a slow vendor."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from local_aws import LocalAws
from push_relay.core.account import Account
from push_relay.core.clock import CLOCK_SKEW_SECS
from push_relay.core.delivery.permit_session import MARGIN_SECS, RENEWAL_SECS
from push_relay.core.delivery.run import LOOK_SECS
from waiting import wait_until
from worker_fleet import THIS_VERSION, SlowVendor, Stack, ends

LIMIT = 3
#: Seconds for which the machine may be busy with other things between two steps.
BUSY_SECS = 1.5
#: With these timeouts the longest call takes 2 s.
SHORT_TIMEOUTS = "connect_timeout_secs = 1\nread_timeout_secs = 1\nvendor_finish_secs = 6"
LEASE_SECS = 2 + MARGIN_SECS + RENEWAL_SECS

pytestmark = pytest.mark.timeout(300)


@contextmanager
def slow(latency: float) -> Iterator[SlowVendor]:
    """Run a vendor with this latency."""
    vendor = SlowVendor(latency)
    try:
        yield vendor
    finally:
        vendor.close()


def test_a_worker_without_a_connection_stores_its_events_and_the_other_one_sends_them(
    local_stores: LocalAws, tmp_path: Path
) -> None:
    """It ends at once, and no wake-up is needed: the other one goes on after its own pushes."""
    with slow(0.8) as vendor:
        stack = Stack(local_stores, vendor, tmp_path)
        with stack.workers(THIS_VERSION, THIS_VERSION) as (first, second):
            first.invoke(stack.received(stack.send(10, "early")))
            wait_until(lambda: vendor.calls_now == LIMIT)
            second.invoke(stack.received(stack.send(10, "late")))
            late = second.finished()
            assert (late.ends, late.kept) == ({"connections_busy": 10}, [])
            assert late.secs < BUSY_SECS
            early = first.finished()
            assert (early.ends, early.kept) == ({"delivered": 20}, [])
        assert (vendor.most_at_a_time, set(vendor.shown.values())) == (LIMIT, {1})
        assert (stack.waiting(), stack.messages()) == ([], [])
        assert stack.permits().leases == {}


def test_an_urgent_event_of_a_worker_without_a_connection_is_sent_next(
    local_stores: LocalAws, tmp_path: Path
) -> None:
    """The worker that sends finds it between two of its own pushes."""
    latency = 0.8
    with slow(latency) as vendor:
        stack = Stack(local_stores, vendor, tmp_path)
        with stack.workers(THIS_VERSION, THIS_VERSION) as (first, second):
            first.invoke(stack.received(stack.send(10, "normal")))
            wait_until(lambda: vendor.calls_now == LIMIT)
            second.invoke(stack.received(stack.send(1, "urgent")))
            stored = second.finished()
            assert stored.ends == {"connections_busy": 1}
            assert first.finished().ends == {"delivered": 11}
        (urgent,) = vendor.of("urgent")
        assert urgent.began - stored.ended < latency + LOOK_SECS + BUSY_SECS
        assert max(call.began for call in vendor.of("normal")) > urgent.began
        assert vendor.most_at_a_time == LIMIT


def test_the_connections_of_a_killed_worker_are_free_when_its_leases_end(
    local_stores: LocalAws, tmp_path: Path
) -> None:
    """Until then the events of another worker wait. After that, the next tick has them sent."""
    with slow(0.8) as vendor:
        stack = Stack(local_stores, vendor, tmp_path, SHORT_TIMEOUTS)
        with stack.workers(THIS_VERSION, THIS_VERSION) as (first, second):
            first.invoke(stack.received(stack.send(10, "early")))
            wait_until(lambda: vendor.calls_now == LIMIT)
            first.kill()
            killed = time.monotonic()
            second.invoke(stack.received(stack.send(6, "late")))
            assert second.finished().ends == {"connections_busy": 6}
            finished = []
            while not vendor.of("late"):
                finished += stack.drain(second)
                assert time.monotonic() < killed + 60
            assert ends(*finished)["delivered"] == 6
        wait = vendor.of("late")[0].began - killed
        # A lease ends on each clock of the fleet. The first of them began before the worker was killed.
        assert LEASE_SECS - BUSY_SECS < wait < LEASE_SECS + 1 + CLOCK_SKEW_SECS + BUSY_SECS
        assert vendor.most_at_a_time == LIMIT
        assert stack.permits().leases == {}


def test_with_the_default_timeouts_the_connections_of_a_killed_worker_are_free_after_about_20_seconds() -> (
    None
):
    """The documentation promises this."""
    account = Account()
    longest = account.connect_timeout_secs + account.read_timeout_secs + MARGIN_SECS + RENEWAL_SECS
    assert 15 <= longest + CLOCK_SKEW_SECS <= 21


def test_calls_that_time_out_are_counted_until_the_vendor_has_ended_them(
    local_stores: LocalAws, tmp_path: Path
) -> None:
    """The vendor answers after the read timeout, and never sees more calls at a time than are allowed."""
    with slow(0.2) as vendor:
        stack = Stack(local_stores, vendor, tmp_path, SHORT_TIMEOUTS)
        with stack.workers(THIS_VERSION, THIS_VERSION) as both:
            vendor.latency = 4.0
            for worker in both:
                worker.invoke(stack.received(stack.send(4, "slow")))
            finished = [worker.finished() for worker in both]
            assert ends(*finished)["delivery_unknown"] >= LIMIT
            reserved = stack.permits().leases.values()
            assert [lease.owner.endswith("-unfinished") for lease in reserved] == [True] * LIMIT
        assert vendor.most_at_a_time == LIMIT
