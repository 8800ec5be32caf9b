"""The endpoint of the Push API: it checks each call by the contract and the account, and injects faults.

The order of the vendor's own checks is unknown. Here, the limits are checked first, then `format` and the
body, and then the credentials. An injected fault changes the answer after that.
"""

import asyncio
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Final

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from sandbox import answers
from sandbox.account import Account, Admission, Refusal
from sandbox.connection import cut_body, cut_connection, reset_connection, send_interim, wait_for_disconnect
from sandbox.contract import Push, read_push
from sandbox.documents import Rule, Violation
from sandbox.faults import AFTER_ACCEPTANCE, Drawn, FaultOrder, Faults
from sandbox.record import Call, Record

PUSH_PATH: Final = "/api/v2/push"
MAX_BODY_BYTES: Final = 1_048_576
_GARBAGE: Final = bytes(range(128, 256)) + b"\x00\x1b{<"
_FAULT_MESSAGE: Final = "This fault was ordered from the sandbox."
#: Texts of a request are cut to this length in the record.
_MAX_RECORDED_CHARS: Final = 200
#: Bytes of an answer's body that are recorded.
_MAX_RECORDED_ANSWER_BYTES: Final = 4_000
#: Faults that do not change the answer, but how it is sent.
_ABOUT_THE_CONNECTION: Final = frozenset({"reset_before_read", "reset_after_read", "cut", "interim"})
#: The statuses of answers without a body (RFC 9110, 15.3.5, 15.3.6 and 15.4.5).
_WITHOUT_BODY: Final = frozenset({204, 205, 304})


@dataclass(frozen=True, slots=True)
class _Answer:
    """The answer to a call if no fault is injected. `code`: the envelope's ErrorCode, empty for a success."""

    status: int
    code: str = ""
    message: str = ""
    violations: tuple[Violation, ...] = ()
    push: Push | None = None
    retry_after: int | str | None = None


@dataclass(frozen=True, slots=True)
class PushEndpoint:
    """The vendor's host: one endpoint, and 405 for everything else. `root`: the XML root element's name."""

    account: Account
    record: Record
    faults: Faults
    root: str

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request (ASGI)."""
        request = Request(scope, receive)
        if request.url.path != PUSH_PATH or request.method != "POST":
            await self._answer_no_such_endpoint(request)(scope, receive, send)
            return
        # The last byte of an answer is sent in the same step of the event loop in which this block ends. So
        # when a caller has its answer, its connection is no longer counted.
        with self.account.call() as admission:
            drawn = self.faults.draw()
            if drawn.fault is not None and drawn.fault.kind == "reset_before_read":
                self._note(request, None, drawn, admission)
                await self._delay(request, drawn)
                await reset_connection(request)
                return
            body = await _read_body(request)
            if body is None:
                self._note(request, None, Drawn(), admission)
                return
            answer = self._check(request, body, admission)
            response = self._response(request, answer, drawn.fault)
            self._note(request, answer, drawn, admission, response)
            if await self._delay(request, drawn):
                await self._send(request, send, response, drawn.fault)

    def _check(self, request: Request, body: bytes, admission: Admission) -> _Answer:
        """Return the answer to a call. Its push is set if the body complies with the contract."""
        if len(body) > MAX_BODY_BYTES:
            violation = Violation("", Rule.TOO_LARGE, f"The body is longer than {MAX_BODY_BYTES} bytes.")
            return _Answer(413, "RequestTooLarge", "The request is too large.", (violation,))
        read = read_push(body, request.headers.get("content-type"), self.root)
        violations = read if isinstance(read, list) else []
        if _answer_format(request) is None:
            violations = [Violation("format", Rule.FORMAT, "It must be json or xml, once."), *violations]
        push = read if isinstance(read, Push) else None
        if admission.over_quota:
            return _refusal(self.account.limits.over_quota, "QuotaExceeded", violations, push)
        if admission.over_connections:
            return _refusal(self.account.limits.over_connections, "TooManyConnections", violations, push)
        if violations or push is None:
            message = "A parameter is missing or invalid."
            return _Answer(400, "InvalidParameter", message, tuple(violations), push)
        if not self.account.accepts(push.company_id, push.integration_key):
            message = "The integration key or the company id is invalid."
            return _Answer(401, "Unauthorized", message, push=push)
        return _Answer(200, push=push)

    def _note(
        self,
        request: Request,
        answer: _Answer | None,
        drawn: Drawn,
        admission: Admission,
        response: Response | None = None,
    ) -> None:
        """Record a call. It is recorded before its answer is sent, so that its caller always finds it.

        answer, response  None if the body was not read
        """
        fault = drawn.fault
        status = answer.status if answer else None
        if fault is not None:
            status = _status_with_fault(fault, status)
        can_accept = fault is None or fault.kind in AFTER_ACCEPTANCE
        self.record.add(
            replace(
                _new_call(request),
                push=answer.push.shown() if answer and answer.push else None,
                status=status,
                answer=_sent_text(response, fault) if response and status is not None else "",
                fault=fault.kind if fault else None,
                latency_secs=drawn.latency_secs,
                valid=answer is not None and not answer.violations,
                accepted=answer is not None and answer.status == HTTPStatus.OK and can_accept,
                over_quota=admission.over_quota,
                over_connections=admission.over_connections,
                open_connections=admission.open_connections,
                violations=answer.violations if answer else (),
            )
        )

    async def _delay(self, request: Request, drawn: Drawn) -> bool:
        """Wait for the call's latency. Returns whether the caller is still connected."""
        if not drawn.latency_secs:
            return True
        try:
            async with asyncio.timeout(drawn.latency_secs):
                await wait_for_disconnect(request)
        except TimeoutError:
            return True
        return False

    async def _send(self, request: Request, send: Send, response: Response, fault: FaultOrder | None) -> None:
        match fault.kind if fault else None:
            case "reset_after_read":
                await reset_connection(request)
                return
            case "cut":
                await cut_connection(request, send, response)
                return
            case "interim":
                send_interim(request, (fault and fault.status) or 103)
        await response(request.scope, request.receive, send)

    def _response(self, request: Request, answer: _Answer, fault: FaultOrder | None) -> Response:
        """Return the answer that is sent, also if a fault then cuts or resets it."""
        answer_format = _answer_format(request) or "json"
        if answer.code:
            violations = list(answer.violations)
            body = answers.error(answer_format, self.root, answer.code, answer.message, violations)
        else:
            body = answers.success(answer_format, self.root)
        normal = Response(
            body,
            answer.status,
            _retry_after(answer.retry_after),
            media_type=answers.media_type(answer_format),
        )
        if fault is None or fault.kind in _ABOUT_THE_CONNECTION:
            return normal
        return self._faulty_response(request, fault, normal)

    def _faulty_response(self, request: Request, fault: FaultOrder, normal: Response) -> Response:
        answer_format = _answer_format(request) or "json"
        media_type = answers.media_type(answer_format)
        match fault.kind:
            case "garbage":
                return Response(_GARBAGE, normal.status_code, _retry_after_of(normal), media_type)
            case "empty":
                return Response(b"", normal.status_code, _retry_after_of(normal), media_type)
            case "html":
                return Response(answers.HTML, fault.status or 502, media_type="text/html")
            case "redirect":
                return Response(b"", fault.status or 307, {"location": fault.location or "/"})
            case "error_code":
                message = fault.message or _FAULT_MESSAGE
                body = answers.error(answer_format, self.root, fault.error_code or "", message)
                return Response(body, media_type=media_type)
            case _:
                body = b""
                if fault.status not in _WITHOUT_BODY:
                    body = answers.error(answer_format, self.root, "Fault", _FAULT_MESSAGE)
                retry_after = _retry_after(fault.retry_after)
                return Response(body, fault.status or 500, retry_after, media_type=media_type)

    def _answer_no_such_endpoint(self, request: Request) -> Response:
        violation = Violation("", Rule.NO_SUCH_ENDPOINT, f"Only POST {PUSH_PATH} is documented.")
        answer_format = _answer_format(request) or "json"
        body = answers.error(
            answer_format, self.root, "NoSuchEndpoint", "There is no such endpoint.", [violation]
        )
        allow = {"allow": "POST" if request.url.path == PUSH_PATH else ""}
        response = Response(body, 405, allow, media_type=answers.media_type(answer_format))
        answer = _sent_text(response, None)
        self.record.add(replace(_new_call(request), status=405, answer=answer, violations=(violation,)))
        return response


