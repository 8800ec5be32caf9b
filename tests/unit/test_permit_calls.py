"""The calls of a day: counted before they are made, returned only if they were not made."""

from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from permit_fleet import ACCOUNT, NOON, TODAY, Fleet, call, pushes, raised
from ports import CREDENTIALS
from push_relay.core.account import Account
from push_relay.core.delivery.permit_calls import (
    CallRequest,
    Calls,
    NoCall,
    Shortage,
    drawn,
    missing,
    shortage,
)
from push_relay.core.delivery.permits import DayCalls, Drawn
from push_relay.core.delivery.quota import Allowance
from push_relay.core.errors import (
    BudgetExhausted,
    ConnectionsBusy,
    DeliveryUnknown,
    LedgerUnavailable,
    QuotaExhausted,
)

DAY = date.fromisoformat(TODAY)
MIDNIGHT = NOON + 43_200
TOMORROW = "2027-01-16"


@pytest.fixture
def fleet() -> Fleet:
    """Return a fleet of an account with 100 calls a day, 90 of which are not reserved."""
    return Fleet()


def spend(fleet: Fleet, calls: int, **changes: Any) -> None:
    """Let a worker make calls."""
    session = fleet.session()
    assert session.ask(pushes(calls, 1000, **changes), 3) == [None] * calls
    for push in pushes(calls, 1000, **changes):
        call(session, push)
    session.finish()


# --- the limits ----------------------------------------------------------------------------------------


def test_the_first_pushes_get_the_calls_that_are_left(fleet: Fleet) -> None:
    """The caller has sorted the urgent ones to the front, which may use the reserve."""
    spend(fleet, 88)
    session = fleet.session()
    refusals = session.ask([*pushes(3, high=True), *pushes(5, 10)], 3)
    assert [type(refusal) for refusal in refusals] == [type(None)] * 3 + [QuotaExhausted] * 5
    session.finish()
    assert fleet.used() == 88
    assert [type(refusal) for refusal in fleet.session().ask(pushes(5, 20), 3)] == (
        [type(None)] * 2 + [QuotaExhausted] * 3
    )


def test_a_push_without_a_call_waits_until_the_vendors_midnight_has_surely_passed(fleet: Fleet) -> None:
    """The process knows it then, and asks no more."""
    spend(fleet, 90)
    process = fleet.process()
    (refusal,) = process.session(lambda: 60.0).ask(pushes(1), 1)
    assert isinstance(refusal, QuotaExhausted)
    assert (refusal.retry_after, refusal.is_paced) == (MIDNIGHT + 2 - NOON, True)
    assert refusal.detail == "the day's calls are used up; the last are kept for high priority"
    assert isinstance(process.refusal(pushes(1)[0]), QuotaExhausted)
    assert process.refusal(pushes(1, high=True)[0]) is None
    assert not process.is_open(lambda: CREDENTIALS, high=False)
    assert process.is_open(lambda: CREDENTIALS, high=True)
    assert fleet.reports[-1] == (100, 100)


def test_an_account_without_calls_calls_nobody() -> None:
    """Nothing is read to know that."""
    fleet = Fleet(ACCOUNT._replace(daily_calls=1, reserved_percent=50))
    assert isinstance(fleet.process().refusal(pushes(1)[0]), QuotaExhausted)
    assert fleet.store.operations == []


def test_a_budget_limits_its_source_and_no_other() -> None:
    """An urgent push counts for its source, whose budget does not limit it."""
    fleet = Fleet(budgets={"grafana": 3})
    process = fleet.process()
    session = process.session(lambda: 60.0)
    asked = [*pushes(2, high=True), *pushes(3, 10), *pushes(2, 20, sources=("github",))]
    refusals = session.ask(asked, 3)
    assert [type(refusal) for refusal in refusals] == (
        [type(None)] * 3 + [BudgetExhausted] * 2 + [type(None)] * 2
    )
    assert refusals[3]
    assert "[source.grafana] daily_calls: 3" in refusals[3].detail
    assert isinstance(process.refusal(pushes(1)[0]), BudgetExhausted)
    assert process.refusal(pushes(1, sources=("github",))[0]) is None
    assert not process.is_open(lambda: CREDENTIALS, high=False, source="grafana")
    assert process.is_open(lambda: CREDENTIALS, high=False)


def test_a_batch_push_is_refused_only_if_all_budgets_are_used_up() -> None:
    """It counts for each of its sources."""
    fleet = Fleet(budgets={"grafana": 1, "github": 2})
    session = fleet.session()
    refusals = session.ask(pushes(3, sources=("grafana", "github")), 3)
    assert [type(refusal) for refusal in refusals] == [type(None)] * 2 + [BudgetExhausted]
    assert fleet.store.permits.calls[TODAY].sources == {"grafana": 2, "github": 2}


def test_each_grant_reports_the_calls_of_the_day(fleet: Fleet) -> None:
    """The alarm rings at 80 %."""
    spend(fleet, 7)
    assert fleet.reports[-1] == (7, 100)


