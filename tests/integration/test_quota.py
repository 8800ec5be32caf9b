"""The day's quota on a real DynamoDB: never one call more than the vendor allows in a day."""

from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest

from account_fleet import HIGH, NORMAL, TODAY, Fleet, exhausted, moment
from fakes import captured
from local_aws import LocalAws
from push_relay.adapters.dynamodb.table import number, text
from push_relay.core.account import Account
from push_relay.core.clock import CLOCK_SKEW_SECS
from push_relay.core.errors import QuotaExhausted, VendorRejected
from push_relay.core.push import Push


@pytest.fixture
def fleet(local_stores: LocalAws) -> Fleet:
    """Return a fleet with a separate table."""
    return Fleet(local_stores.table())


@pytest.mark.parametrize(
    ("push", "start", "allowed"), [(HIGH, 2440, 60), (NORMAL, 2190, 60)], ids=["high", "normal"]
)
def test_many_workers_together_never_exceed_the_quota(
    fleet: Fleet, push: Push, start: int, allowed: int
) -> None:
    """An account may make 2,500 calls a day, and 2,250 of them for pushes that are not urgent."""
    fleet.spent(start)
    workers = [fleet.worker() for _ in range(3)]

    def send(number_: int) -> bool:
        try:
            workers[number_ % 3](push)
        except QuotaExhausted:
            return False
        return True

    with ThreadPoolExecutor(3) as threads:
        sent = list(threads.map(send, range(allowed + 40)))
    assert sum(sent) == len(fleet.vendor.calls) == allowed
    assert (fleet.calls().used, fleet.calls().elsewhere) == (allowed, start)
    # A refusal causes the alarm, however many calls of the day are reserved.
    assert max(fleet.reports) == (2500, 2500)
    assert fleet.reports.count((2500, 2500)) >= 40


def test_reserved_calls_are_for_urgent_pushes(fleet: Fleet) -> None:
    """The refusal states this reason."""
    send = fleet.worker(Account(daily_calls=10, reserved_percent=30))
    for _ in range(7):
        send(NORMAL)
    assert "kept for high priority" in exhausted(send, NORMAL).detail
    for _ in range(3):
        send(HIGH)
    assert "kept" not in exhausted(send, HIGH).detail
    assert len(fleet.vendor.calls) == 10


def test_urgent_calls_count_against_the_limit_of_the_others(fleet: Fleet) -> None:
    """It does not matter which pushes have used the calls."""
    send = fleet.worker(Account(daily_calls=10, reserved_percent=30))
    for _ in range(7):
        send(HIGH)
    exhausted(send, NORMAL)


@pytest.mark.parametrize(("calls", "reserve", "normal"), [(1, 0, 1), (1, 10, 0), (50, 99, 0), (7, 10, 6)])
def test_a_small_quota_is_not_exceeded_either(fleet: Fleet, calls: int, reserve: int, normal: int) -> None:
    """If all calls are reserved, not even the first push that is not urgent is sent."""
    send = fleet.worker(Account(daily_calls=calls, reserved_percent=reserve))
    for _ in range(normal):
        send(NORMAL)
    exhausted(send, NORMAL)
    assert len(fleet.vendor.calls) == normal


def test_a_call_that_the_vendor_refuses_counts(fleet: Fleet) -> None:
    """The vendor counts every call that it receives."""
    fleet.vendor.judge = lambda _push, _credentials: VendorRejected("no")
    send = fleet.worker(Account(daily_calls=1))
    with pytest.raises(VendorRejected):
        send(HIGH)
    exhausted(send)


