"""Read the timestamps that signatures cover, each format in its one spelling, and judge their age."""

import re
from collections.abc import Callable
from datetime import UTC, datetime

from push_relay.core.errors import Stale
from push_relay.core.trust.schemes.proof import no_fit, require

# No sign, no leading zero, no other script's digits; 11 digits last until the year 5138.
_SECONDS = re.compile(r"0|[1-9][0-9]{0,10}")
_MILLISECONDS = re.compile(r"0|[1-9][0-9]{0,13}")
_LONGEST_SECONDS = 11
# `re` compiles the following, and keeps them, when a sender first needs them: few do.
_RFC3339 = r"([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2})(\.[0-9]{1,9})?(Z|[+-][0-9]{2}:[0-9]{2})"
_HTTP_DATE = (
    r"(Mon|Tue|Wed|Thu|Fri|Sat|Sun), ([0-9]{2}) (Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) ([0-9]{4}) "
    r"([0-9]{2}):([0-9]{2}):([0-9]{2}) GMT"
)
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_ISO = r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?Z"


def unix(text: str) -> float:
    """Read seconds since the epoch. Raises SignatureInvalid."""
    require(_SECONDS.fullmatch(text) is not None)
    return float(text)


def unix_ms(text: str) -> float:
    """Read milliseconds since the epoch as seconds. Raises SignatureInvalid."""
    require(_MILLISECONDS.fullmatch(text) is not None)
    return int(text) / 1000


def unix_any(text: str) -> float:
    """Read seconds or milliseconds since the epoch. More than 11 digits are milliseconds.

    For senders whose documentation and libraries differ about the unit. Raises SignatureInvalid.
    """
    return unix(text) if len(text) <= _LONGEST_SECONDS else unix_ms(text)


def iso8601(text: str) -> float:
    """Read `2021-07-25T10:00:00Z` (UTC) as seconds since the epoch. Raises SignatureInvalid."""
    require(re.fullmatch(_ISO, text) is not None)
    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError:  # the 13th month
        raise no_fit() from None


def rfc3339(text: str) -> float:
    """Read RFC 3339 with any offset, up to nanoseconds, as seconds. Raises SignatureInvalid."""
    found = re.fullmatch(_RFC3339, text)
    require(found is not None)
    seconds, fraction, offset = found.groups() if found else ("", "", "")
    try:
        return datetime.fromisoformat(f"{seconds}{offset}").timestamp() + float(f"0{fraction or ''}")
    except ValueError:
        raise no_fit() from None


def http_date(text: str) -> float:
    """Read `Sun, 06 Nov 1994 08:49:37 GMT` (RFC 9110, 5.6.7) as seconds. Raises SignatureInvalid."""
    found = re.fullmatch(_HTTP_DATE, text)
    require(found is not None)
    weekday, day, month, *numbers = found.groups() if found else ("", "", "", "")
    year, hour, minute, second = (int(number) for number in numbers)
    try:
        moment = datetime(year, _MONTHS.index(month) + 1, int(day), hour, minute, second, tzinfo=UTC)
    except ValueError:
        raise no_fit() from None
    require(_DAYS[moment.weekday()] == weekday)
    return moment.timestamp()


#: The readers, as the `[verify]` table's `timestamp_format` names them.
FORMATS: dict[str, Callable[[str], float]] = {
    "unix": unix,
    "unix-ms": unix_ms,
    "unix-any": unix_any,
    "rfc3339": rfc3339,
    "iso8601": iso8601,
    "http-date": http_date,
}


def require_fresh(moment: float, now: float, past: float, future: float | None = None) -> None:
    """Raise Stale where a moment is more than `past` seconds ago, or `future` ahead (`past`, if not given).

    Schemes ask this once a signature has proven genuine, so that only its sender learns of it.
    """
    if not -(past if future is None else future) <= now - moment <= past:
        raise Stale("the request was signed too long ago, or in the future")
