"""The budgets of sources on a real DynamoDB: no source uses more calls of a day than it may."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from local_aws import LocalAws
from ports import CREDENTIALS
from push_relay.adapters.dynamodb.table import text
from push_relay.core.account import Account
from push_relay.core.clock import CLOCK_SKEW_SECS
from push_relay.core.errors import BudgetExhausted, VendorRejected
from push_relay.core.push import Push
from quota_fleet import HIGH, NORMAL, Fleet, exhausted
from samples.version_before.daily_quota import MIDNIGHT_SPREAD_SECS

SHOP = replace(NORMAL, sources=("shop",))
MILL = replace(NORMAL, sources=("mill",))
BOTH = replace(NORMAL, sources=("mill", "shop"))
URGENT = replace(HIGH, sources=("shop",))


@pytest.fixture
def fleet(local_stores: LocalAws) -> Fleet:
    """Return a fleet with a separate table."""
    return Fleet(local_stores.table())


def over_budget(send: Callable[[Push], None], push: Push = SHOP) -> BudgetExhausted:
    """Return the error with which a push was refused."""
    with pytest.raises(BudgetExhausted) as refusal:
        send(push)
    return refusal.value


def item_of(fleet: Fleet) -> dict[str, str]:
    """Return the counts of the day."""
    item = fleet.table.get(Key={"pk": text("quota#default#2027-01-15")})
    return {name: value["N"] for name, value in item.items() if name.startswith("calls")}


def test_one_source_cannot_use_up_the_calls_of_the_others(fleet: Fleet) -> None:
    """Its budget covers all workers, and the calls beyond it are left for the others."""
    fleet.budgets = {"shop": 30, "mill": 40}
    workers = [fleet.worker() for _ in range(8)]

    def send(number_: int) -> bool:
        try:
            workers[number_ % 8](SHOP)
        except BudgetExhausted:
            return False
        return True

    with ThreadPoolExecutor(8) as threads:
        sent = list(threads.map(send, range(70)))
    assert sum(sent) == len(fleet.vendor.calls) == 30
    for _ in range(40):
        fleet.worker()(MILL)
    over_budget(fleet.worker(), MILL)
    assert item_of(fleet) == {"calls": "70", "calls#shop": "30", "calls#mill": "40"}
    # No metric reports that the account's calls are used up, because they are not.
    assert max(calls for calls, _ in fleet.reports) == 70


def test_a_refusal_names_the_budget_and_waits_for_midnight(fleet: Fleet) -> None:
    """The waits are spread like those for the account's quota."""
    fleet.budgets = {"shop": 1}
    fleet.clock.time = datetime(2027, 1, 15, 20, tzinfo=ZoneInfo("UTC")).timestamp()
    send = fleet.worker()
    send(SHOP)
    refusals = [over_budget(send) for _ in range(20)]
    assert {refusal.detail for refusal in refusals} == {
        "the calls of the day that the source may use are used up ([source.shop] daily_calls: 1)"
    }
    waits = [refusal.retry_after or 0.0 for refusal in refusals]
    midnight = 4 * 3600 + CLOCK_SKEW_SECS
    assert all(midnight <= wait <= midnight + MIDNIGHT_SPREAD_SECS for wait in waits)
    assert max(waits) - min(waits) > MIDNIGHT_SPREAD_SECS / 10
    fleet.clock.time += midnight
    send(SHOP)


def test_an_urgent_push_counts_against_the_budget_and_is_not_refused(fleet: Fleet) -> None:
    """The quota of the account applies to it nevertheless."""
    fleet.budgets = {"shop": 3}
    send = fleet.worker(Account(daily_calls=10, reserved_percent=50))
    send(SHOP)
    for _ in range(3):
        send(URGENT)
    over_budget(send)
    for _ in range(6):
        send(URGENT)
    exhausted(send, URGENT)
    assert item_of(fleet) == {"calls": "10", "calls#shop": "10"}


def test_a_batch_push_is_refused_if_the_budgets_of_all_its_sources_are_used_up(fleet: Fleet) -> None:
    """It counts against each of the budgets, and one that is not used up is enough."""
    fleet.budgets = {"shop": 2, "mill": 4}
    send = fleet.worker()
    for _ in range(2):
        send(SHOP)
    over_budget(send)
    for _ in range(4):
        send(BOTH)
    assert item_of(fleet) == {"calls": "6", "calls#shop": "6", "calls#mill": "4"}
    for push in (BOTH, MILL):
        over_budget(send, push)
    assert over_budget(fleet.worker(), BOTH).detail.count("daily_calls: ") == 2


def test_the_accounts_quota_applies_before_a_budget(fleet: Fleet) -> None:
    """A budget cannot exceed the account's quota, and then the metric is that of the account."""
    fleet.budgets = {"shop": 10}
    send = fleet.worker(Account(daily_calls=4, reserved_percent=0))
    for _ in range(4):
        send(MILL)
    exhausted(send, SHOP)
    assert fleet.reports[-1] == (4, 4)


def test_a_failed_call_counts_against_the_budget(fleet: Fleet) -> None:
    """A retry uses a call as the first attempt did."""
    fleet.budgets = {"shop": 2}
    fleet.vendor.judge = lambda _push, _credentials: VendorRejected("no")
    send = fleet.worker()
    for _ in range(2):
        with pytest.raises(VendorRejected):
            send(SHOP)
    over_budget(send)


def test_a_call_around_midnight_counts_against_the_budgets_of_both_days(fleet: Fleet) -> None:
    """By the vendor's clock the call may belong to either day."""
    fleet.budgets = {"shop": 2}
    midnight = datetime(2026, 6, 2, tzinfo=ZoneInfo("UTC")).timestamp()
    send = fleet.worker()
    fleet.clock.time = midnight - 1
    send(SHOP)
    for day in (midnight - 3600, midnight + 3600):
        fleet.clock.time = day
        send(SHOP)
        over_budget(send)


def test_a_worker_remembers_that_a_budget_is_used_up(fleet: Fleet) -> None:
    """The push is not chosen as the probe of a cool-down either. Other sources are not affected."""
    fleet.budgets = {"shop": 1, "mill": 1}
    quota = fleet.quota()
    quota.send(SHOP, CREDENTIALS, "-", 1.0)
    quota.check(SHOP)
    over_budget(lambda push: quota.send(push, CREDENTIALS, "-", 1.0))
    fleet.table.name = "there is no such table"
    over_budget(quota.check)
    over_budget(lambda push: quota.send(push, CREDENTIALS, "-", 1.0))
    for push in (MILL, BOTH, URGENT):
        quota.check(push)
    fleet.clock.time += 86_400
    quota.check(SHOP)


def test_a_count_of_the_previous_version_continues(fleet: Fleet) -> None:
    """That version did not count by source, so budgets begin with the new version."""
    fleet.budgets = {"shop": 1}
    fleet.spent(2249)
    send = fleet.worker()
    send(SHOP)
    assert item_of(fleet) == {"calls": "2250", "calls#shop": "1"}
    exhausted(send, SHOP)
