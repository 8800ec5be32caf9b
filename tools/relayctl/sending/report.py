"""The result of sending an example: on the terminal, as JSON for programs, and as an exit code."""

from collections.abc import Iterator, Sequence
from typing import Any, Final

from rich.console import Console
from rich.text import Text

from push_relay.core.outcomes import Outcome
from relayctl.examples import Example
from relayctl.receipts.json_line import SENT, VERDICT
from relayctl.receipts.report import show_verdict
from relayctl.receipts.route_texts import RouteTexts
from relayctl.receipts.story import Story, Verdict, Waiting
from relayctl.sending.posting import Sent
from relayctl.sending.preparing import Prepared

#: The exit codes.
DELIVERED, NOT_DELIVERED, NOTHING_SENT, NOT_KNOWN = 0, 1, 2, 3
#: The verdicts that may still change.
_WAITING: Final = (Outcome.PARKED, Waiting.QUEUED, Waiting.UNKNOWN)
_FINE: Final = (Outcome.DELIVERED, Waiting.HANDSHAKE, Waiting.EMPTY)


def exit_code(verdicts: Sequence[Verdict]) -> int:
    """Return the exit code for the verdicts on all events."""
    if any(verdict not in (*_FINE, *_WAITING) for verdict in verdicts):
        return NOT_DELIVERED
    return NOT_KNOWN if any(verdict in _WAITING for verdict in verdicts) else DELIVERED


def refusal(sent: Sent) -> str:
    """Return why the endpoint has refused a request, in one sentence without a full stop."""
    places = f" ({', '.join(sent.violations)})" if sent.violations else ""
    error = ": ".join(filter(None, (sent.error_code, sent.detail)))
    return f"the endpoint answered {sent.status}: {error or 'no reason is given'}{places}"


def sent_json(stack: str, example: Example, prepared: Prepared, sent: Sent) -> dict[str, Any]:
    """Return the first object of the command's JSON. Every key is always present."""
    return {
        "kind": SENT,
        "stack": stack,
        "source": example.source,
        "example": example.name,
        "through": "queue" if prepared.request is None else "webhook",
        "status": sent.status,
        "error_code": sent.error_code,
        "detail": sent.detail,
        "violations": list(sent.violations),
        "correlation_id": sent.correlation_id,
        "event_ids": list(sent.event_ids),
        "made_new": list(prepared.made_new),
        "is_new": prepared.is_new,
        "notes": list(prepared.notes),
    }


def bare_verdict_json(stack: str, source: str, sent: Sent, verdict: Verdict, reason: str) -> dict[str, Any]:
    """Return the verdict on a request of which no event is known."""
    return {
        "kind": VERDICT,
        "stack": stack,
        "source": source,
        "event_id": None,
        "correlation_ids": [sent.correlation_id] if sent.correlation_id else [],
        "verdict": verdict.value,
        "error_code": sent.error_code,
        "reason": reason,
        "next_attempt_at": None,
        "dead_letters": None,
    }


def show_verdicts(
    console: Console, found: Sequence[Story], texts: RouteTexts, prepared: Prepared, *, as_is: bool
) -> None:
    """Print the verdict on each event, and what to change if it was a duplicate."""
    for story in found:
        if len(found) > 1:
            console.print(Text(f"{story.source or 'unknown'}  {story.event_id or '(no event)'}", "bold"))
        show_verdict(console, story, texts)
    if any(story.verdict is Outcome.DUPLICATE for story in found):
        for line in duplicate_advice(prepared, as_is=as_is):
            console.print(Text(f"     {line}"), soft_wrap=True)


def duplicate_advice(prepared: Prepared, *, as_is: bool) -> Iterator[str]:
    """Yield what to change so that the ledger takes an example for a new event."""
    if as_is:
        yield "without --as-is, the example is sent as a new event"
    elif prepared.is_new:
        yield "a field that the deployed version identifies events by is the same: change it with --set"
    else:
        yield (
            "the relay knows an event of this source by its content alone: change a field, such as "
            "--set data.id=2"
        )
