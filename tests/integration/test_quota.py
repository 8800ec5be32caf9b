"""The day's quota on a real DynamoDB: never one call more than the vendor allows in a day."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from fakes import captured
from local_aws import LocalAws
from ports import CREDENTIALS, Clock, PushApi
from push_relay.adapters.dynamodb.calls import DynamoDbCallCounter
from push_relay.adapters.dynamodb.table import LedgerTable, number, text
from push_relay.core.account import Account
from push_relay.core.clock import CLOCK_SKEW_SECS
from push_relay.core.delivery.daily_quota import MIDNIGHT_SPREAD_SECS, DailyQuota
from push_relay.core.delivery.quota import Quota
from push_relay.core.errors import BudgetExhausted, QuotaExhausted, VendorRejected
from push_relay.core.push import Push, Recipient, RecipientKind, Wording

NORMAL = Push(Recipient(RecipientKind.USER, "u-1"), Wording("t", "b"), "key")
HIGH = replace(NORMAL, high=True)


class Office:
    """Workers that share a table, a clock and a vendor."""

    def __init__(self, table: LedgerTable) -> None:
        """Stop the clock."""
        self.table, self.clock, self.vendor = table, Clock(), PushApi()
        self.told: list[tuple[int, int]] = []
        self.budgets: dict[str, int] = {}

    def worker(
        self, account: Account | None = None, report: Any = None, *, name: str = "default"
    ) -> Callable[[Push], None]:
        """Start a worker, and return what sends a push from it."""
        quota = self.quota(account, report, name=name)
        return lambda push: quota.send(push, CREDENTIALS, "-", 1.0)

    def quota(
        self, account: Account | None = None, report: Any = None, *, name: str = "default"
    ) -> DailyQuota:
        """Start a worker."""
        return DailyQuota(
            self.vendor,
            DynamoDbCallCounter(self.table, name, self.clock.now),
            Quota(account or Account(), self.budgets),
            self.clock,
            report or (lambda calls, limit: self.told.append((calls, limit))),
        )

    def spent(self, calls: int) -> None:
        """Have calls of today made before."""
        day = datetime.fromtimestamp(self.clock.now(), ZoneInfo("UTC")).date()
        self.table.update(
            Key={"pk": text(f"quota#default#{day}")},
            UpdateExpression="SET calls = :calls",
            ExpressionAttributeValues={":calls": number(calls)},
        )


@pytest.fixture
def office(local_stores: LocalAws) -> Office:
    """Return an office with a table of its own."""
    return Office(local_stores.table())


def exhausted(send: Callable[[Push], None], push: Push = HIGH) -> QuotaExhausted:
    """Return why a push was not sent."""
    with pytest.raises(QuotaExhausted) as told:
        send(push)
    return told.value


def test_counting_takes_of_the_time_to_send(office: Office) -> None:
    """A slow table must not make the call outlive the invocation: it would be killed after sending."""
    moments = iter([100.0, 100.75])
    office.clock.monotonic = lambda: next(moments)  # type: ignore[method-assign]
    office.worker()(HIGH)
    assert [call.timeout for call in office.vendor.calls] == [0.25]


@pytest.mark.parametrize(
    ("push", "start", "allowed"), [(HIGH, 2440, 60), (NORMAL, 2190, 60)], ids=["high", "normal"]
)
def test_the_last_call_is_the_last_however_many_want_it(
    office: Office, push: Push, start: int, allowed: int
) -> None:
    """2,500 in a day, by many workers at once; 2,250 of them for what is not urgent."""
    office.spent(start)
    workers = [office.worker() for _ in range(8)]

    def send(number_: int) -> bool:
        try:
            workers[number_ % 8](push)
        except QuotaExhausted:
            return False
        return True

    with ThreadPoolExecutor(8) as threads:
        sent = list(threads.map(send, range(allowed + 40)))
    assert sum(sent) == len(office.vendor.calls) == allowed
    counted = [(calls, 2500) for calls in range(start + 1, start + allowed + 1)]
    # A refusal rings the alarm, however much of the day is kept back.
    assert sorted(office.told) == counted + [(2500, 2500)] * 40


def test_what_is_kept_is_for_what_is_urgent(office: Office) -> None:
    """And the reason is told."""
    send = office.worker(Account(daily_calls=10, reserve=30))
    for _ in range(7):
        send(NORMAL)
    assert "kept for high priority" in exhausted(send, NORMAL).detail
    for _ in range(3):
        send(HIGH)
    assert "kept" not in exhausted(send, HIGH).detail
    assert len(office.vendor.calls) == 10


def test_urgent_calls_count_for_all(office: Office) -> None:
    """Whoever made them."""
    send = office.worker(Account(daily_calls=10, reserve=30))
    for _ in range(7):
        send(HIGH)
    exhausted(send, NORMAL)


@pytest.mark.parametrize(("calls", "reserve", "normal"), [(1, 0, 1), (1, 10, 0), (50, 99, 0), (7, 10, 6)])
def test_a_small_quota_is_kept_too(office: Office, calls: int, reserve: int, normal: int) -> None:
    """Also where nothing is left for what is not urgent: not even the first."""
    send = office.worker(Account(daily_calls=calls, reserve=reserve))
    for _ in range(normal):
        send(NORMAL)
    exhausted(send, NORMAL)
    assert len(office.vendor.calls) == normal


def test_a_call_that_the_vendor_refuses_is_spent(office: Office) -> None:
    """It counts what it is asked."""
    office.vendor.judge = lambda _push, _credentials: VendorRejected("no")
    send = office.worker(Account(daily_calls=1))
    with pytest.raises(VendorRejected):
        send(HIGH)
    exhausted(send)


@pytest.mark.parametrize(
    ("zone", "moment", "hours"),
    [
        ("UTC", "2026-06-01T00:30:00", 23.5),
        ("UTC", "2026-06-01T23:59:57", 3 / 3600),
        ("Europe/Berlin", "2026-06-01T18:00:00", 6),
        ("Europe/Berlin", "2026-03-29T01:00:00", 22),
        ("Europe/Berlin", "2026-10-25T01:00:00", 24),
        ("Europe/Berlin", "2026-10-25T12:00:00", 12),
        ("America/Santiago", "2026-09-05T12:00:00", 12),  # its next midnight does not exist
        ("America/Santiago", "2026-04-04T12:00:00", 13),  # its last hour comes twice
        ("America/Havana", "2026-11-01T12:00:00", 12),  # its first hour came twice
        ("Asia/Kathmandu", "2026-06-01T23:00:00", 1),
        ("Pacific/Apia", "2026-06-01T01:00:00", 23),
    ],
)
def test_a_day_ends_at_midnight_where_the_account_is(
    office: Office, zone: str, moment: str, hours: float
) -> None:
    """Also on days of 23 and of 25 hours: the wait that is told ends when calls are there again."""
    send = office.worker(Account(daily_calls=1, reserve=0, time_zone=zone))
    start = datetime.fromisoformat(moment).replace(tzinfo=ZoneInfo(zone)).timestamp()
    office.clock.time = start
    send(HIGH)
    wait = exhausted(send).retry_after
    assert wait is not None
    assert wait == pytest.approx(hours * 3600 + CLOCK_SKEW_SECS, abs=0.001)
    office.clock.time = start + wait - 1
    exhausted(send)
    office.clock.time = start + wait
    send(HIGH)


@pytest.mark.parametrize("seconds", [-2, -1, 0, 1])
def test_round_midnight_a_call_counts_for_both_days(office: Office, seconds: float) -> None:
    """By the vendor's clock it may be either: neither may have one too many."""
    midnight = datetime(2026, 6, 2, tzinfo=ZoneInfo("UTC")).timestamp()
    send = office.worker(Account(daily_calls=2, reserve=0))
    office.clock.time = midnight + seconds
    send(HIGH)
    office.clock.time = midnight - 3600
    send(HIGH)
    assert exhausted(send).retry_after == 3600 + CLOCK_SKEW_SECS
    office.clock.time = midnight + seconds
    assert exhausted(send).retry_after == max(1, CLOCK_SKEW_SECS - seconds)
    office.clock.time = midnight + CLOCK_SKEW_SECS
    send(HIGH)
    exhausted(send)