def _refusal(refusal: Refusal, code: str, violations: list[Violation], push: Push | None) -> _Answer:
    message = "The account's limit is reached."
    return _Answer(refusal.status, code, message, tuple(violations), push, refusal.retry_after)


def _retry_after(retry_after: int | str | None) -> dict[str, str] | None:
    return None if retry_after is None else {"retry-after": str(retry_after)}


def _retry_after_of(response: Response) -> dict[str, str] | None:
    """Return the header that a response keeps if a fault changes its body only."""
    return _retry_after(response.headers.get("retry-after"))


def _status_with_fault(fault: FaultOrder, status: int | None) -> int | None:
    """Return the status that the caller gets. `status`: the one without the fault."""
    if fault.kind.startswith("reset"):
        return None
    if fault.kind in AFTER_ACCEPTANCE:
        return status
    return fault.status or 200


def _sent_text(response: Response, fault: FaultOrder | None) -> str:
    """Return the beginning of an answer's body as it is sent."""
    body = bytes(response.body)
    if fault is not None and fault.kind == "cut":
        body = cut_body(body)
    return body[:_MAX_RECORDED_ANSWER_BYTES].decode("utf-8", errors="replace")


def _answer_format(request: Request) -> str | None:
    """Return the query's `format`, or None if it is missing, repeated or not documented."""
    values = request.query_params.getlist("format")
    return values[0] if len(values) == 1 and values[0] in answers.FORMATS else None


def _new_call(request: Request) -> Call:
    """Return a record of a call with the texts of the request's head.

    The sender chose them, so they are cut.
    """
    headers = request.headers
    return Call(
        method=request.method,
        path=request.url.path[:_MAX_RECORDED_CHARS],
        format=_short(request.query_params.get("format")),
        content_type=_short(headers.get("content-type")),
        correlation_id=_short(headers.get("x-correlation-id")),
    )


def _short(text: str | None) -> str | None:
    return text and text[:_MAX_RECORDED_CHARS]


async def _read_body(request: Request) -> bytes | None:
    """Return the body, or None if the caller has closed the connection. A body that is too long is cut."""
    body = bytearray()
    try:
        async for chunk in request.stream():
            if len(body) <= MAX_BODY_BYTES:
                body += chunk
    except ClientDisconnect:
        return None
    return bytes(body)