@pytest.mark.parametrize(
    ("zone", "now", "hours"),
    [
        ("UTC", "2026-06-01T00:30:00", 23.5),
        ("UTC", "2026-06-01T23:59:57", 3 / 3600),
        ("Europe/Berlin", "2026-06-01T18:00:00", 6),
        ("Europe/Berlin", "2026-03-29T01:00:00", 22),
        ("Europe/Berlin", "2026-10-25T01:00:00", 24),
        ("Europe/Berlin", "2026-10-25T12:00:00", 12),
        ("America/Santiago", "2026-09-05T12:00:00", 12),  # its next midnight does not exist
        ("America/Santiago", "2026-04-04T12:00:00", 13),  # its last hour occurs twice
        ("America/Havana", "2026-11-01T12:00:00", 12),  # its first hour has occurred twice
        ("Asia/Kathmandu", "2026-06-01T23:00:00", 1),
        ("Pacific/Apia", "2026-06-01T01:00:00", 23),
    ],
)
def test_a_day_ends_at_midnight_in_the_accounts_time_zone(
    fleet: Fleet, zone: str, now: str, hours: float
) -> None:
    """Days may have 23 or 25 hours. The wait in the refusal ends when calls are available again."""
    send = fleet.worker(Account(daily_calls=1, reserved_percent=0, time_zone=zone))
    start = moment(now, zone)
    fleet.clock.time = start
    send(HIGH)
    wait = exhausted(send).retry_after
    assert wait is not None
    assert wait == pytest.approx(hours * 3600 + CLOCK_SKEW_SECS, abs=0.001)
    fleet.clock.time = start + wait - 1
    exhausted(send)
    fleet.clock.time = start + wait
    send(HIGH)


@pytest.mark.parametrize("seconds", [-2, -1, 0, 1])
def test_a_call_around_midnight_counts_for_both_days(fleet: Fleet, seconds: float) -> None:
    """By the vendor's clock the call may belong to either day, and neither may have one call too many."""
    midnight = moment("2026-06-02T00:00:00")
    send = fleet.worker(Account(daily_calls=2, reserved_percent=0))
    fleet.clock.time = midnight + seconds
    send(HIGH)
    fleet.clock.time = midnight - 3600
    send(HIGH)
    assert exhausted(send).retry_after == 3600 + CLOCK_SKEW_SECS
    fleet.clock.time = midnight + seconds
    assert exhausted(send).retry_after == max(1, CLOCK_SKEW_SECS - seconds)
    fleet.clock.time = midnight + CLOCK_SKEW_SECS
    send(HIGH)
    exhausted(send)


def test_a_worker_remembers_that_the_quota_is_used_up(fleet: Fleet) -> None:
    """It remembers this until the next day. Urgent pushes have their own limit."""
    fleet.spent(2250)
    permits = fleet.permits()
    assert permits.refusal(NORMAL) is None
    exhausted(lambda push: fleet.send(permits, push), NORMAL)
    # The next draw of an urgent push shows what the version before has counted.
    fleet.send(permits, HIGH)
    assert permits.refusal(HIGH) is None
    refusal = permits.refusal(NORMAL)
    assert isinstance(refusal, QuotaExhausted)
    assert (refusal.retry_after or 0) > 0
    fleet.clock.time += 86_400
    assert permits.refusal(NORMAL) is None
    fleet.send(permits, NORMAL)


def test_the_used_share_of_the_quota_is_a_metric(fleet: Fleet) -> None:
    """The metric is the highest percentage of an invocation. An alarm is set at 80."""
    with captured() as output:
        send = fleet.worker(
            Account(daily_calls=5, reserved_percent=0), partial(output.telemetry.quota, "default")
        )
        for _ in range(4):
            send(NORMAL)
        output.telemetry.flush()
        output.telemetry.flush()
    assert [line["QuotaUsed"] for line in output.metrics if "QuotaUsed" in line] == [[80.0]]


def test_the_count_of_a_day_expires_some_days_later(fleet: Fleet) -> None:
    """Its time to live allows for a clock of the fleet that is behind."""
    fleet.worker()(NORMAL)
    item = fleet.table.get(Key={"pk": text(f"quota#default#{TODAY}")})
    assert item["calls"] == number(fleet.calls().drawn)
    assert int(item["expires_at"]["N"]) > fleet.clock.now() + 2 * 86_400


def test_each_account_has_a_separate_count(fleet: Fleet) -> None:
    """A second organisation with a used-up quota must not stop the first one, nor the reverse."""
    fleet.spent(2500)
    fleet.worker(name="bakery")(HIGH)
    exhausted(fleet.worker())
    assert [calls.used for calls in fleet.stored("bakery").calls.values()] == [1]