def test_what_waits_for_midnight_comes_back_spread(office: Office) -> None:
    """What is not urgent, after what is: not all at once."""
    office.spent(2500)
    send = office.worker()
    first = exhausted(send, HIGH).retry_after or 0.0
    waits = [exhausted(send, NORMAL).retry_after or 0.0 for _ in range(20)]
    assert all(first <= wait <= first + MIDNIGHT_SPREAD_SECS for wait in waits)
    assert len(set(waits)) == 20
    assert max(waits) - min(waits) > MIDNIGHT_SPREAD_SECS / 10


def test_a_worker_that_knows_that_the_day_is_used_up_asks_nobody(office: Office) -> None:
    """Until the next; what is urgent has a limit of its own, and another worker knows nothing of it."""
    office.spent(2250)
    quota = office.quota()
    quota.check(NORMAL)
    exhausted(lambda push: quota.send(push, CREDENTIALS, "-", 1.0), NORMAL)
    office.spent(0)
    assert (exhausted(quota.check, NORMAL).retry_after or 0) > 0
    exhausted(lambda push: quota.send(push, CREDENTIALS, "-", 1.0), NORMAL)
    quota.check(HIGH)
    quota.send(HIGH, CREDENTIALS, "-", 1.0)
    office.worker()(NORMAL)
    office.clock.time += 86_400
    quota.check(NORMAL)
    quota.send(NORMAL, CREDENTIALS, "-", 1.0)


