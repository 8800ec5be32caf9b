"""The recorder: it forwards each request byte for byte, remembers it, and waits while functions change."""

import http.client
import threading
from collections.abc import Iterator
from contextlib import closing, suppress

import pytest
from starlette.requests import Request as IncomingRequest
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from relayctl.page import recorder as recorder_module
from relayctl.page.recorder import Gate, Recorder
from relayctl.page.requests import Answer, Request
from sandbox.loopback import HOST, LoopbackServer
from waiting import wait_until

API_ID = "0123abcd"
BODY = bytes(range(256))


class Api:
    """The local AWS's HTTP API, which notes what it receives."""

    def __init__(self) -> None:
        self.received: list[tuple[str, list[tuple[bytes, bytes]], bytes]] = []
        self.answers = threading.Event()
        self.answers.set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request (ASGI)."""
        body = await IncomingRequest(scope, receive).body()
        target = scope["raw_path"].decode() + "?" + scope["query_string"].decode()
        self.received.append((target, scope["headers"], body))
        self.answers.wait(10)
        response = Response(b"\x00answer", 418, {"X-Correlation-Id": "c-1", "Set-Cookie": "a=1"})
        response.headers.append("set-cookie", "b=2")
        await response(scope, receive, send)


class Recorded:
    """The requests that the recorder has remembered."""

    def __init__(self) -> None:
        self.pairs: list[tuple[Request, Answer]] = []

    def __call__(self, request: Request, answer: Answer) -> None:
        """Remember a request."""
        self.pairs.append((request, answer))


@pytest.fixture
def api() -> Api:
    """Return an API."""
    return Api()


@pytest.fixture
def recorded() -> Recorded:
    """Return an empty memory."""
    return Recorded()


@pytest.fixture
def recorder(api: Api, recorded: Recorded) -> Iterator[Recorder]:
    """Run a recorder in front of an API."""
    with LoopbackServer(api, name="local API") as server:
        running = Recorder(server.port, API_ID, recorded)
        with running.server:
            yield running


def call(
    recorder: Recorder, path: str, body: bytes = b"", headers: tuple[tuple[str, str], ...] = ()
) -> tuple[int, list[tuple[str, str]], bytes]:
    """Make a request, and return the answer."""
    with closing(http.client.HTTPConnection(HOST, recorder.server.port, timeout=20)) as connection:
        connection.putrequest("POST", path, skip_host=any(name == "Host" for name, _ in headers))
        for name, value in (*headers, ("Content-Length", str(len(body)))):
            connection.putheader(name, value)
        connection.endheaders(body)
        response = connection.getresponse()
        return response.status, response.getheaders(), response.read()


def test_a_request_is_forwarded_byte_for_byte_and_remembered(
    recorder: Recorder, api: Api, recorded: Recorded
) -> None:
    """A signature may cover the URL with its escapes, the host, a repeated header, and all of the body."""
    headers = (("Host", "relay.example:8443"), ("X-Sig", "a"), ("X-Sig", "b"), ("X-Sig-2", "caf\xe9"))
    status, answered, body = call(recorder, "/webhooks/o%2Fven?a=%41&a=+&b", BODY, headers)
    (target, received, content) = api.received[0]
    assert target == f"/_aws/execute-api/{API_ID}/$default/webhooks/o%2Fven?a=%41&a=+&b"
    assert content == BODY
    assert [pair for pair in received if pair[0].startswith(b"x-sig")] == [
        (b"x-sig", b"a"),
        (b"x-sig", b"b"),
        (b"x-sig-2", b"caf\xe9"),
    ]
    assert (b"host", b"relay.example:8443") in received
    assert (status, body) == (418, b"\x00answer")
    assert [value for name, value in answered if name == "set-cookie"] == ["a=1", "b=2"]
    ((request, answer),) = recorded.pairs
    assert (request.method, request.target, request.body) == ("POST", "/webhooks/o%2Fven?a=%41&a=+&b", BODY)
    assert request.joined_headers["x-sig"] == "a, b"
    assert (answer.status, answer.correlation_id, answer.body) == (418, "c-1", b"\x00answer")


def test_the_sources_name_is_read_from_the_path() -> None:
    """Any other path names none."""

    def source(target: str) -> str:
        return Request(0.0, "POST", target, (), b"").source

    assert source("/webhooks/oven?a=1") == source("/webhooks/oven/") == "oven"
    assert (
        source("/webhooks/") == source("/health") == source("/webhooks/a/b") == source("/x/webhooks/a") == ""
    )


@pytest.mark.parametrize("path", ["/", "/_ministack/health", "/webhooks/../../x", "/x/webhooks/oven"])
def test_only_the_paths_of_the_relay_are_forwarded(recorder: Recorder, api: Api, path: str) -> None:
    """Another path would reach another service of the local AWS."""
    status, _, body = call(recorder, path)
    assert (status, b"webhooks are sent to" in body) == (404, True)
    assert api.received == []


def test_the_health_check_is_forwarded_and_not_remembered(
    recorder: Recorder, api: Api, recorded: Recorded
) -> None:
    """It carries no event."""
    assert call(recorder, "/health")[0] == 418
    assert recorder.warm_up().status == 418
    assert (len(api.received), recorded.pairs) == (2, [])


def test_a_body_that_api_gateway_refuses_is_not_forwarded(
    recorder: Recorder, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The recorder does not hold any amount of data."""
    monkeypatch.setattr(recorder_module, "MOST_BODY_BYTES", 1000)
    with suppress(OSError):  # the answer may come before the whole body is sent
        assert call(recorder, "/webhooks/oven", b"x" * 1001)[0] == 413
    assert api.received == []


def test_an_aws_that_does_not_answer_gives_502(recorded: Recorded) -> None:
    """The page lists the request, with what happened."""
    with LoopbackServer(Api(), name="gone") as server:
        port = server.port
    running = Recorder(port, API_ID, recorded)
    with running.server:
        status, _, body = call(running, "/webhooks/oven", b"{}")
    assert (status, b"the local AWS has not answered" in body) == (502, True)
    assert recorded.pairs[0][1].status == 502


def test_requests_wait_while_the_functions_change(recorder: Recorder, api: Api) -> None:
    """The change ends the functions, so it begins when the last answer is there."""
    api.answers.clear()
    statuses: list[int] = []

    def request() -> None:
        statuses.append(call(recorder, "/webhooks/oven", b"{}")[0])

    first = threading.Thread(target=request)
    first.start()
    wait_until(lambda: len(api.received) == 1)
    changing = threading.Event()

    def change() -> None:
        with recorder.gate.closed():
            changing.set()
            wait_until(lambda: second.is_alive() and len(statuses) == 1)

    changer = threading.Thread(target=change)
    changer.start()
    second = threading.Thread(target=request)
    assert not changing.wait(0.2), "a request was under way"
    api.answers.set()
    assert changing.wait(10)
    second.start()
    for thread in (first, changer, second):
        thread.join(20)
    assert statuses == [418, 418]
    assert len(api.received) == 2


def test_a_gate_that_is_never_opened_lets_a_request_through(monkeypatch: pytest.MonkeyPatch) -> None:
    """A change that hangs must not stop every webhook for ever."""
    monkeypatch.setattr(recorder_module, "_CHANGE_SECS", 0.1)
    gate = Gate()
    with gate.closed(), gate.request():
        pass
