"""Answer calls of the Push API: judge each by the contract and the account, and let faults befall it.

The order of the vendor's own checks is unknown. Here it is: quota and connections, then the faults that
were ordered, then `format`, the body, the credentials.
"""

import asyncio
from dataclasses import dataclass, replace
from typing import Final

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from sandbox import answers
from sandbox.account import Account, Admission, Refusal
from sandbox.connection import cut_connection, reset_connection, send_interim, wait_for_disconnect
from sandbox.contract import Push, read_push
from sandbox.documents import Rule, Violation
from sandbox.faults import AFTER_ACCEPTANCE, Drawn, FaultOrder, Faults
from sandbox.record import Call, Record

PUSH_PATH: Final = "/api/v2/push"
MAX_BODY_BYTES: Final = 1_048_576
_GARBAGE: Final = bytes(range(128, 256)) + b"\x00\x1b{<"
_LONGEST_RECORDED: Final = 200
_WITHOUT_BODY: Final = frozenset({204, 205, 304})
"""Statuses whose answer has no body (RFC 9110, 15.3.5, 15.3.6 and 15.4.5)."""


@dataclass(frozen=True, slots=True)
class _Verdict:
    """What a call is answered with when no fault befalls it."""

    status: int
    code: str = ""
    message: str = ""
    violations: tuple[Violation, ...] = ()
    push: Push | None = None
    retry_after: int | str | None = None


@dataclass(frozen=True, slots=True)
class PushEndpoint:
    """The whole of the vendor's host: one endpoint, and 405 for everything else."""

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
        # The last byte of an answer and the end of this block fall into one turn of the event loop, so a
        # caller that has its answer never finds its old connection still counted.
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
            verdict = self._judge(request, body, admission)
            self._note(request, verdict, drawn, admission)
            if await self._delay(request, drawn):
                await self._answer(request, send, verdict, drawn.fault)

    def _judge(self, request: Request, body: bytes, admission: Admission) -> _Verdict:
        """Decide what the call deserves; its push is set whenever the body keeps the contract."""
        if len(body) > MAX_BODY_BYTES:
            violation = Violation("", Rule.TOO_LARGE, f"The body is longer than {MAX_BODY_BYTES} bytes.")
            return _Verdict(413, "RequestTooLarge", "The request is too large.", (violation,))
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
            return _Verdict(400, "InvalidParameter", message, tuple(violations), push)
        if not self.account.knows(push.company_id, push.integration_key):
            message = "The integration key or the company id is invalid."
            return _Verdict(401, "Unauthorized", message, push=push)
        return _Verdict(200, push=push)

    def _note(self, request: Request, verdict: _Verdict | None, drawn: Drawn, admission: Admission) -> None:
        """Record the call before its answer leaves, so that who has the answer finds the call."""
        fault = drawn.fault
        status = verdict.status if verdict else None
        if fault is not None:
            status = _status_under(fault, status)
        untouched = fault is None or fault.kind in AFTER_ACCEPTANCE
        self.record.add(
            replace(
                _bare_call(request),
                push=verdict.push.shown() if verdict and verdict.push else None,
                status=status,
                fault=fault.kind if fault else None,
                latency_secs=drawn.latency_secs,
                valid=verdict is not None and not verdict.violations,
                accepted=verdict is not None and verdict.status == 200 and untouched,  # noqa: PLR2004 - OK
                over_quota=admission.over_quota,
                over_connections=admission.over_connections,
                open_connections=admission.open_connections,
                violations=verdict.violations if verdict else (),
            )
        )

    async def _delay(self, request: Request, drawn: Drawn) -> bool:
        """Wait as ordered; tell whether the caller is still there to be answered."""
        if not drawn.latency_secs:
            return True
        try:
            async with asyncio.timeout(drawn.latency_secs):
                await wait_for_disconnect(request)
        except TimeoutError:
            return True
        return False

    async def _answer(
        self, request: Request, send: Send, verdict: _Verdict, fault: FaultOrder | None
    ) -> None:
        if fault is not None and fault.kind == "reset_after_read":
            await reset_connection(request)
            return
        response = self._response(request, verdict)
        if fault is not None and fault.kind == "cut":
            await cut_connection(request, send, response)
            return
        if fault is not None and fault.kind == "interim":
            send_interim(request, fault.status or 103)
        elif fault is not None:
            response = self._faulty(request, fault, response)
        await response(request.scope, request.receive, send)

    def _response(self, request: Request, verdict: _Verdict) -> Response:
        answer_format = _answer_format(request) or "json"
        if verdict.code:
            violations = list(verdict.violations)
            body = answers.error(answer_format, self.root, verdict.code, verdict.message, violations)
        else:
            body = answers.success(answer_format, self.root)
        return Response(
            body,
            verdict.status,
            _retry_after(verdict.retry_after),
            media_type=answers.media_type(answer_format),
        )

    def _faulty(self, request: Request, fault: FaultOrder, deserved: Response) -> Response:
        answer_format = _answer_format(request) or "json"
        told = answers.media_type(answer_format)
        match fault.kind:
            case "garbage":
                return Response(_GARBAGE, deserved.status_code, _named_wait(deserved), told)
            case "empty":
                return Response(b"", deserved.status_code, _named_wait(deserved), told)
            case "html":
                return Response(answers.HTML, fault.status or 502, media_type="text/html")
            case "redirect":
                return Response(b"", fault.status or 307, {"location": fault.location or "/"})
            case "error_code":
                message = fault.message or "Ordered from the sandbox."
                body = answers.error(answer_format, self.root, fault.error_code or "", message)
                return Response(body, media_type=told)
            case _:
                body = b""
                if fault.status not in _WITHOUT_BODY:
                    body = answers.error(answer_format, self.root, "Fault", "Ordered from the sandbox.")
                return Response(body, fault.status or 500, _retry_after(fault.retry_after), media_type=told)

    def _answer_no_such_endpoint(self, request: Request) -> Response:
        violation = Violation("", Rule.NO_SUCH_ENDPOINT, f"Only POST {PUSH_PATH} is documented.")
        self.record.add(replace(_bare_call(request), status=405, violations=(violation,)))
        answer_format = _answer_format(request) or "json"
        body = answers.error(
            answer_format, self.root, "NoSuchEndpoint", "There is no such endpoint.", [violation]
        )
        allow = {"allow": "POST" if request.url.path == PUSH_PATH else ""}
        return Response(body, 405, allow, media_type=answers.media_type(answer_format))