def test_what_is_used_of_the_quota_is_a_metric(office: Office) -> None:
    """In percent, the highest of an invocation: an alarm stands at 80."""
    with captured() as said:
        send = office.worker(Account(daily_calls=5, reserve=0), said.telemetry.quota)
        for _ in range(4):
            send(NORMAL)
        said.telemetry.flush()
        said.telemetry.flush()
    assert [line["QuotaUsed"] for line in said.metrics if "QuotaUsed" in line] == [[80.0]]


def test_a_days_count_outlives_the_day_and_is_deleted(office: Office) -> None:
    """By its time to live; a clock of the fleet may lag behind."""
    send = office.worker()
    send(NORMAL)
    item = office.table.get(Key={"pk": text("quota#default#2027-01-15")})
    assert item["calls"] == number(1)
    assert int(item["expires_at"]["N"]) > office.clock.now() + 2 * 86_400


def test_each_account_has_a_count_of_its_own(office: Office) -> None:
    """A second organisation with a used-up quota must not stop the first one, nor the reverse."""
    office.spent(2500)
    office.worker(name="bakery")(HIGH)
    exhausted(office.worker())
    item = office.table.get(Key={"pk": text("quota#bakery#2027-01-15")})
    assert item["calls"] == number(1)


# --- a source's budget -----------------------------------------------------------------------------------

SHOP = replace(NORMAL, sources=("shop",))
MILL = replace(NORMAL, sources=("mill",))
BOTH = replace(NORMAL, sources=("mill", "shop"))
URGENT = replace(HIGH, sources=("shop",))


def over_budget(send: Callable[[Push], None], push: Push = SHOP) -> BudgetExhausted:
    """Return why a push was not sent."""
    with pytest.raises(BudgetExhausted) as refusal:
        send(push)
    return refusal.value


def item_of(office: Office) -> dict[str, str]:
    """Return the counts of the day."""
    item = office.table.get(Key={"pk": text("quota#default#2027-01-15")})
    return {name: value["N"] for name, value in item.items() if name.startswith("calls")}


def test_one_source_cannot_use_up_the_calls_of_the_others(office: Office) -> None:
    """It has its own, over all workers; what it does not get is still there for the others."""
    office.budgets = {"shop": 30, "mill": 40}
    workers = [office.worker() for _ in range(8)]

    def send(number_: int) -> bool:
        try:
            workers[number_ % 8](SHOP)
        except BudgetExhausted:
            return False
        return True

    with ThreadPoolExecutor(8) as threads:
        sent = list(threads.map(send, range(70)))
    assert sum(sent) == len(office.vendor.calls) == 30
    for _ in range(40):
        office.worker()(MILL)
    over_budget(office.worker(), MILL)
    assert item_of(office) == {"calls": "70", "calls#shop": "30", "calls#mill": "40"}
    # No metric says that the account's calls are used up: they are not.
    assert max(calls for calls, _ in office.told) == 70


