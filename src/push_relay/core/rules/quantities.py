"""Quantities and moments as a person reads them on a phone.

The functions of expressions use it (docs/writing-a-source.md, "Functions"). Each returns None for a value
that it cannot read.
"""

from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from itertools import pairwise
from typing import Final

#: Decimals of a currency's minor unit, if not two. https://www.iso.org/iso-4217-currency-codes.html
_MINOR_DECIMALS: Final = {
    **dict.fromkeys(
        ("BIF", "CLP", "DJF", "GNF", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "VND", "VUV", "XAF", "XOF"), 0
    ),
    "XPF": 0,
    **dict.fromkeys(("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"), 3),
}
#: Numbers with more digits than this are not quantities.
_MOST_DIGITS: Final = 30
#: Seconds since the epoch are less than this, which is in the year 5138. A larger number is milliseconds.
_LARGEST_EPOCH_SECS: Final = 1e11
_UNITS: Final = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))
_SIZES: Final = ("bytes", "kB", "MB", "GB", "TB", "PB")


def counted(count: float | str, one: str, many: str) -> str | None:
    """Return a number with its noun: `1 alert`, `3 alerts`."""
    number = _number(count)
    return None if number is None else f"{_shown(number)} {one if number == 1 else many}"


def rounded(value: float | str, digits: int) -> str | None:
    """Return a number with at most some digits after the point: `93.4`, `7`."""
    number = _number(value)
    return None if number is None else _shown(round(number, max(0, min(digits, 10))))


def money(minor_units: float | str, currency: str) -> str | None:
    """Return an amount, given in a currency's smallest unit: `19.99 EUR`, `500 JPY`."""
    number, code = _number(minor_units), currency.strip().upper()
    if number is None or not code:
        return None
    decimals = _MINOR_DECIMALS.get(code, 2)
    return f"{number.scaleb(-decimals):.{decimals}f} {code}"


def size(size_bytes: float | str) -> str | None:
    """Return a number of bytes in the largest unit that fits: `1.5 GB`."""
    number = _number(size_bytes)
    if number is None or number < 0:
        return None
    for unit in _SIZES[:-1]:
        if number < 1000:  # noqa: PLR2004 (SI units)
            return f"{_shown(round(number, 1))} {unit}"
        number /= 1000
    return f"{_shown(round(number, 1))} {_SIZES[-1]}"


def duration(secs: float | str) -> str | None:
    """Return seconds in the two largest units that fit: `2 h 5 min`, `45 s`."""
    number = _number(secs)
    if number is None or number < 0:
        return None
    left = int(number)
    for (unit_secs, unit), (smaller_secs, smaller) in pairwise(_UNITS):
        if left >= unit_secs:
            rest = left % unit_secs // smaller_secs
            return f"{left // unit_secs} {unit}" + (f" {rest} {smaller}" if rest else "")
    return f"{left} s"


def duration_between(begin: float | str, end: float | str) -> str | None:
    """Return the time between two moments."""
    first, last = read_moment(begin), read_moment(end)
    return None if first is None or last is None else duration((last - first).total_seconds())


def read_moment(given: float | str) -> datetime | None:
    """Read a moment: ISO 8601, or seconds or milliseconds since the epoch, as a number or a text."""
    try:
        if isinstance(given, str) and _number(given) is None:
            read = datetime.fromisoformat(given.strip())
            return read.replace(tzinfo=UTC) if read.tzinfo is None else read.astimezone(UTC)
        secs = float(given)
        return datetime.fromtimestamp(secs / 1000 if abs(secs) >= _LARGEST_EPOCH_SECS else secs, UTC)
    except (ValueError, OverflowError, OSError):
        return None


def _number(given: float | str) -> Decimal | None:
    text = str(given).strip()
    if len(text) > _MOST_DIGITS:
        return None
    try:
        number = Decimal(text)
    except InvalidOperation:
        return None
    return number if number.is_finite() and abs(number.adjusted()) < _MOST_DIGITS else None


def _shown(number: Decimal) -> str:
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
