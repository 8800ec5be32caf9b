"""Read the timestamps that signatures cover, each format in its one spelling, and judge their age."""

import re
from collections.abc import Callable
from datetime import datetime

from push_relay.core.errors import Stale
from push_relay.core.trust.schemes.proof import require

# No sign, no leading zero, no other script's digits; 11 digits last until the year 5138.
_SECONDS = re.compile(r"0|[1-9][0-9]{0,10}")
_MILLISECONDS = re.compile(r"0|[1-9][0-9]{0,13}")
_ISO = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?Z")


def unix(text: str) -> float:
    """Read seconds since the epoch. Raises SignatureInvalid."""
    require(_SECONDS.fullmatch(text) is not None)
    return float(text)


def unix_ms(text: str) -> float:
    """Read milliseconds since the epoch as seconds. Raises SignatureInvalid."""
    require(_MILLISECONDS.fullmatch(text) is not None)
    return int(text) / 1000


def iso8601(text: str) -> float:
    """Read `2021-07-25T10:00:00Z` (UTC) as seconds since the epoch. Raises SignatureInvalid."""
    require(_ISO.fullmatch(text) is not None)
    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError:  # the 13th month
        require(False)  # noqa: FBT003
        raise


#: The readers, as the `[verify]` table's `timestamp_format` names them.
FORMATS: dict[str, Callable[[str], float]] = {"unix": unix, "unix-ms": unix_ms, "iso8601": iso8601}


def require_fresh(moment: float, now: float, past: float, future: float | None = None) -> None:
    """Raise Stale where a moment is more than `past` seconds ago, or `future` ahead (`past`, if not given).

    Schemes ask this once a signature has proven genuine, so that only its sender learns of it.
    """
    if not -(past if future is None else future) <= now - moment <= past:
        raise Stale("the request was signed too long ago, or in the future")
