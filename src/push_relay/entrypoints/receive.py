"""The front door: API Gateway or a function URL in, a status and a small JSON body out.

Every error is a problem detail (RFC 9457) with a stable code of docs/errors.md; none quotes the request.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from http import HTTPStatus
from typing import Any

from push_relay import __version__
from push_relay.core.errors import (
    CODES,
    MalformedRequest,
    NotNow,
    PayloadTooLarge,
    QueueUnavailable,
    RelayError,
    SchemaViolation,
    Unauthenticated,
)
from push_relay.core.event import Event
from push_relay.core.inbound.request import HttpRequest, is_http, unwrap
from push_relay.core.outcomes import Disposition, Outcome, code_of, verdict, verdict_of_code
from push_relay.core.push import Receipt
from push_relay.core.relay import DeliveryMode, Relay
from push_relay.core.trust.handshakes.base import Notice, Reply
from push_relay.entrypoints import ending
from push_relay.entrypoints.ports import LambdaContext, Queues, time_left
from push_relay.entrypoints.queue_record import QueueRecord
from push_relay.telemetry import Telemetry

#: Codes of what is answered before there is any event, and so no outcome.
METHOD_NOT_ALLOWED = "method_not_allowed"
NOT_FOUND = "not_found"
#: The code of a subscription that was confirmed without AuthenticateOnUnsubscribe.
UNPROTECTED_SUBSCRIPTION = "unprotected_subscription"
#: Seconds that a sender is asked to wait where nobody knows better.
RETRY_AFTER = 60

type Response = dict[str, Any]


def handle(
    invocation: Any,
    context: LambdaContext,
    relay: Relay,
    messages: Queues,
    telemetry: Telemetry,
) -> Response:
    """Answer one HTTP request. Never raises: what the relay does not know is an opaque 500."""
    request: HttpRequest | None = None
    try:
        request = _unwrap(invocation)
        return _answer(request, context, relay, messages, telemetry)
    except Exception as exc:  # noqa: BLE001 (an exception's text may quote the request; Lambda would log it)
        source = request.source if request else None
        correlation_id = request.correlation_id if request else "-"
        receipt = Receipt.failure(exc, source=source, correlation_id=correlation_id)
        if isinstance(exc, RelayError) and not exc.sender_is_proven:
            telemetry.refused(receipt)
        else:
            telemetry.settled([receipt], attempt=1)
        return _refusal(exc, correlation_id)
    finally:
        telemetry.flush()


def _unwrap(invocation: Any) -> HttpRequest:
    if not is_http(invocation):
        raise MalformedRequest("the invocation comes neither from API Gateway nor from a function URL")
    return unwrap(invocation)


def _answer(
    request: HttpRequest, context: LambdaContext, relay: Relay, messages: Queues, telemetry: Telemetry
) -> Response:
    match request.method, request.path.rstrip("/").rpartition("/")[2], request.source:
        case "GET", "health", None:
            return _respond(HTTPStatus.OK, {"status": "ok", "version": __version__}, request.correlation_id)
        case "POST", _, str():
            return _webhook(request, context, relay, messages, telemetry)
        case "OPTIONS", _, str() if reply := relay.preflight(request):
            return _handshake(reply, request, telemetry)
        case _, _, str():
            return _not_allowed("POST", request)
        case _, "health", None:
            return _not_allowed("GET", request)
        case _:
            return _problem(HTTPStatus.NOT_FOUND, NOT_FOUND, request.correlation_id)


def _webhook(
    request: HttpRequest, context: LambdaContext, relay: Relay, messages: Queues, telemetry: Telemetry
) -> Response:
    received = relay.receive(request, time_left(context))
    if isinstance(received, Reply):
        return _handshake(received, request, telemetry)
    event, receipts = received.event, received.receipts
    about = {"id": event.id, "source": event.source}
    if relay.mode is DeliveryMode.QUEUE:
        telemetry.accepted(event)
        return _respond(HTTPStatus.ACCEPTED, {"status": "accepted", **about}, event.correlation_id)
    try:
        _keep(QueueRecord({}, event=event, receipts=receipts), relay, messages)
    except (QueueUnavailable, PayloadTooLarge) as exc:
        refused = QueueUnavailable(exc.detail)
        receipts = [_not_kept(receipt, refused) for receipt in receipts]
        telemetry.settled(receipts, attempt=1)
        return _answer_not_kept(event, receipts, refused)
    telemetry.settled(receipts, attempt=1)
    return _answer_with_receipts(event, receipts)


def _handshake(reply: Reply, request: HttpRequest, telemetry: Telemetry) -> Response:
    telemetry.handshake(request.source or "", request.correlation_id)
    match reply.notice:
        case Notice.UNSUBSCRIBED:
            telemetry.unsubscribed(request.source or "", request.correlation_id)
        case Notice.UNPROTECTED:
            telemetry.trouble(
                f"subscription of source `{request.source}`",
                error_code=UNPROTECTED_SUBSCRIPTION,
                detail=f"{reply.notice.value}: list the topic in HttpSnsTopicArns and subscribe again",
            )
    headers = {
        "Content-Type": reply.content_type,
        # What is given back as it came must be taken for nothing but what it is said to be.
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "no-store",
        "X-Correlation-Id": request.correlation_id,
        **reply.headers,
    }
    return {
        "statusCode": int(HTTPStatus.OK),
        "headers": headers,
        "body": reply.body,
        "isBase64Encoded": False,
    }


def _keep(message: QueueRecord, relay: Relay, messages: Queues) -> None:
    """Dead-letter and park a directly delivered event's pushes, as `deliver` does.

    Raises QueueUnavailable, PayloadTooLarge.
    """
    ending.dead_letter(message, messages)
    if parked := message.asking_for(Disposition.PARK):
        ending.park(message, parked, relay.clock.now(), messages)


def _not_kept(receipt: Receipt, refused: QueueUnavailable) -> Receipt:
    """Return a receipt's replacement if its push had to be kept and could not be: the sender has to retry."""
    if receipt.disposition is Disposition.ACKNOWLEDGE:
        return receipt
    return replace(
        receipt,
        outcome=verdict(refused).outcome,
        error_code=refused.code,
        detail=refused.detail,
        violations=(),
    )


