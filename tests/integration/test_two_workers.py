"""Two worker processes on a real DynamoDB share an account's connections, with a slow vendor."""

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from local_aws import LocalAws
from worker_fleet import SlowVendor, Worker, workers

LIMIT = 3
#: Seconds for which the machine may be busy with other things between two steps.
BUSY_SECS = 1.0
#: With these timeouts the longest call takes 2 s, and a lease 5 s.
SHORT_TIMEOUTS = "connect_timeout_secs = 1\nread_timeout_secs = 1\nvendor_finish_secs = 6"
LEASE_SECS, SKEW_SECS = 5, 3

pytestmark = pytest.mark.timeout(300)


@contextmanager
def slow(latency: float) -> Iterator[SlowVendor]:
    """Run a vendor with this latency."""
    vendor = SlowVendor(latency)
    try:
        yield vendor
    finally:
        vendor.close()


def wait_until_busy(vendor: SlowVendor, worker: Worker) -> None:
    """Wait until a worker has calls in progress on all connections."""
    deadline = time.monotonic() + 60
    while sum(call.ended is None for call in vendor.of(worker.name)) < LIMIT:
        assert time.monotonic() < deadline
        time.sleep(0.005)


@pytest.mark.parametrize("latency", [0.2, 1.0])
def test_a_worker_that_waits_gets_a_connection_within_about_a_call(
    local_stores: LocalAws, tmp_path: Path, latency: float
) -> None:
    """The other worker uses all connections for one batch after the other, and no push is parked."""
    with slow(latency) as vendor, workers(local_stores, vendor, tmp_path, "first second") as (first, second):
        warmed = len(vendor.of("second"))
        first.deliver(10, repeat=True)
        wait_until_busy(vendor, first)
        second.deliver(10)
        late = second.finished()
        first.deliver(1)
        early = first.finished()
        assert (late.outcomes, set(early.outcomes)) == (Counter(delivered=10), {"delivered"})
        assert vendor.most_at_a_time == LIMIT
        wait = vendor.of("second")[warmed].began - late.began
        assert wait < latency + BUSY_SECS


def test_a_killed_worker_blocks_its_connections_for_about_a_call(
    local_stores: LocalAws, tmp_path: Path
) -> None:
    """The other worker sends all of its pushes in the invocation that finds all connections leased."""
    with (
        slow(0.8) as vendor,
        workers(local_stores, vendor, tmp_path, "first second", SHORT_TIMEOUTS) as (first, second),
    ):
        warmed = len(vendor.of("second"))
        first.deliver(10)
        wait_until_busy(vendor, first)
        first.process.kill()
        second.deliver(6)
        finished = second.finished()
        assert finished.outcomes == {"delivered": 6}
        wait = vendor.of("second")[warmed].began - finished.began
        assert wait < LEASE_SECS + SKEW_SECS + BUSY_SECS


def test_calls_that_time_out_are_counted_until_the_vendor_has_ended_them(
    local_stores: LocalAws, tmp_path: Path
) -> None:
    """The vendor answers after the read timeout, and never sees more calls at a time than are allowed."""
    with slow(0.2) as vendor, workers(local_stores, vendor, tmp_path, "a b", SHORT_TIMEOUTS) as both:
        vendor.latency = 4.0
        for worker in both:
            worker.deliver(4)
        outcomes = [worker.finished().outcomes for worker in both]
        assert sum(outcome["delivery_unknown"] for outcome in outcomes) >= LIMIT
        assert vendor.most_at_a_time == LIMIT
