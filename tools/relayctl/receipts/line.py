"""One log line of the functions `receive` and `deliver`. docs/reference.md has its keys."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from push_relay.core.errors import MappingFailed
from push_relay.core.outcomes import Outcome
from relayctl.terminal_text import printable

RECEIVE, DELIVER = "receive", "deliver"
FUNCTIONS: Final = (RECEIVE, DELIVER)
#: The name under which both functions log (template.yaml).
_SERVICE: Final = "push-relay"
#: An id that is not known.
NO_ID: Final = "-"
_PLACE: Final = re.compile(r"route\[\d+\]\.(?:to\[\d+\]|when)")


class LineKind(StrEnum):
    """The subject of a line. The values are those of the key `message`, except for the last one."""

    ACCEPTED = "accepted"
    INVALID_ITEM = "kept"
    EMPTY = "empty"
    HANDSHAKE = "handshake"
    RECEIPT = "receipt"
    FALLBACK = "fallback"
    UNSUBSCRIBED = "unsubscribed"
    TROUBLE = "trouble"  # any other text: something went wrong outside any one event


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line. A key that it does not have is None, or empty.

    at          seconds since the epoch
    function    `receive` or `deliver`
    text        the line's `message`
    event_ids   the events that it is about; empty if it names none
    violations  JSON pointer and keyword of each, separated by a space
    route       the place in relay.toml that leads to the push's recipient, such as `route[3].to[1]`
    left_out    the parts of routes that lead to nobody, each a place and a reason
    due         when a parked push is tried again, in seconds since the epoch
    count       the number of requests that the line represents
    """

    at: float
    function: str
    kind: LineKind
    text: str
    level: str = "INFO"
    source: str | None = None
    event_ids: tuple[str, ...] = ()
    correlation_id: str | None = None
    outcome: Outcome | None = None
    error_code: str | None = None
    detail: str | None = None
    vendor_code: str | None = None
    violations: tuple[str, ...] = ()
    account: str | None = None
    route: str | None = None
    left_out: tuple[str, ...] = ()
    attempt: int | None = None
    due: float | None = None
    latency_ms: float | None = None
    count: int = 1

    @property
    def about_route(self) -> str | None:
        """The route that it is about: the one that leads to the recipient, or that cannot be evaluated."""
        if self.route is None and self.error_code == MappingFailed.code:
            found = _PLACE.match(self.detail or "")
            return found[0] if found else None
        return self.route

    def is_about(self, wanted: str) -> bool:
        """Return whether an id is that of one of its events, or its correlation id."""
        return wanted in self.event_ids or wanted == self.correlation_id


def read_line(text: str, function: str, at: float = 0.0) -> LogLine | None:
    """Read a line of a function's log; None for one that the relay's telemetry has not written.

    Its texts are printable, a stranger may have chosen them: `vendor_code` is the vendor's.

    at  seconds since the epoch, for a line without a time of its own
    """
    try:
        written = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(written, dict) or written.get("service") != _SERVICE or "_aws" in written:
        return None
    message = written.get("message")
    if not isinstance(message, str):
        return None
    kind = LineKind(message) if message in list(LineKind) else LineKind.TROUBLE
    outcome = written.get("outcome")
    return LogLine(
        at=_moment(written.get("timestamp")) or at,
        function=function,
        kind=kind,
        text=printable(message),
        level=_text(written, "level") or "INFO",
        source=_text(written, "source"),
        event_ids=_event_ids(written),
        correlation_id=_text(written, "correlation_id"),
        outcome=Outcome(outcome) if outcome in list(Outcome) else None,
        error_code=_text(written, "error_code"),
        detail=_text(written, "detail"),
        vendor_code=_text(written, "vendor_code"),
        violations=_texts(written, "violations"),
        account=_text(written, "account"),
        route=_text(written, "route"),
        left_out=_texts(written, "left_out"),
        attempt=_integer(written, "attempt"),
        due=_moment(written.get("next_attempt_at")),
        latency_ms=_number(written, "latency_ms"),
        count=_integer(written, "count") or 1,
    )


def _event_ids(written: Mapping[str, Any]) -> tuple[str, ...]:
    own = _text(written, "event_id")
    ids = (own,) if own else _texts(written, "event_ids")
    return tuple(name for name in ids if name != NO_ID)


def _text(written: Mapping[str, Any], key: str) -> str | None:
    value = written.get(key)
    return printable(value) if isinstance(value, str) else None


def _texts(written: Mapping[str, Any], key: str) -> tuple[str, ...]:
    value = written.get(key)
    return (
        tuple(printable(text) for text in value if isinstance(text, str)) if isinstance(value, list) else ()
    )


def _number(written: Mapping[str, Any], key: str) -> float | None:
    value = written.get(key)
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def _integer(written: Mapping[str, Any], key: str) -> int | None:
    value = _number(written, key)
    return None if value is None else int(value)


def _moment(value: object) -> float | None:
    """Return a time (RFC 3339) in seconds since the epoch; None for any other value."""
    try:
        return datetime.fromisoformat(value).timestamp() if isinstance(value, str) else None
    except (ValueError, OverflowError):
        return None
