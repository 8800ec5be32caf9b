"""The days of a chaos run: its bursts, the changes of the clock, and the outages of a day."""

from datetime import UTC, date, datetime

import pytest

from chaos.plan import make_plan
from chaos.run_calendar import TIME_ZONE, Calendar, burst_count, clock_change_after, make_calendar
from sandbox import Account
from sandbox.account import Limits

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)
ACCOUNTS = ("default", "second")


def local(calendar: Calendar) -> list[str]:
    """Return the local times of a calendar's bursts."""
    times = (datetime.fromtimestamp(calendar.begins + each, TIME_ZONE) for each in calendar.bursts)
    return [f"{each:%a %m-%d %H:%M}" for each in times]


@pytest.mark.parametrize(
    ("events", "per_day", "bursts"), [(120, 1700, 1), (5100, 1700, 1), (5101, 1700, 4), (161, 40, 5)]
)
def test_a_run_is_one_burst_or_has_four_at_least(events: int, per_day: int, bursts: int) -> None:
    """With fewer than four, the two changes of the clock would not have two bursts each."""
    assert burst_count(events, per_day) == bursts


def test_a_short_run_is_one_burst_before_a_midnight() -> None:
    """It has no outage of a day, because it lasts a day or two only."""
    calendar = make_calendar(1, 7, ACCOUNTS, NOW)
    assert local(calendar) == ["Thu 11-26 23:59"]
    assert (calendar.changes, calendar.outages) == ((), ())


@pytest.mark.parametrize("bursts", [4, 5, 30])
@pytest.mark.parametrize("now", [NOW, datetime(2026, 7, 1, tzinfo=UTC)], ids=["winter", "summer"])
def test_a_long_run_has_both_changes_of_the_clock(bursts: int, now: datetime) -> None:
    """Each part begins before its change. The day of the change has two bursts, and the next day has none."""
    calendar = make_calendar(bursts, 7, ACCOUNTS, now)
    assert {(each.month, each.weekday()) for each in calendar.changes} == {(3, 6), (10, 6)}
    assert len(calendar.bursts) == bursts
    assert list(calendar.bursts) == sorted(calendar.bursts)
    days = [datetime.fromtimestamp(calendar.begins + each + 12, TIME_ZONE).date() for each in calendar.bursts]
    for change in calendar.changes:
        assert days.count(change) == 2
        assert days.count(date.fromordinal(change.toordinal() + 1)) == 0
    others = [day for day in days if day not in calendar.changes]
    assert len(others) == len(set(others)) == bursts - 4


def test_bursts_begin_at_the_same_local_time_after_a_change() -> None:
    """A day of 23 hours moves no later burst by an hour."""
    calendar = make_calendar(8, 7, ACCOUNTS, NOW)
    assert local(calendar)[:4] == ["Sat 03-27 23:59", "Sun 03-28 12:00", "Mon 03-29 23:59", "Tue 03-30 23:59"]
    assert local(calendar)[4:] == ["Sat 10-30 23:59", "Sun 10-31 12:00", "Mon 11-01 23:59", "Tue 11-02 23:59"]


@pytest.mark.parametrize("bursts", [4, 7, 30])
def test_a_long_run_has_an_outage_and_a_throttled_day(bursts: int) -> None:
    """The seed chooses their time and their organisation. Both are hit by one of them."""
    calendars = [make_calendar(bursts, seed, ACCOUNTS, NOW) for seed in range(20)]
    for calendar in calendars:
        assert {each.status for each in calendar.outages} == {429, 503}
        assert {each.account for each in calendar.outages} == set(ACCOUNTS)
        for each in calendar.outages:
            assert each.hours > 24
            assert any(0 < each.begins - calendar.begins - burst < 6 for burst in calendar.bursts)
    assert len({calendar.outages for calendar in calendars}) > 1
    assert len({calendar.outages[0].account for calendar in calendars}) == 2
    assert calendars[3] == make_calendar(bursts, 3, ACCOUNTS, NOW)


def test_the_events_of_a_long_run_are_spread_over_its_bursts() -> None:
    """No event is sent outside a burst, but a few copies are."""
    bursts = make_calendar(4, 7, ACCOUNTS, NOW).bursts
    planned = make_plan(400, 7, bursts)
    found = [max(each for each in bursts if each <= event.copies[0]) for event in planned]
    assert all(event.copies[0] - burst < 7 for event, burst in zip(planned, found, strict=True))
    # The last event of a burst may be a request that carries some of the next one's events.
    assert all(abs(found.count(burst) - 100) < 25 for burst in bursts)


@pytest.mark.parametrize(("month", "hours"), [(3, 23), (10, 25)])
def test_the_sandbox_counts_a_day_from_midnight_to_midnight(month: int, hours: int) -> None:
    """A day of 23 or 25 hours ends neither an hour late nor an hour early."""
    change = clock_change_after(date(2027, month, 1))
    midnight = datetime(change.year, change.month, change.day, tzinfo=TIME_ZONE).timestamp()
    times = iter([midnight - 1, midnight, midnight + hours * 3600 - 1, midnight + hours * 3600])
    vendor = Account(
        1,
        "key",
        limits=Limits(daily_calls=1),
        time_zone=TIME_ZONE,
        clock=lambda: datetime.fromtimestamp(next(times), UTC),
    )
    over = []
    for _ in range(4):
        with vendor.call() as admission:
            over.append(admission.over_quota)
    assert over == [False, False, True, False]
