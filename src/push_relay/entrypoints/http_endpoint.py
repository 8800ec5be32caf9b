"""The HTTP endpoint: an invocation by API Gateway or a function URL in, a status and a small JSON body out.

Every error is a problem detail (RFC 9457) with a stable code of docs/errors.md; none quotes the request.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from push_relay import __version__
from push_relay.core.errors import (
    CODES,
    MalformedRequest,
    NotNow,
    QueueUnavailable,
    RelayError,
    SchemaViolation,
    Unauthenticated,
)
from push_relay.core.event import Event
from push_relay.core.inbound.request import HttpRequest, is_http, unwrap
from push_relay.core.intake import Intake
from push_relay.core.outcomes import Disposition, Outcome, code_of, verdict, verdict_of_code
from push_relay.core.push import Receipt
from push_relay.core.trust.handshakes.base import Notice, Reply
from push_relay.entrypoints.ports import LambdaContext, time_left
from push_relay.telemetry import Telemetry

#: Codes of answers to requests that carry no event, and so have no outcome.
METHOD_NOT_ALLOWED = "method_not_allowed"
NOT_FOUND = "not_found"
#: The code of a subscription that was confirmed without AuthenticateOnUnsubscribe.
UNPROTECTED_SUBSCRIPTION = "unprotected_subscription"
#: Seconds that a sender is asked to wait if no better value is known.
RETRY_AFTER_SECS = 60

type Response = dict[str, Any]


@dataclass(frozen=True, slots=True)
class HttpEndpoint:
    """Answers the HTTP requests of the function `receive`."""

    intake: Intake
    telemetry: Telemetry

    def handle(self, invocation: Any, context: LambdaContext) -> Response:
        """Answer one HTTP request. Never raises: an error that the relay does not know is an opaque 500."""
        request: HttpRequest | None = None
        try:
            request = _unwrap(invocation)
            return self._answer(request, context)
        except Exception as exc:  # noqa: BLE001 (an exception's text may quote the request; Lambda would log it)
            source = request.source if request else None
            correlation_id = request.correlation_id if request else "-"
            receipt = Receipt.failure(exc, source=source, correlation_id=correlation_id)
            if isinstance(exc, RelayError) and not exc.sender_is_proven:
                self.telemetry.refused(receipt)
            else:
                self.telemetry.settled([receipt], attempt=1)
            return _refusal(exc, correlation_id)
        finally:
            self.telemetry.flush()

    def _answer(self, request: HttpRequest, context: LambdaContext) -> Response:
        match request.method, request.path.rstrip("/").rpartition("/")[2], request.source:
            case "GET", "health", None:
                return _respond(
                    HTTPStatus.OK, {"status": "ok", "version": __version__}, request.correlation_id
                )
            case "POST", _, str():
                return self._webhook(request, context)
            case "GET" | "HEAD" | "OPTIONS", _, str() if reply := self.intake.answer_question(request):
                return self._handshake(reply, request)
            case _, _, str(source):
                return _not_allowed(", ".join(self.intake.methods(source)), request)
            case _, "health", None:
                return _not_allowed("GET", request)
            case _:
                return _problem(HTTPStatus.NOT_FOUND, NOT_FOUND, request.correlation_id)

    def _webhook(self, request: HttpRequest, context: LambdaContext) -> Response:
        received = self.intake.receive(request, time_left(context))
        if isinstance(received, Reply):
            return self._handshake(received, request)
        event, (receipts, lost) = received.event, received.forwarded
        if not receipts:
            self.telemetry.accepted(event)
            return _answer_queued(event)
        self.telemetry.settled(receipts, attempt=1)
        return _answer_lost(event, receipts, lost) if lost else _answer_with_receipts(event, receipts)

    def _handshake(self, reply: Reply, request: HttpRequest) -> Response:
        source = request.source or ""
        self.telemetry.handshake(source, request.correlation_id)
        match reply.notice:
            case Notice.UNSUBSCRIBED:
                self.telemetry.unsubscribed(source, request.correlation_id)
            case Notice.UNPROTECTED:
                self.telemetry.trouble(
                    f"subscription of source `{source}`",
                    error_code=UNPROTECTED_SUBSCRIPTION,
                    detail=f"{reply.notice.value}: list the topic in HttpSnsTopicArns and subscribe again",
                )
        return _answer_handshake(reply, request)


def _unwrap(invocation: Any) -> HttpRequest:
    if not is_http(invocation):
        raise MalformedRequest("the invocation comes neither from API Gateway nor from a function URL")
    return unwrap(invocation)


def _answer_handshake(reply: Reply, request: HttpRequest) -> Response:
    headers = {
        "Content-Type": reply.content_type,
        # A value that is sent back as it was received must not be taken for another content type.
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "no-store",
        "X-Correlation-Id": request.correlation_id,
        **reply.headers,
    }
    return {
        "statusCode": reply.status,
        "headers": headers,
        "body": "" if request.method == "HEAD" else reply.body,
        "isBase64Encoded": False,
    }


def _answer_queued(event: Event) -> Response:
    body = {"status": "accepted", "id": event.id, "source": event.source}
    return _respond(HTTPStatus.ACCEPTED, body, event.correlation_id)


def _answer_lost(event: Event, receipts: Sequence[Receipt], lost: QueueUnavailable) -> Response:
    status = verdict(lost).status
    problem = {**_details(status, lost.code, lost.detail), **_about(event, receipts)}
    return _respond(status, problem, event.correlation_id, _retry_after(None))


def _answer_with_receipts(event: Event, receipts: Sequence[Receipt]) -> Response:
    """Answer in direct mode: 202 if a push is kept in a queue, whatever the reason, else 200.

    A failed push is not an error of its sender, which would only retry it: a person has to replay it.
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
    fields = {
        "outcome": receipt.outcome,
        "error_code": receipt.error_code,
        "detail": _public_detail(receipt),
    }
    return {name: value for name, value in fields.items() if value}


def _public_detail(receipt: Receipt) -> str | None:
    """Return the detail that a sender may read. The place of an unknown exception is for the log alone."""
    return None if receipt.error_code == RelayError.code else receipt.detail


def _refusal(error: Exception, correlation_id: str) -> Response:
    """Answer with an error, and with its detail if the sender can correct it.

    A detail that only the deployer needs (a missing secret) is for the log: anybody may be asking.
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
    optional = {"detail": detail} if detail else {}
    return {
        "type": f"urn:push-relay:error:{code}",
        "title": title,
        "status": status,
        "code": code,
        **optional,
    }


def _retry_after(seconds: float | None) -> dict[str, str]:
    return {"Retry-After": str(max(1, math.ceil(seconds if seconds is not None else RETRY_AFTER_SECS)))}


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
