"""The recorder: a loopback address in front of the local API that forwards each request and remembers it.

The body of a webhook is never in a log, so nobody could show afterwards why it was refused. The recorder sees
it on its way. It forwards the bytes of the target and of the body and every header, `Host` too: a provider
that signs the URL has signed the one that it has called.
"""

import http.client
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect
from starlette.requests import Request as IncomingRequest
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from relayctl.local_aws import HOST
from relayctl.page.requests import WEBHOOKS, Answer, Request
from sandbox.loopback import LoopbackServer

#: API Gateway's own limit. The relay's is smaller, and it answers such a request itself.
MOST_BODY_BYTES: Final = 10 * 1024 * 1024
#: More than the endpoint's own timeout of 30 s.
_TIMEOUT_SECS: Final = 40.0
#: How long new requests wait at most, and how long those under way are waited for, when the functions change.
_CHANGE_SECS: Final = 30.0
#: Headers that are about one connection (RFC 9110, 7.6.1), and what replaces the length.
_HOP_BY_HOP: Final = frozenset(
    {
        *("connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"),
        *("expect", "content-length"),
    }
)

type OnRequest = Callable[[Request, Answer], object]


class Gate:
    """Keeps requests out while the functions change, because a change ends those under way."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._under_way = 0
        self._is_closed = False

    @contextmanager
    def request(self) -> Iterator[None]:
        """Wait until the gate is open, and count a request until the end of the block."""
        with self._changed:
            self._changed.wait_for(lambda: not self._is_closed, _CHANGE_SECS)
            self._under_way += 1
        try:
            yield
        finally:
            with self._changed:
                self._under_way -= 1
                self._changed.notify_all()

    @contextmanager
    def closed(self) -> Iterator[None]:
        """Close the gate until the end of the block, after the requests under way have been answered."""
        with self._changed:
            self._is_closed = True
            self._changed.wait_for(lambda: not self._under_way, _CHANGE_SECS)
        try:
            yield
        finally:
            with self._changed:
                self._is_closed = False
                self._changed.notify_all()


class Recorder:
    """Forwards requests to the local API, and hands each with its answer to `on_request`.

    aws_port  the port of the local AWS
    api_id    the id of the HTTP API

    Raises OSError if the port is in use.
    """

    def __init__(self, aws_port: int, api_id: str, on_request: OnRequest, *, port: int = 0) -> None:
        self._aws_port = aws_port
        self._prefix = f"/_aws/execute-api/{api_id}/$default"
        self._on_request = on_request
        self.gate = Gate()
        self.server = LoopbackServer(self, port=port, name="recorder")

    def url(self, source: str) -> str:
        """Return the URL that a source's webhooks are sent to."""
        return f"{self.server.address}{WEBHOOKS}{source}"

    def warm_up(self) -> Answer:
        """Start `receive`, which answers that it works."""
        return self.forward(Request(time.time(), "GET", "/health", (("host", HOST),), b""))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Forward one request (ASGI)."""
        incoming = IncomingRequest(scope, receive)
        try:
            body = await _read_body(incoming)
        except ClientDisconnect:
            return
        if body is None:
            response = _problem(413, "the body is larger than 10 MiB, which API Gateway refuses")
        else:
            request = Request(time.time(), incoming.method, _target(scope), _headers(scope), body)
            response = _as_response(await run_in_threadpool(self.forward, request))
        await response(scope, receive, send)

    def forward(self, request: Request) -> Answer:
        """Forward a request, remember it, and return the answer: a problem if there is none."""
        with self.gate.request():
            answer = self._forwarded(request)
        if request.path.startswith(WEBHOOKS):
            self._on_request(request, answer)
        return answer

    def _forwarded(self, request: Request) -> Answer:
        if not request.path.startswith((WEBHOOKS, "/health")) or "/.." in request.path:
            return _own_answer(404, f"webhooks are sent to {WEBHOOKS}<source>")
        began = time.monotonic()
        connection = http.client.HTTPConnection(HOST, self._aws_port, timeout=_TIMEOUT_SECS)
        try:
            connection.putrequest(
                request.method, self._prefix + request.target, skip_host=True, skip_accept_encoding=True
            )
            for name, value in request.headers:
                if name not in _HOP_BY_HOP:
                    connection.putheader(name, value.encode("latin-1"))
            connection.putheader("content-length", str(len(request.body)))
            connection.endheaders(request.body)
            response = connection.getresponse()
            headers = tuple((name, value) for name, value in response.getheaders())
            return Answer(response.status, headers, response.read(), time.monotonic() - began)
        except (OSError, ValueError, http.client.HTTPException):
            return _own_answer(502, "the local AWS has not answered", time.monotonic() - began)
        finally:
            connection.close()


def _own_answer(status: int, detail: str, secs: float = 0.0) -> Answer:
    body = json.dumps({"title": "Recorder", "status": status, "detail": detail}).encode()
    return Answer(status, (("Content-Type", "application/problem+json"),), body, secs)


def _problem(status: int, detail: str) -> Response:
    return _as_response(_own_answer(status, detail))


def _as_response(answer: Answer) -> Response:
    response = Response(answer.body, answer.status)
    kept = [(name, value) for name, value in answer.headers if name.lower() not in _HOP_BY_HOP]
    length = [("content-length", str(len(answer.body)))]
    response.raw_headers = [
        (name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in (*kept, *length)
    ]
    return response


def _target(scope: Scope) -> str:
    path: bytes = scope["raw_path"]
    query: bytes = scope["query_string"]
    return (path + (b"?" + query if query else b"")).decode("latin-1")


def _headers(scope: Scope) -> tuple[tuple[str, str], ...]:
    return tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"])


async def _read_body(incoming: IncomingRequest) -> bytes | None:
    """Return the body; None if it is too long. Raises ClientDisconnect."""
    body = bytearray()
    async for chunk in incoming.stream():
        body += chunk
        if len(body) > MOST_BODY_BYTES:
            return None
    return bytes(body)
