"""Log lines and verdicts in words: what happened, and what a push waits for."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Final

from push_relay.core.outcomes import Outcome
from push_relay.core.push import BATCHED
from push_relay.core.rules.routing import BLANK, FALSE, UNLISTED
from relayctl.receipts.line import RECEIVE, LineKind, LogLine
from relayctl.receipts.story import Story, Waiting

#: The reasons for which a parked push waits, by its error code. docs/troubleshooting.md has what to do.
WAITS_FOR: Final[Mapping[str, str]] = {
    BATCHED: "the end of its batch window",
    "quota_exhausted": "midnight in the account's time zone: the calls of the day are used up",
    "budget_exhausted": "midnight in the account's time zone: its source has used up its calls of the day",
    "vendor_unavailable": "the vendor, which does not answer",
    "vendor_throttled": "the vendor, which asks for fewer calls",
    "circuit_open": "the vendor, because calls are stopped",
    "vendor_unauthorized": "push credentials that the vendor accepts",
    "credentials_unavailable": "a secret that can be used",
    "delivery_unknown": "another attempt, because the vendor's answer was lost",
    "claim_held": "another worker, which is sending it",
    "connections_busy": "a free connection of the account",
    "out_of_time": "the next invocation of the function",
    "ledger_unavailable": "the ledger, which does not answer",
    "queue_unavailable": "the queue, which does not answer",
    "configuration_invalid": "a valid configuration (`make check`)",
    "internal_error": "a new version: the relay does not know this error",
    "not_now": "another attempt",
}
_PARTS: Final[Mapping[str, str]] = {
    FALSE: "does not hold",
    BLANK: "is empty for this event",
    UNLISTED: "names a person who is not in [people]",
}


_RARE: Final[Mapping[LineKind, str]] = {
    LineKind.EMPTY: "a request without an event",
    LineKind.HANDSHAKE: "a question of the sender's was answered",
    LineKind.FALLBACK: "only a fallback source took it",
    LineKind.UNSUBSCRIBED: "SNS has confirmed the end of the subscription",
}


def reason_of(line: LogLine) -> str:
    """Return what a line reports, in one sentence without a full stop."""
    match line.kind:
        case LineKind.RECEIPT:
            text = _receipt(line)
        case LineKind.ACCEPTED:
            number = len(line.event_ids)
            text = "accepted and queued" if number == 1 else f"{number} events accepted and queued"
        case LineKind.INVALID_ITEM:
            text = f"not valid, so it is queued to be dead-lettered: {_error(line)}"
        case LineKind.TROUBLE:
            text = ": ".join(filter(None, (line.text, line.error_code, line.detail)))
        case rare:
            text = _times(line) + _RARE[rare]
    return text


#: The sentences of receipts without an error.
_SENTENCES: Final[Mapping[Outcome | None, str]] = {
    Outcome.DELIVERED: "the vendor accepted the push",
    Outcome.DUPLICATE: "the push was settled before: the same event arrived again",
    Outcome.FILTERED: "no push was wanted",
    Outcome.EXPIRED: "it was older than its max_age",
}


def _receipt(line: LogLine) -> str:
    if line.outcome is Outcome.PARKED:
        return _parked(line)
    if line.error_code or line.outcome not in _SENTENCES:
        return _times(line) + _error(line)
    if line.outcome is Outcome.DELIVERED and line.detail:
        return f"{_SENTENCES[line.outcome]} ({line.detail})"
    return line.detail or _SENTENCES[line.outcome]


def _parked(line: LogLine) -> str:
    if is_answered_503(line):
        return f"answered 503, so that the sender sends it again: {_error(line)}"
    until = f", until {utc(line.due)}" if line.due is not None else ""
    detail = f" ({line.detail})" if line.detail and line.error_code != BATCHED else ""
    return f"waits for {WAITS_FOR.get(line.error_code or '', 'another attempt')}{until}{detail}"


def is_answered_503(line: LogLine) -> bool:
    """Return whether a parked receipt is in no queue, because its sender was asked to send it again."""
    is_parked = line.outcome is Outcome.PARKED
    return is_parked and line.function == RECEIVE and line.account is None and line.due is None


def parts_of(line: LogLine) -> Iterator[tuple[str | None, str]]:
    """Yield each part of a route that leads to nobody: its place, or None, and a sentence about it."""
    for part in line.left_out:
        place, _, reason = part.partition(" ")
        if part == "route none":
            yield None, "no [[route]] is for the source"
        elif reason in _PARTS:
            yield place, _PARTS[reason]
        else:
            yield None, f"{part} like these"


def verdict_of(story: Story) -> str:
    """Return why an event ended as it did, in one sentence without a full stop."""
    match story.verdict:
        case Waiting.QUEUED:
            return "it is in the queue, and `deliver` has written no receipt yet"
        case Waiting.UNKNOWN:
            return "the log has no line that shows how it ended"
        case _:
            return reason_of(story.deciding) if story.deciding else ""


def utc(moment: float) -> str:
    """Return a time (seconds since the epoch) to the second: `2027-01-15 08:00:00Z`."""
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%d %H:%M:%SZ")


def _error(line: LogLine) -> str:
    vendor = f" (the vendor's code: {line.vendor_code})" if line.vendor_code else ""
    violations = f" ({', '.join(line.violations)})" if line.violations else ""
    return ": ".join(filter(None, (line.error_code, line.detail))) + vendor + violations


def _times(line: LogLine) -> str:
    return f"{line.count} times: " if line.count > 1 else ""
