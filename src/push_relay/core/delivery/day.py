"""The account's day: it begins at midnight in the account's time zone."""

import math
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from functools import lru_cache
from typing import NamedTuple

_MINUTE_SECS = 60


class Day(NamedTuple):
    """The day of a moment, and the seconds until it ends."""

    date: date
    left_secs: float


def zone_named(name: str) -> tzinfo:
    """Return a time zone by its name in the IANA database."""
    if name == "UTC":
        return UTC
    from zoneinfo import ZoneInfo  # noqa: PLC0415 (not needed for the default)

    return ZoneInfo(name)


def date_at(moment: float, zone: tzinfo) -> date:
    """Return the date of a moment (seconds since the epoch)."""
    return _date_of(math.floor(moment / _MINUTE_SECS), zone)


@lru_cache(maxsize=16)  # a push asks for the date a dozen times
def _date_of(minute: int, zone: tzinfo) -> date:
    """Return the date of a minute since the epoch. A day begins with a whole minute in every zone."""
    return datetime.fromtimestamp(minute * _MINUTE_SECS, zone).date()


def end_of(day: date, zone: tzinfo) -> float:
    """Return the moment (seconds since the epoch) at which a day ends."""
    return datetime.combine(day + timedelta(days=1), time.min, zone).timestamp()


def day_at(moment: float, zone: tzinfo) -> Day:
    """Return the day of a moment (seconds since the epoch), which may have 23 or 25 hours."""
    day = date_at(moment, zone)
    return Day(day, end_of(day, zone) - moment)
