"""The budgets of sources on a real DynamoDB: no source uses more calls of a day than it may."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from account_fleet import HIGH, NORMAL, Fleet, exhausted, moment
from local_aws import LocalAws
from push_relay.core.account import Account
from push_relay.core.clock import CLOCK_SKEW_SECS
from push_relay.core.errors import BudgetExhausted, VendorRejected
from push_relay.core.push import Push

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


def counts(fleet: Fleet) -> dict[str, int]:
    """Return the calls of the day: all of them, and those of each source."""
    calls = fleet.calls()
    return {"": calls.used, **calls.sources}


def test_one_source_cannot_use_up_the_calls_of_the_others(fleet: Fleet) -> None:
    """Its budget covers all workers, and the calls beyond it are left for the others."""
    fleet.budgets = {"shop": 30, "mill": 40}
    workers = [fleet.worker() for _ in range(3)]

    def send(number_: int) -> bool:
        try:
            workers[number_ % 3](SHOP)
        except BudgetExhausted:
            return False
        return True

    with ThreadPoolExecutor(3) as threads:
        sent = list(threads.map(send, range(70)))
    assert sum(sent) == len(fleet.vendor.calls) == 30
    for _ in range(40):
        fleet.worker()(MILL)
    over_budget(fleet.worker(), MILL)
    assert counts(fleet) == {"": 70, "shop": 30, "mill": 40}
    # No metric reports that the account's calls are used up, because they are not.
    # Calls that another worker is drawing are reported as used for a moment.
    assert max(calls for calls, _ in fleet.reports) < 300


def test_a_refusal_names_the_budget_and_waits_for_midnight(fleet: Fleet) -> None:
    """By every clock of the fleet the next day has begun then."""
    fleet.budgets = {"shop": 1}
    fleet.clock.time = moment("2027-01-15T20:00:00")
    send = fleet.worker()
    send(SHOP)
    refusal = over_budget(send)
    assert refusal.detail == (
        "the calls of the day that the source may use are used up ([source.shop] daily_calls: 1)"
    )
    assert refusal.retry_after == 4 * 3600 + CLOCK_SKEW_SECS
    fleet.clock.time += refusal.retry_after
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
    assert counts(fleet) == {"": 10, "shop": 10}


def test_a_batch_push_is_refused_if_the_budgets_of_all_its_sources_are_used_up(fleet: Fleet) -> None:
    """It counts against each of the budgets, and one that is not used up is enough."""
    fleet.budgets = {"shop": 2, "mill": 4}
    send = fleet.worker()
    for _ in range(2):
        send(SHOP)
    over_budget(send)
    for _ in range(4):
        send(BOTH)
    assert counts(fleet) == {"": 6, "shop": 6, "mill": 4}
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
    midnight = moment("2026-06-02T00:00:00")
    send = fleet.worker()
    fleet.clock.time = midnight - 1
    send(SHOP)
    for day in (midnight - 3600, midnight + 3600):
        fleet.clock.time = day
        send(SHOP)
        over_budget(send)


def test_a_worker_remembers_that_a_budget_is_used_up(fleet: Fleet) -> None:
    """It needs no DynamoDB to refuse the push. Other sources and urgent pushes are not affected."""
    fleet.budgets = {"shop": 1, "mill": 1}
    permits = fleet.permits()
    assert permits.refusal(SHOP) is None
    fleet.send(permits, SHOP)
    fleet.table.name = "there is no such table"
    assert isinstance(permits.refusal(SHOP), BudgetExhausted)
    assert [permits.refusal(push) for push in (MILL, BOTH, URGENT)] == [None] * 3
    fleet.clock.time += 86_400
    assert permits.refusal(SHOP) is None


def test_a_count_of_the_previous_version_continues(fleet: Fleet) -> None:
    """Neither version has all of the day's calls for itself."""
    fleet.budgets = {"shop": 1}
    fleet.spent(2249)
    send = fleet.worker()
    send(SHOP)
    assert counts(fleet) == {"": 1, "shop": 1}
    assert fleet.calls().elsewhere == 2249
    exhausted(send, SHOP)
