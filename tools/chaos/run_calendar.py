"""The days of a run: when its bursts are, and when an organisation's vendor fails for a whole day.

A short run is one burst around a midnight. A long run has two parts, and the run's clock jumps half a year
between them: each part begins around the day on which daylight saving time begins or ends. That day of 23 or
25 hours has two bursts, for which its calls are not enough. The next day has none, so that what waits has a
day's calls to itself.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

TIME_ZONE: Final = ZoneInfo("Europe/Berlin")
#: A longer run has this many events each day, unless another number is given.
EVENTS_PER_DAY: Final = 1700
#: A run of at most this many days' events is one burst.
ONE_BURST_DAYS: Final = 3
#: A burst begins so long before midnight.
_BEFORE_MIDNIGHT: Final = timedelta(seconds=12)
#: An outage of a day begins so long after its burst, and lasts at least a day.
_INTO_BURST_SECS: Final = 4.0
_LONG_OUTAGE_HOURS: Final = (24.2, 26.0)
#: In a part of at least this many bursts, the outage does not touch the day of the change.
_LATER_BURSTS: Final = 4


@dataclass(frozen=True, slots=True)
class LongOutage:
    """A time of a day or more in which an organisation's vendor refuses every call.

    account  the organisation's account
    status   of every answer
    begins   seconds since the epoch
    """

    account: str
    kind: str
    status: int
    begins: float
    hours: float


@dataclass(frozen=True, slots=True)
class Calendar:
    """When a run begins and has its bursts.

    begins   seconds since the epoch
    bursts   the beginning of each burst, in seconds after the beginning of the run
    changes  the days on which daylight saving time begins or ends
    outages  the outages of a day
    """

    begins: float
    bursts: tuple[float, ...] = (0.0,)
    changes: tuple[date, ...] = ()
    outages: tuple[LongOutage, ...] = ()


def burst_count(events: int, per_day: int = EVENTS_PER_DAY) -> int:
    """Return how many bursts a run of a number of events has: one, or more than ONE_BURST_DAYS."""
    return 1 if events <= ONE_BURST_DAYS * per_day else -(-events // per_day)


def make_calendar(bursts: int, seed: int, accounts: Sequence[str], now: datetime) -> Calendar:
    """Plan the days of a run that begins after `now`. The same seed gives the same days after it."""
    today = now.astimezone(TIME_ZONE).date()
    if bursts == 1:
        return Calendar(_before_midnight(today))
    first = clock_change_after(today + timedelta(days=1))
    second = clock_change_after(first)
    times = [
        *_part(first, bursts - bursts // 2),
        *_part(second, bursts // 2),
    ]
    dice = random.Random(f"calendar-{seed}")  # noqa: S311 - repeatable, not secret
    down, throttled = dice.sample(list(accounts), 2)
    halves = (times[: bursts - bursts // 2], times[bursts - bursts // 2 :])
    outages = (
        _long_outage(dice, halves[0], throttled, "throttled for a day", 429),
        _long_outage(dice, halves[1], down, "down for a day", 503),
    )
    return Calendar(times[0], tuple(each - times[0] for each in times), (first, second), outages)


def clock_change_after(day: date) -> date:
    """Return the first day after `day` that has not 24 hours."""
    while _hours(day := day + timedelta(days=1)) == 24:  # noqa: PLR2004 - an ordinary day
        pass
    return day


def _hours(day: date) -> float:
    return (_midnight(day + timedelta(days=1)) - _midnight(day)) / 3600


def _midnight(day: date) -> float:
    """Return the time at which a day begins, in seconds since the epoch."""
    return datetime.combine(day, time(), TIME_ZONE).timestamp()


def _before_midnight(day: date) -> float:
    """Return the time at which a day's burst begins. The next day begins in the middle of it."""
    return _midnight(day + timedelta(days=1)) - _BEFORE_MIDNIGHT.total_seconds()


def _part(change: date, bursts: int) -> list[float]:
    """Return the times of the bursts around the change of the clock, in seconds since the epoch."""
    noon = datetime.combine(change, time(12), TIME_ZONE).timestamp()
    later = [_before_midnight(change + timedelta(days=number)) for number in range(1, bursts - 1)]
    return [_before_midnight(change - timedelta(days=1)), noon, *later]


def _long_outage(
    dice: random.Random, bursts: Sequence[float], account: str, kind: str, status: int
) -> LongOutage:
    """Plan an outage that begins in a burst and, if there is another one a day later, ends in that."""
    burst = dice.choice(bursts[2:-1]) if len(bursts) >= _LATER_BURSTS else bursts[0]
    hours = dice.uniform(*_LONG_OUTAGE_HOURS)
    return LongOutage(account, kind, status, burst + _INTO_BURST_SECS, hours)
