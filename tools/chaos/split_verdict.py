"""The verdict about split requests: each of their events has an outcome of its own, also an invalid one."""

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from chaos.driver import Facts
from chaos.event_source import EventSource
from chaos.evidence import Evidence
from chaos.plan import SPLIT, Kind, Planned, Way, requests_of
from push_relay.core.errors import MalformedRequest, SchemaViolation
from push_relay.core.queue_format import EVENT_ATTRIBUTE, ORIGIN_ATTRIBUTE

if TYPE_CHECKING:
    from chaos.verdict import Verdict

MISANSWERED: Final = "answered with another outcome than its own"
REJECTED_TWICE: Final = "rejected twice without a reason"
OTHER_IDENTITY: Final = "rejected under another identity"
BECAME_EVENT: Final = "invalid, and became an event"


def rejection_code(event: Planned) -> str:
    """Return the error code with which a broken event is rejected."""
    return MalformedRequest.code if event.way is Way.LINES else SchemaViolation.code


def check_split_requests(
    planned: Sequence[Planned], facts: Facts, source: EventSource, evidence: Evidence, verdict: "Verdict"
) -> None:
    """Check the answers, and that each invalid item is rejected once: in an answer, or as a dead letter."""
    for marker in facts.misanswered:
        verdict.fail(MISANSWERED, marker)
    again, unexplained = 0, Counter[str]()
    for event in planned:
        if event.way in SPLIT and event.kind is Kind.BROKEN:
            count = _check_rejection(event, facts, evidence, verdict)
            again += max(0, count - 1)
            unexplained[event.marker] = max(0, count - _explained(event, source, evidence))
    # A replay sends one dead letter after the other. If it is killed, one of them may be in both queues.
    if unexplained.total() > evidence.replays_killed:
        for marker in unexplained:
            if unexplained[marker]:
                verdict.fail(REJECTED_TWICE, marker)
    requests = [request for request in requests_of(planned) if request.is_split]
    verdict.details["split"] = {
        "requests": len(requests),
        "events": sum(len(request.events) for request in requests),
        "invalid": sum(event.kind is Kind.BROKEN for request in requests for event in request.events),
        "queued_in_part": evidence.in_part,
        "sent_again": facts.sent_again,
        "rejected_again": again,
    }


def _check_rejection(event: Planned, facts: Facts, evidence: Evidence, verdict: "Verdict") -> int:
    """Check an invalid item, and return the number of its dead letters."""
    marker = event.marker
    dead_letters = evidence.dead_letters_of(marker)
    if marker in facts.refused:
        # Its sender has the whole request back.
        if dead_letters:
            verdict.fail(REJECTED_TWICE, marker)
        return 0
    if any(EVENT_ATTRIBUTE in dead_letter.attributes for dead_letter in dead_letters):
        verdict.fail(BECAME_EVENT, marker)
    ids = {dead_letter.attributes.get(ORIGIN_ATTRIBUTE) for dead_letter in dead_letters}
    if marker in facts.accepted and ids - {facts.event_ids.get(marker)}:
        # The answer has the id under which a person finds the item.
        verdict.fail(OTHER_IDENTITY, marker)
    return len(dead_letters)


def _explained(event: Planned, source: EventSource, evidence: Evidence) -> int:
    """Return how many dead letters of an invalid item have a reason.

    There is one for each copy of its request, and one for each time that a message was stored by an attempt
    of unknown fate or handed out again.
    """
    return len(event.copies) + evidence.again[event.marker] + source.again[event.marker]
