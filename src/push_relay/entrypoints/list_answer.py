"""The answer to a request with several events, and its log lines: each event or item has its own outcome."""

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from push_relay.core.errors import RelayError, SchemaViolation, Violation
from push_relay.core.intake import Part, Received
from push_relay.core.outcomes import code_of, verdict
from push_relay.core.push import Receipt
from push_relay.core.rules.schema import MAX_VIOLATIONS
from push_relay.entrypoints.answers import (
    Response,
    accepted,
    details,
    gravity,
    listed,
    respond,
    retry_after,
    safe_detail,
    shown,
)
from push_relay.telemetry import Telemetry

if TYPE_CHECKING:
    from push_relay.core.event import Event

ACCEPTED, EMPTY = "accepted", "empty"


def note(received: Received, telemetry: Telemetry) -> None:
    """Note each part once, in their order: as accepted, or with its receipts."""
    if not received.parts:
        telemetry.empty(received.source, received.correlation_id)
    queued: list[Event] = []
    for part in received.parts:
        if part.event and part.is_queued:
            queued.append(part.event)
            continue
        telemetry.accepted(*queued)
        queued.clear()
        if part.receipts:
            telemetry.settled(part.receipts, attempt=1)
        elif not part.is_refused:
            telemetry.kept(_receipt(part, received))
        elif received.is_open:
            telemetry.refused(_receipt(part, received))
        else:
            telemetry.settled([_receipt(part, received)], attempt=1)
    telemetry.accepted(*queued)


def answer(received: Received) -> Response:
    """Answer: 2xx only if everything valid is accepted. The list has the outcome of each event."""
    parts = received.parts
    if not parts:
        body: dict[str, Any] = {"status": EMPTY, "source": received.source, "events": []}
        return accepted(respond(HTTPStatus.OK, body, received.correlation_id), received.answer)
    again = next((part.cause for part in parts if part.must_be_sent_again), None)
    if again:
        return _problem(received, again, verdict(again).status, retry_after(None))
    if all(part.is_refused or part.event is None for part in parts):
        return _refused(received)
    receipts = [receipt for part in parts for receipt in part.receipts]
    is_stored = len(receipts) < len(parts) or any(any(gravity(receipt)) for receipt in receipts)
    status = HTTPStatus.ACCEPTED if is_stored else HTTPStatus.OK
    # In direct mode the worst outcome of all pushes, as in the answer to a single event.
    worst = max(receipts, key=gravity).outcome if receipts else ACCEPTED
    body = {"status": worst, "source": received.source, "events": _events(received)}
    return accepted(respond(status, body, received.correlation_id), received.answer)


def _refused(received: Received) -> Response:
    """Answer a request without a valid item, as one with such an event is answered."""
    causes = [part.cause for part in received.parts if part.cause]
    worst = next((cause for cause in causes if isinstance(cause, SchemaViolation)), causes[0])
    status = verdict(worst).status
    if received.answer.rejected_status and not received.is_open:
        status = received.answer.rejected_status
    return _problem(received, worst, status, {})


def _problem(received: Received, error: Exception, status: int, headers: dict[str, str]) -> Response:
    body = details(status, code_of(error), safe_detail(error))
    if isinstance(error, SchemaViolation):
        found = _violations(received)
        body |= {"detail": SchemaViolation(tuple(found)).detail, "errors": listed(found)}
    body |= {"source": received.source, "events": _events(received)}
    return respond(status, body, received.correlation_id, headers)


def _violations(received: Received) -> list[Violation]:
    """Return the violations of all items, as many as are listed for one event."""
    found = [
        violation
        for part in received.parts
        if isinstance(part.cause, SchemaViolation)
        for violation in part.cause.violations
    ]
    return found[:MAX_VIOLATIONS]


def _events(received: Received) -> list[dict[str, Any]]:
    """List the outcome of each part, in their order. All of them together have MAX_VIOLATIONS at most."""
    left = MAX_VIOLATIONS
    events = []
    for part in received.parts:
        entry = _entry(part)
        if isinstance(part.cause, SchemaViolation) and left:
            entry["errors"] = listed(part.cause.violations[:left])
            left -= len(entry["errors"])
        events.append(entry)
    return events


def _entry(part: Part) -> dict[str, Any]:
    entry: dict[str, Any]
    if part.cause is not None:
        entry = {"id": part.id, "status": verdict(part.cause).outcome, "code": code_of(part.cause)}
        if detail := safe_detail(part.cause):
            entry["detail"] = detail
    elif part.receipts:
        entry = {"id": part.id, "status": max(part.receipts, key=gravity).outcome}
    else:
        entry = {"id": part.id, "status": ACCEPTED}
    if part.event and part.receipts:
        entry["receipts"] = [shown(receipt) for receipt in part.receipts]
    return entry


def _receipt(part: Part, received: Received) -> Receipt:
    return Receipt.failure(
        part.cause or RelayError(),
        source=received.source,
        event_id=part.id,
        correlation_id=received.correlation_id,
    )