def test_a_refusal_says_whose_budget_it_is_and_waits_for_midnight(office: Office) -> None:
    """Spread like what waits for the account's calls."""
    office.budgets = {"shop": 1}
    office.clock.time = datetime(2027, 1, 15, 20, tzinfo=ZoneInfo("UTC")).timestamp()
    send = office.worker()
    send(SHOP)
    refusals = [over_budget(send) for _ in range(20)]
    assert {refusal.detail for refusal in refusals} == {
        "the calls of the day that the source may use are used up ([source.shop] daily_calls: 1)"
    }
    waits = [refusal.retry_after or 0.0 for refusal in refusals]
    midnight = 4 * 3600 + CLOCK_SKEW_SECS
    assert all(midnight <= wait <= midnight + MIDNIGHT_SPREAD_SECS for wait in waits)
    assert max(waits) - min(waits) > MIDNIGHT_SPREAD_SECS / 10
    office.clock.time += midnight
    send(SHOP)


def test_what_is_urgent_counts_for_its_source_and_is_not_refused(office: Office) -> None:
    """The account's own limit holds for it all the same."""
    office.budgets = {"shop": 3}
    send = office.worker(Account(daily_calls=10, reserve=50))
    send(SHOP)
    for _ in range(3):
        send(URGENT)
    over_budget(send)
    for _ in range(6):
        send(URGENT)
    exhausted(send, URGENT)
    assert item_of(office) == {"calls": "10", "calls#shop": "10"}


def test_a_batch_window_is_refused_when_all_its_sources_have_used_theirs_up(office: Office) -> None:
    """It counts for each of them, and one that has calls left is not held back by another."""
    office.budgets = {"shop": 2, "mill": 4}
    send = office.worker()
    for _ in range(2):
        send(SHOP)
    over_budget(send)
    for _ in range(4):
        send(BOTH)
    assert item_of(office) == {"calls": "6", "calls#shop": "6", "calls#mill": "4"}
    for push in (BOTH, MILL):
        over_budget(send, push)
    assert over_budget(office.worker(), BOTH).detail.count("daily_calls: ") == 2


def test_the_accounts_calls_are_the_harder_limit(office: Office) -> None:
    """A budget gives no call that the account has not; the metric is then the account's."""
    office.budgets = {"shop": 10}
    send = office.worker(Account(daily_calls=4, reserve=0))
    for _ in range(4):
        send(MILL)
    exhausted(send, SHOP)
    assert office.told[-1] == (4, 4)


def test_a_call_that_fails_counts_for_the_source_too(office: Office) -> None:
    """A retry spends like the first try."""
    office.budgets = {"shop": 2}
    office.vendor.judge = lambda _push, _credentials: VendorRejected("no")
    send = office.worker()
    for _ in range(2):
        with pytest.raises(VendorRejected):
            send(SHOP)
    over_budget(send)


def test_round_midnight_a_call_counts_for_the_budgets_of_both_days(office: Office) -> None:
    """By the vendor's clock it may be either."""
    office.budgets = {"shop": 2}
    midnight = datetime(2026, 6, 2, tzinfo=ZoneInfo("UTC")).timestamp()
    send = office.worker()
    office.clock.time = midnight - 1
    send(SHOP)
    for day in (midnight - 3600, midnight + 3600):
        office.clock.time = day
        send(SHOP)
        over_budget(send)


def test_a_worker_that_knows_of_a_used_up_budget_asks_nobody(office: Office) -> None:
    """The push is not the probe of a cool-down either; other sources are not concerned."""
    office.budgets = {"shop": 1, "mill": 1}
    quota = office.quota()
    quota.send(SHOP, CREDENTIALS, "-", 1.0)
    quota.check(SHOP)
    over_budget(lambda push: quota.send(push, CREDENTIALS, "-", 1.0))
    office.table.name = "there is no such table"
    over_budget(quota.check)
    over_budget(lambda push: quota.send(push, CREDENTIALS, "-", 1.0))
    for push in (MILL, BOTH, URGENT):
        quota.check(push)
    office.clock.time += 86_400
    quota.check(SHOP)


def test_a_day_that_the_version_before_has_counted_goes_on(office: Office) -> None:
    """It knows no sources: their budgets begin when the new version begins to count."""
    office.budgets = {"shop": 1}
    office.spent(2249)
    send = office.worker()
    send(SHOP)
    assert item_of(office) == {"calls": "2250", "calls#shop": "1"}
    exhausted(send, SHOP)
