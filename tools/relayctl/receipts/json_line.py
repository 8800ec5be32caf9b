"""A log line, and the verdict on an event, as JSON for programs: docs/following-events.md."""

from datetime import UTC, datetime
from typing import Any, Final

from relayctl.receipts.line import LogLine
from relayctl.receipts.reasons import parts_of, reason_of, verdict_of
from relayctl.receipts.story import Story

#: The value of `kind` in the object that ends the story of an event.
VERDICT: Final = "verdict"
#: The value of `kind` in the first object of `relayctl send`.
SENT: Final = "sent"


def line_json(line: LogLine, stack: str) -> dict[str, Any]:
    """Return the object of one log line. Every key is always present."""
    return {
        "kind": line.kind.value,
        "stack": stack,
        "at": iso(line.at),
        "function": line.function,
        "source": line.source,
        "event_ids": list(line.event_ids),
        "correlation_id": line.correlation_id,
        "outcome": line.outcome.value if line.outcome else None,
        "error_code": line.error_code,
        "detail": line.detail,
        "vendor_code": line.vendor_code,
        "violations": list(line.violations),
        "account": line.account,
        "route": line.route,
        "left_out": [{"route": route, "reason": reason} for route, reason in parts_of(line)],
        "attempt": line.attempt,
        "next_attempt_at": None if line.due is None else iso(line.due),
        "latency_ms": line.latency_ms,
        "count": line.count,
        "reason": reason_of(line),
    }


def verdict_json(story: Story, stack: str, dead_letters: list[str] | None = None) -> dict[str, Any]:
    """Return the object of the verdict on an event. Every key is always present.

    dead_letters  the ids of its dead letters; None if they were not looked for
    """
    deciding = story.deciding
    return {
        "kind": VERDICT,
        "stack": stack,
        "source": story.source,
        "event_id": story.event_id,
        "correlation_ids": list(story.correlation_ids),
        "verdict": story.verdict.value,
        "error_code": deciding.error_code if deciding else None,
        "reason": verdict_of(story),
        "next_attempt_at": None if story.due is None else iso(story.due),
        "dead_letters": dead_letters,
    }


def iso(moment: float) -> str:
    """Return a time (seconds since the epoch) in RFC 3339, to the millisecond."""
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="milliseconds")