def _refusal(refusal: Refusal, code: str, violations: list[Violation], push: Push | None) -> _Verdict:
    message = "The account's limit is reached."
    return _Verdict(refusal.status, code, message, tuple(violations), push, refusal.retry_after)


def _retry_after(retry_after: int | str | None) -> dict[str, str] | None:
    return None if retry_after is None else {"retry-after": str(retry_after)}


def _named_wait(answer: Response) -> dict[str, str] | None:
    """Return the header that an answer keeps when its body is spoilt."""
    return _retry_after(answer.headers.get("retry-after"))


def _status_under(fault: FaultOrder, status: int | None) -> int | None:
    """Tell which status the caller sees when the fault befalls a call that deserved `status`."""
    if fault.kind.startswith("reset"):
        return None
    if fault.kind in AFTER_ACCEPTANCE:
        return status
    return fault.status or 200


def _answer_format(request: Request) -> str | None:
    """Read the query's `format`; None when it is absent, repeated or not documented."""
    asked = request.query_params.getlist("format")
    return asked[0] if len(asked) == 1 and asked[0] in answers.FORMATS else None


def _bare_call(request: Request) -> Call:
    """Begin the record of a call with what its head tells, cut short: the sender chose these texts."""
    headers = request.headers
    return Call(
        method=request.method,
        path=request.url.path[:_LONGEST_RECORDED],
        format=_short(request.query_params.get("format")),
        content_type=_short(headers.get("content-type")),
        correlation_id=_short(headers.get("x-correlation-id")),
    )


def _short(text: str | None) -> str | None:
    return text and text[:_LONGEST_RECORDED]


async def _read_body(request: Request) -> bytes | None:
    """Read the body, at most one chunk beyond what is allowed; None when the caller went away."""
    body = bytearray()
    try:
        async for chunk in request.stream():
            if len(body) <= MAX_BODY_BYTES:
                body += chunk
    except ClientDisconnect:
        return None
    return bytes(body)