def _answer_not_kept(event: Event, receipts: Sequence[Receipt], refused: QueueUnavailable) -> Response:
    status = verdict(refused).status
    problem = {**_details(status, refused.code, refused.detail), **_about(event, receipts)}
    return _respond(status, problem, event.correlation_id, _retry_after(None))


def _answer_with_receipts(event: Event, receipts: Sequence[Receipt]) -> Response:
    """Answer in direct mode: 202 if a push is kept in a queue, whatever the reason, else 200.

    A failed push is no error to its sender, who would only retry it: a person has to release it.
    """
    worst = max(receipts, key=_gravity)
    status = HTTPStatus.ACCEPTED if any(_gravity(worst)) else HTTPStatus.OK
    return _respond(status, {"status": worst.outcome, **_about(event, receipts)}, event.correlation_id)


def _gravity(receipt: Receipt) -> tuple[bool, bool]:
    """Return whether a push is dead-lettered, and whether it waits: in a queue or in a batch window."""
    return receipt.disposition is Disposition.DEAD_LETTER, receipt.outcome is Outcome.PARKED


def _about(event: Event, receipts: Sequence[Receipt]) -> dict[str, Any]:
    return {"id": event.id, "source": event.source, "receipts": [_shown(receipt) for receipt in receipts]}


def _shown(receipt: Receipt) -> dict[str, str]:
    told = {"outcome": receipt.outcome, "error_code": receipt.error_code, "detail": _told(receipt)}
    return {name: value for name, value in told.items() if value}


def _told(receipt: Receipt) -> str | None:
    """Return what a sender may read: where an unknown exception was raised is for the log alone."""
    return None if receipt.error_code == RelayError.code else receipt.detail


def _refusal(error: Exception, correlation_id: str) -> Response:
    """Answer with an error: in words where the sender can mend it.

    What only the deployer can mend (a secret that is not there) is for the log: anybody may be asking.
    """
    status = verdict(error).status
    is_theirs = status < HTTPStatus.INTERNAL_SERVER_ERROR
    detail = error.detail if isinstance(error, RelayError) and is_theirs else ""
    body = _details(status, code_of(error), detail)
    if isinstance(error, SchemaViolation):
        body["errors"] = [{"pointer": v.pointer, "rule": v.rule} for v in error.violations]
    headers = _retry_after(error.retry_after) if isinstance(error, NotNow) else {}
    if isinstance(error, Unauthenticated) and error.challenge and status == HTTPStatus.UNAUTHORIZED:
        # Some senders, SNS among them, send a password only if they are asked for one (RFC 9110, 11.6.1).
        headers["WWW-Authenticate"] = error.challenge
    return _respond(status, body, correlation_id, headers)


def _not_allowed(allowed: str, request: HttpRequest) -> Response:
    allow = {"Allow": allowed}
    return _problem(HTTPStatus.METHOD_NOT_ALLOWED, METHOD_NOT_ALLOWED, request.correlation_id, allow)


def _problem(
    status: HTTPStatus, code: str, correlation_id: str, headers: Mapping[str, str] | None = None
) -> Response:
    return _respond(status, _details(status, code, ""), correlation_id, headers)


def _details(status: int, code: str, detail: str) -> dict[str, Any]:
    """Write a problem detail (RFC 9457); its type is a name, not an address that anybody serves."""
    title = verdict_of_code(code).title if code in CODES else HTTPStatus(status).phrase
    told = {"detail": detail} if detail else {}
    return {"type": f"urn:push-relay:error:{code}", "title": title, "status": status, "code": code, **told}


def _retry_after(seconds: float | None) -> dict[str, str]:
    return {"Retry-After": str(max(1, math.ceil(seconds if seconds is not None else RETRY_AFTER)))}


def _respond(
    status: int, body: Mapping[str, Any], correlation_id: str, headers: Mapping[str, str] | None = None
) -> Response:
    problem = status >= HTTPStatus.BAD_REQUEST
    given = {
        "Content-Type": "application/problem+json" if problem else "application/json",
        "Cache-Control": "no-store",
        "X-Correlation-Id": correlation_id,
        **(headers or {}),
    }
    text = json.dumps(body, separators=(",", ":"))
    return {"statusCode": int(status), "headers": given, "body": text, "isBase64Encoded": False}
