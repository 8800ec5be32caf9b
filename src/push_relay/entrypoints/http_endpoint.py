"""The HTTP endpoint: an invocation by API Gateway or a function URL in, a status and a small JSON body out.

`answers.py` has the parts of the answers, `list_answer.py` the answer to a request with several events.
"""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from push_relay import __version__
from push_relay.core.errors import (
    MalformedRequest,
    NotNow,
    RelayError,
    SchemaViolation,
    Unauthenticated,
)
from push_relay.core.event import Event
from push_relay.core.inbound.request import HttpRequest, is_http, unwrap
from push_relay.core.intake import Intake
from push_relay.core.outcomes import code_of, verdict
from push_relay.core.push import Receipt
from push_relay.core.quick_dataclass import dataclass
from push_relay.core.trust.handshakes.base import Notice, Reply
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
from push_relay.entrypoints.ports import LambdaContext, time_left
from push_relay.telemetry import Telemetry

#: Codes of answers to requests that carry no event, and so have no outcome.
METHOD_NOT_ALLOWED = "method_not_allowed"
NOT_FOUND = "not_found"
#: The code of a subscription that was confirmed without AuthenticateOnUnsubscribe.
UNPROTECTED_SUBSCRIPTION = "unprotected_subscription"


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
                return respond(
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
        if received.is_list:
            # Imported here: most requests carry one event.
            from push_relay.entrypoints import list_answer  # noqa: PLC0415

            list_answer.note(received, self.telemetry)
            return list_answer.answer(received)
        event, (receipts, lost) = received.single
        if not receipts:
            self.telemetry.accepted(event)
            return accepted(_answer_queued(event), received.answer)
        self.telemetry.settled(receipts, attempt=1)
        if lost:
            return _answer_lost(event, receipts, lost)
        return accepted(_answer_with_receipts(event, receipts), received.answer)

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
    return respond(HTTPStatus.ACCEPTED, body, event.correlation_id)


def _answer_lost(event: Event, receipts: Sequence[Receipt], lost: RelayError) -> Response:
    status = verdict(lost).status
    problem = {**details(status, lost.code, lost.detail), **_about(event, receipts)}
    return respond(status, problem, event.correlation_id, retry_after(None))


def _answer_with_receipts(event: Event, receipts: Sequence[Receipt]) -> Response:
    """Answer in direct mode: 202 if a push is kept in a queue, whatever the reason, else 200.

    A failed push is not an error of its sender, which would only retry it: a person has to replay it.
    """
    worst = max(receipts, key=gravity)
    status = HTTPStatus.ACCEPTED if any(gravity(worst)) else HTTPStatus.OK
    return respond(status, {"status": worst.outcome, **_about(event, receipts)}, event.correlation_id)


def _about(event: Event, receipts: Sequence[Receipt]) -> dict[str, Any]:
    return {"id": event.id, "source": event.source, "receipts": [shown(receipt) for receipt in receipts]}


def _refusal(error: Exception, correlation_id: str) -> Response:
    """Answer with an error, and with its detail if the sender can correct it."""
    status = verdict(error).status
    is_theirs = status < HTTPStatus.INTERNAL_SERVER_ERROR
    if is_theirs and isinstance(error, RelayError) and error.sender_is_proven and error.answered_with:
        status = error.answered_with
    body = details(status, code_of(error), safe_detail(error))
    if isinstance(error, SchemaViolation):
        body["errors"] = listed(error.violations)
    headers = retry_after(error.retry_after) if isinstance(error, NotNow) else {}
    if isinstance(error, Unauthenticated) and error.challenge and status == HTTPStatus.UNAUTHORIZED:
        # Some senders, SNS among them, send a password only if they are asked for one (RFC 9110, 11.6.1).
        headers["WWW-Authenticate"] = error.challenge
    return respond(status, body, correlation_id, headers)


def _not_allowed(allowed: str, request: HttpRequest) -> Response:
    allow = {"Allow": allowed}
    return _problem(HTTPStatus.METHOD_NOT_ALLOWED, METHOD_NOT_ALLOWED, request.correlation_id, allow)


def _problem(
    status: HTTPStatus, code: str, correlation_id: str, headers: Mapping[str, str] | None = None
) -> Response:
    return respond(status, details(status, code, ""), correlation_id, headers)