# --- calls that are not made ---------------------------------------------------------------------------


def test_calls_that_were_not_made_are_returned(fleet: Fleet) -> None:
    """A call that was begun stays counted, also if nobody knows its result."""
    session = fleet.session()
    session.ask(pushes(5), 3)
    call(session, pushes(1)[0])
    call(session, pushes(2)[1], DeliveryUnknown("timeout"))
    call(session, pushes(3)[2], ValueError("unknown"))
    session.release_idle(1)
    assert fleet.used() == 5
    session.finish()
    assert fleet.used() == 3


def test_calls_are_returned_to_their_sources() -> None:
    """A push that was not sent costs its source nothing."""
    fleet = Fleet(budgets={"grafana": 3})
    session = fleet.session()
    session.ask(pushes(3), 3)
    call(session, pushes(1)[0])
    session.finish()
    assert fleet.store.permits.calls[TODAY].sources == {"grafana": 1}


def test_a_call_whose_connection_was_lost_is_returned(fleet: Fleet) -> None:
    """The vendor was not called."""
    session = fleet.session()
    session.ask(pushes(1), 1)
    fleet.clock.time += 60
    fleet.session().ask(pushes(3, 10), 3)
    assert isinstance(raised(lambda: call(session, pushes(1)[0])), ConnectionsBusy)
    session.finish()
    assert fleet.used() == 3


def test_a_push_that_is_asked_for_twice_has_one_call(fleet: Fleet) -> None:
    """Each ask may repeat what the one before has granted."""
    session = fleet.session()
    session.ask(pushes(2), 1)
    session.ask(pushes(3), 3)
    assert (session.connections, fleet.used()) == (3, 3)


def test_a_push_without_a_granted_call_asks_for_one_when_it_is_called(fleet: Fleet) -> None:
    """So does a session that has not asked at all, and its connection."""
    session = fleet.session()
    call(session, pushes(1)[0])
    assert session.connections == 1
    call(session, pushes(2)[1])
    session.finish()
    assert fleet.used() == 2


# --- midnight ------------------------------------------------------------------------------------------


def test_around_midnight_a_call_counts_for_both_days(fleet: Fleet) -> None:
    """The vendor's clock is not the relay's."""
    fleet.clock.time = MIDNIGHT - 1
    session = fleet.session()
    session.ask(pushes(2), 1)
    call(session, pushes(1)[0])
    assert (fleet.used(), fleet.used(TOMORROW)) == (2, 2)
    session.finish()
    assert (fleet.used(), fleet.used(TOMORROW)) == (1, 1)


def test_a_call_that_midnight_overtakes_is_counted_for_the_new_day(fleet: Fleet) -> None:
    """It is returned to its own day."""
    fleet.clock.time = MIDNIGHT - 10
    session = fleet.session()
    session.ask(pushes(2), 1)
    assert (fleet.used(), fleet.used(TOMORROW)) == (2, 0)
    fleet.clock.time = MIDNIGHT + 5
    call(session, pushes(1)[0])
    assert (fleet.used(), fleet.used(TOMORROW)) == (2, 1)
    session.finish()
    assert (fleet.used(), fleet.used(TOMORROW)) == (0, 1)


def test_a_call_that_midnight_overtakes_while_it_begins_is_counted_for_the_new_day(fleet: Fleet) -> None:
    """The store took seconds to answer."""
    fleet.clock.time = MIDNIGHT - 4
    session = fleet.session()
    session.ask(pushes(1), 1)
    fleet.clock.time = MIDNIGHT - 2.5

    def takes_long(operation: str) -> bool:
        fleet.clock.time += 5 if operation == "read" else 0
        return False

    fleet.store.fails = takes_long
    call(session, pushes(1)[0])
    assert (fleet.used(), fleet.used(TOMORROW)) == (1, 1)
    session.finish()
    assert (fleet.used(), fleet.used(TOMORROW)) == (0, 1)


def test_a_call_is_refused_if_the_new_day_has_none_left() -> None:
    """Another worker's clock is ahead, and has used up the day."""
    fleet = Fleet(ACCOUNT._replace(daily_calls=2, reserved_percent=0))
    fleet.clock.time = MIDNIGHT - 5
    session = fleet.session(left=60.0)
    session.ask(pushes(1), 1)
    fleet.clock.time = MIDNIGHT + 5
    spend(fleet, 2)
    assert isinstance(raised(lambda: call(session, pushes(1)[0])), QuotaExhausted)


@pytest.mark.parametrize(
    ("zone", "day", "hours"), [("Europe/Berlin", "2027-03-28", 23), ("Europe/Berlin", "2027-10-31", 25)]
)
def test_a_day_may_have_23_or_25_hours(zone: str, day: str, hours: int) -> None:
    """Its calls are those of the account's day, from midnight to midnight."""
    fleet = Fleet(ACCOUNT._replace(time_zone=zone, reserved_percent=0))
    begin = datetime.fromisoformat(day).replace(tzinfo=ZoneInfo(zone)).timestamp()
    fleet.clock.time = begin + 5
    spend(fleet, 100)
    (refusal,) = fleet.session().ask(pushes(1), 1)
    assert isinstance(refusal, QuotaExhausted)
    assert refusal.retry_after == hours * 3600 - 5 + 2
    fleet.clock.time = begin + hours * 3600 - 5
    assert isinstance(fleet.session().ask(pushes(1), 1)[0], QuotaExhausted)
    fleet.clock.time += 10
    assert fleet.session().ask(pushes(1), 1) == [None]


def test_days_before_yesterday_are_forgotten(fleet: Fleet) -> None:
    """The item stays small."""
    for _ in range(4):
        spend(fleet, 1)
        fleet.clock.time += 86_400
    assert sorted(fleet.store.permits.calls) == ["2027-01-17", "2027-01-18"]


# --- the version before --------------------------------------------------------------------------------


def test_calls_of_the_version_before_count(fleet: Fleet) -> None:
    """The first draw of a day learns them."""
    fleet.store.totals[DAY] = 87
    refusals = fleet.session().ask(pushes(5), 3)
    assert [type(refusal) for refusal in refusals] == [type(None)] * 3 + [QuotaExhausted] * 2
    assert fleet.store.totals[DAY] == 90


def test_the_version_before_may_use_up_the_day_in_the_middle_of_it(fleet: Fleet) -> None:
    """A draw gets only the calls that are left."""
    spend(fleet, 10)
    fleet.store.totals[DAY] = 99
    refusals = fleet.session().ask(pushes(5, high=True), 3)
    assert [type(refusal) for refusal in refusals].count(type(None)) <= 2
    assert fleet.store.totals[DAY] <= 100


def test_a_budget_that_the_version_before_has_used_is_known() -> None:
    """The sum of both versions is compared with it."""
    fleet = Fleet(budgets={"grafana": 5})
    fleet.store.totals[DAY], fleet.store.others[DAY] = 4, {"grafana": 4}
    refusals = fleet.session().ask(pushes(3), 3)
    assert [type(refusal) for refusal in refusals] == [type(None)] + [BudgetExhausted] * 2


def test_calls_are_drawn_in_blocks_and_ahead() -> None:
    """An ask has to draw only if a whole block was used since the last session."""
    fleet = Fleet(Account())
    process = fleet.process()
    operations = []
    for number in range(60):
        session = process.session(lambda: 60.0)
        fleet.store.operations.clear()
        session.ask(pushes(1, number), 1)
        operations.append(list(fleet.store.operations))
        call(session, pushes(1, number)[0])
        session.finish()
    assert operations == [["read", "draw", "swap"]] + [["swap"]] * 59
    assert fleet.used() == 60
    assert 60 <= fleet.store.totals[DAY] <= 60 + 2 * 25


def test_drawing_ahead_leaves_the_reserve_alone(fleet: Fleet) -> None:
    """The version before still has it for urgent pushes."""
    spend(fleet, 90)
    assert fleet.store.totals[DAY] == 90


def test_a_call_that_was_not_drawn_is_not_granted() -> None:
    """The limit alone does not allow it, because the version before may have used what is left."""
    request = CallRequest([DAY], Allowance(100))
    calls = {TODAY: DayCalls(used=5, drawn=5)}
    assert missing(calls, request) is None
    assert missing(calls, request, drawn=True) == NoCall(DAY, is_budget=False)
    assert shortage(calls, [request] * 3, block=2) == Shortage(DAY, 3, 100)
    assert shortage(calls, [request], block=2) == Shortage(DAY, 2, 100)


def test_draws_are_added_in_any_order() -> None:
    """Of two workers that draw at once, either may be the first to store it."""
    first, second = Drawn(25, 30), Drawn(25, 55)
    for draws in ((first, second), (second, first)):
        calls: Calls = {}
        for each in draws:
            calls = drawn(calls, DAY, each)
        assert calls[TODAY] == DayCalls(drawn=50, elsewhere=5)


def test_a_draw_that_is_lost_is_over_counted_and_never_under_counted(fleet: Fleet) -> None:
    """Its calls count as those of the version before."""
    fleet.store.loses = lambda operation: operation == "draw"
    assert isinstance(raised(lambda: fleet.session().ask(pushes(50), 3)), LedgerUnavailable)
    fleet.store.loses = lambda _operation: False
    refusals = fleet.session().ask(pushes(50), 3)
    assert refusals.count(None) == 40
    assert fleet.store.totals[DAY] == 90


def test_a_failed_draw_ahead_does_not_hinder_the_end(fleet: Fleet) -> None:
    """The next worker draws."""
    session = fleet.session()
    session.ask(pushes(1), 1)
    fleet.store.fails = lambda operation: operation == "draw"
    with session.call(pushes(1)[0], CREDENTIALS, 1.0):
        pass
    session.finish()
    assert fleet.leases() == 0
