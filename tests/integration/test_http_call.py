"""Calls to the vendor on the wire: only its final answer ends a call, and each call ends in its time."""

import gzip
import select
import socket
import struct
import time
import tracemalloc
import zlib
from collections.abc import Callable, Sequence
from urllib.parse import urlsplit

import pytest

from fakes import CREDENTIALS
from push_relay.adapters.http_call import LONGEST_IDLE_SECS, Connection, Moment, NotConnected
from push_relay.adapters.push_http import HttpPushApi
from push_relay.core.account import Account
from push_relay.core.errors import RelayError
from push_relay.core.push import Push, Recipient, RecipientKind, Wording
from raw_server import Raw, head, raw

PUSH = Push(Recipient(RecipientKind.USER, "u-1"), Wording("Title", "Body"), "key")
TAKEN = head(2) + b"{}"
REFUSED = head(2, "400 Bad Request") + b"{}"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


def outcome(api: HttpPushApi, seconds: float = 20, push: Push = PUSH) -> str:
    """Send a push; return `taken`, or the error's name."""
    try:
        api.send(push, CREDENTIALS, "-", seconds)
    except RelayError as exc:
        return type(exc).__name__
    return "taken"


def outcomes(answers: Sequence[bytes], **account: int) -> tuple[list[str], int]:
    """Send a push for each answer; return what became of them, and on how many connections they went."""
    left = list(answers)

    def answer(_server: Raw, connection: socket.socket) -> None:
        connection.sendall(left.pop(0))

    with raw(answer) as server:
        api = HttpPushApi(server.address, Account(**account))
        results = [outcome(api) for _ in answers]
        api.close()
        return results, server.connections


# --- only a final answer counts ---------------------------------------------------------------------------

INTERIM = {
    "100": b"HTTP/1.1 100 Continue\r\n\r\n",
    "102": b"HTTP/1.1 102 Processing\r\n\r\n",
    "103": b"HTTP/1.1 103 Early Hints\r\nLink: </a>; rel=preload\r\nLink: </b>\r\n\r\n",
    "104": b"HTTP/1.1 104 Upload Resumption Supported\r\nLocation: /x\r\n\r\n",
    "199, without a reason": b"HTTP/1.1 199\r\n\r\n",
    "a final answer's headers": b"HTTP/1.1 103 H\r\nContent-Length: 7\r\nConnection: close\r\n\r\n",
    "a time to come back": b"HTTP/1.1 103 H\r\nRetry-After: 9\r\n\r\n",
    "chunked": b"HTTP/1.1 102 P\r\nTransfer-Encoding: chunked\r\n\r\n",
    "a header that is none": b"HTTP/1.1 103 H\r\nno header\r\n: none\r\n\xff\xfe: \xfd\r\n folded\r\n\r\n",
    "several": b"HTTP/1.1 100 C\r\n\r\nHTTP/1.1 103 H\r\nA: b\r\n\r\nHTTP/1.1 100 C\r\n\r\n",
    "fifty": b"HTTP/1.1 102 Processing\r\n\r\n" * 50,
}


@pytest.mark.parametrize("apart", [False, True], ids=["at once", "apart"])
@pytest.mark.parametrize("interim", INTERIM.values(), ids=INTERIM)
def test_interim_answers_are_passed_over(interim: bytes, *, apart: bool) -> None:
    """On this push and on the next: a refusal is its own push's, and the connection stays in step."""
    left = [TAKEN, REFUSED, TAKEN, REFUSED]

    def answer(server: Raw, connection: socket.socket) -> None:
        connection.sendall(interim)
        if apart:
            server.ended.wait(0.05)
        connection.sendall(left.pop(0))

    with raw(answer) as server:
        api = HttpPushApi(server.address, Account())
        assert [outcome(api) for _ in range(4)] == ["taken", "VendorRejected"] * 2
        api.close()
        assert (server.connections, server.requests) == (1, 4)


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n" + TAKEN,
        b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 101 Switching Protocols\r\n\r\n",
        b"HTTP/1.1 103 Early Hints\r\nContent-Length: 5\r\n\r\nhello" + TAKEN,
        b"HTTP/1.1 100 Continue\r\n\r\n" * 100_000 + TAKEN,
        b"<html><body>It works</body></html>\r\n\r\n",
        b"\r\n\r\n" + TAKEN,
        b"HTTP/2 200\r\n\r\n",
        b"HTTP/1.1 099 No\r\n\r\n",
        b"HTTP/1.1 2 OK\r\n\r\n",
        b"HTTP/1.1 200 " + b"O" * 70_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 200 + b"\r\n",
        b"HTTP/1.1 200 OK\r\nA: " + b"b" * 70_000 + b"\r\n\r\n",
    ],
    ids=lambda content: str(content)[:50],
)
def test_without_a_final_answer_the_fate_is_unknown(answer: bytes) -> None:
    """And its connection carries no other call."""
    assert outcomes([answer, REFUSED, TAKEN]) == (["DeliveryUnknown", "VendorRejected", "taken"], 2)


# --- each call reads its own answer -----------------------------------------------------------------------

FALSE_ERROR = b'{"ResponseStatus": {"ErrorCode": "UserNotFound"}}'


@pytest.mark.parametrize(
    ("answer", "result", "connections"),
    [
        (TAKEN, "taken", 1),
        (CHUNKED + b"2\r\n{}\r\n0\r\n\r\n", "taken", 1),
        (CHUNKED + b"2;a=b\r\n{}\r\n0\r\nTrailer: x\r\n\r\n", "taken", 1),
        (b"HTTP/1.1 204 No Content\r\n\r\n", "taken", 1),
        (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\n\r\n", "VendorRejected", 1),
        (TAKEN + TAKEN, "taken", 2),
        (TAKEN + b"\r\n", "taken", 2),
        (CHUNKED + b"0\r\n\r\n" + TAKEN, "taken", 2),
        (b"HTTP/1.1 204 No Content\r\n\r\n{}", "taken", 2),
        (b"HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "taken", 2),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\n{}", "taken", 2),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2, 2\r\n\r\n{}", "taken", 2),
        (
            b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nContent-Length: 49\r\n\r\n" + FALSE_ERROR,
            "DeliveryUnknown",
            2,
        ),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0, 49\r\n\r\n" + FALSE_ERROR, "DeliveryUnknown", 2),
        (b"HTTP/1.1 400 No\r\nContent-Length: 0\r\nContent-Length: 2\r\n\r\n{}", "VendorRejected", 2),
        (CHUNKED.replace(b"chunked", b"chunked\r\nContent-Length: 5") + b"2\r\n{}\r\n0\r\n\r\n", "taken", 2),
        (CHUNKED.replace(b"chunked", b"gzip, chunked") + b"2\r\n{}\r\n0\r\n\r\n", "DeliveryUnknown", 2),
        (CHUNKED.replace(b"chunked", b"identity\r\nContent-Length: 2") + b"{}", "DeliveryUnknown", 2),
        (CHUNKED + b"-1\r\n{}\r\n0\r\n\r\n", "DeliveryUnknown", 2),
        (CHUNKED + b"-5\r\n{}\r\n0\r\n\r\n", "DeliveryUnknown", 2),
        (b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}", "taken", 2),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\n{}", "taken", 2),
        (b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\n{}", "taken", 2),
    ],
    ids=lambda value: str(value)[:70],
)
def test_a_connection_is_used_again_after_a_certain_end_alone(
    answer: bytes, result: str, connections: int
) -> None:
    """Its successors on the same or another connection get their own answers."""
    results = [result, "VendorRejected", "taken"]
    assert outcomes([answer, REFUSED, TAKEN], read_timeout_secs=2) == (results, connections)


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.0 200 OK\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nContent-Length: +2\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\n\r\n{}",
    ],
    ids=str,
)
def test_an_answer_without_a_length_ends_with_its_connection(answer: bytes) -> None:
    """A length that is none is none."""

    def close_after(_server: Raw, connection: socket.socket) -> bool:
        connection.sendall(answer)
        return True

    with raw(close_after) as server:
        api = HttpPushApi(server.address, Account())
        assert [outcome(api), outcome(api)] == ["taken", "taken"]
        assert server.connections == 2


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: planted\r\n\r\n{}",
        CHUNKED.replace(b"chunked", b"gzip, chunked") + b"2\r\n{}\r\n0\r\n\r\n",
        CHUNKED.replace(b"chunked", b"identity") + b"{}",
    ],
    ids=lambda content: str(content)[:70],
)
def test_an_answer_whose_end_is_in_doubt_is_a_cut_answer(answer: bytes) -> None:
    """Also if its connection ends after it."""

    def close_after(_server: Raw, connection: socket.socket) -> bool:
        connection.sendall(answer)
        return True

    with raw(close_after) as server:
        assert outcome(HttpPushApi(server.address, Account())) == "DeliveryUnknown"


@pytest.mark.parametrize(
    ("coding", "pack"),
    [(b"gzip", gzip.compress), (b"deflate", zlib.compress), (b"GZIP ", gzip.compress)],
    ids=["gzip", "deflate", "GZIP"],
)
def test_a_compressed_answer_is_read(coding: bytes, pack: Callable[[bytes], bytes]) -> None:
    """Nobody asked for it; its error code counts all the same."""
    body = pack(FALSE_ERROR)
    start = b"HTTP/1.1 200 OK\r\nContent-Encoding: %b\r\nContent-Length: %d\r\n\r\n" % (coding, len(body))
    assert outcomes([start + body, TAKEN]) == (["VendorRejected", "taken"], 1)


def test_a_compressed_answer_is_not_inflated_without_end() -> None:
    """Sixty megabytes in sixty kilobytes."""
    body = gzip.compress(b" " * 60_000_000)
    start = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(body)
    tracemalloc.start()
    assert outcomes([start + body, TAKEN]) == (["taken", "taken"], 1)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 20_000_000


# --- what comes on an idle connection ---------------------------------------------------------------------


def wait_until(condition: Callable[[], bool]) -> None:
    """Wait until a condition holds."""
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.parametrize(
    ("farewell", "closing"),
    [
        (TAKEN, False),
        (b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", True),
        (b"H", False),
        (b"HTTP/1.1 100 Continue\r\n\r\n", False),
        (b"", True),
    ],
    ids=str,
)
def test_what_comes_unasked_is_no_answer(farewell: bytes, *, closing: bool) -> None:
    """A proxy takes its leave, or answers twice: the next push goes on another connection."""
    answers = [TAKEN, REFUSED]
    said = []

    def answer(server: Raw, connection: socket.socket) -> bool:
        connection.sendall(answers.pop(0))
        if answers:
            server.ended.wait(0.1)
            connection.sendall(farewell)
            said.append(farewell)
        return closing

    with raw(answer) as server:
        api = HttpPushApi(server.address, Account())
        assert outcome(api) == "taken"
        wait_until(lambda: bool(said))
        (idle,) = api._idle
        wait_until(lambda: not idle.is_usable)
        assert outcome(api) == "VendorRejected"
        assert server.connections == 2
        api.close()


class Clocks:
    """Two clocks that move only when a test moves them."""

    def __init__(self) -> None:
        """Begin."""
        self.moment = Moment(5000.0, 1_800_000_000.0)

    def now(self) -> Moment:
        """Return the moment on both."""
        return self.moment

    def pass_by(self, uptime: float, wall: float) -> None:
        """Move both."""
        self.moment = Moment(self.moment.uptime + uptime, self.moment.wall + wall)


@pytest.mark.parametrize(
    ("uptime", "wall", "connections"),
    [
        (LONGEST_IDLE_SECS - 1, LONGEST_IDLE_SECS - 1, 1),
        (LONGEST_IDLE_SECS, LONGEST_IDLE_SECS, 2),
        (0.1, 400.0, 2),
        (400.0, 0.1, 2),
        (1.0, -1.0, 2),
    ],
    ids=[
        "just used",
        "idle",
        "frozen, uptime stood still",
        "wall clock set back in step",
        "wall clock stepped back",
    ],
)
def test_a_connection_that_was_idle_for_a_minute_is_not_written_to(
    uptime: float, wall: float, connections: int
) -> None:
    """What stands between has forgotten it by then, and a reset would leave the push in doubt."""
    clocks = Clocks()

    def answer(_server: Raw, connection: socket.socket) -> None:
        connection.sendall(TAKEN)

    with raw(answer) as server:
        api = HttpPushApi(server.address, Account(), clocks.now)
        assert outcome(api) == "taken"
        clocks.pass_by(uptime, wall)
        assert outcome(api) == "taken"
        assert server.connections == connections
        api.close()


def test_the_clocks_are_those_of_the_machine() -> None:
    """One counts from its start, the other from the epoch; both go on."""
    moment = Moment.now()
    assert moment.wall == pytest.approx(time.time(), abs=60)
    assert moment.uptime >= time.monotonic() - 60
    assert Moment.now().is_shortly_after(moment)


def test_idle_connections_that_are_useless_are_all_closed() -> None:
    """The vendor may count them."""
    clocks = Clocks()
    gone = []

    def answer(server: Raw, connection: socket.socket) -> None:
        server.ended.wait(0.2)
        connection.sendall(TAKEN)
        if not connection.recv(1, socket.MSG_PEEK):
            gone.append(connection)

    with raw(answer) as server:
        api = HttpPushApi(server.address, Account(), clocks.now)
        first, second = (api._connection(time.monotonic() + 20) for _ in range(2))
        for connection in (first, second):
            connection.call("/", {}, b"{}", time.monotonic() + 20, 10)
            api._keep(connection)
        clocks.pass_by(400, 400)
        assert outcome(api) == "taken"
        wait_until(lambda: len(gone) == 2)
        api.close()


def test_a_connection_that_is_lost_before_the_body_has_sent_nothing() -> None:
    """The push cannot have been shown."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        connection = Connection(urlsplit(f"http://127.0.0.1:{listening.getsockname()[1]}"), None)
        connection.open(time.monotonic() + 20)
        accepted, _ = listening.accept()
        # A reset, and no farewell.
        accepted.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        accepted.close()
        select.select([connection._http.sock], [], [], 20)
        with pytest.raises(NotConnected, match=r"ConnectionResetError|BrokenPipeError"):
            connection.call("/", {}, b"{}", time.monotonic() + 20, 10)
        assert not connection.is_open


# --- each call ends in its time ---------------------------------------------------------------------------

DRIPS = {
    "the status line": [b"HTTP/1.1 200 ", *[b"O"] * 500],
    "headers": [b"HTTP/1.1 200 OK\r\nA: ", *[b"a"] * 500],
    "many headers": [b"HTTP/1.1 200 OK\r\n", *[b"A: a\r\n"] * 90],
    "interim answers": [*[b"HTTP/1.1 100 Continue\r\n\r\n"] * 500],
    "other interim answers": [*[b"HTTP/1.1 103 Early Hints\r\nA: b\r\n\r\n"] * 500],
    "an interim answer's headers": [b"HTTP/1.1 103 Early Hints\r\nA: ", *[b"a"] * 500],
    "a chunk's size": [CHUNKED, *[b"1"] * 500],
    "a chunk's extension": [CHUNKED + b"1;", *[b"a"] * 500],
    "chunks": [CHUNKED, *[b"1\r\n \r\n"] * 500],
    "a chunk": [CHUNKED + b"ffff\r\n", *[b" "] * 500],
    "trailers": [CHUNKED + b"2\r\n{}\r\n0\r\nA: ", *[b"a"] * 500],
    "a body": [head(100_000), *[b" "] * 500],
    "a body without a length": [b"HTTP/1.1 200 OK\r\n\r\n", *[b" "] * 500],
}


def elapsed(work: Callable[[], str], result: str) -> float:
    """Return how long it takes until this result comes."""
    started = time.monotonic()
    assert work() == result
    return time.monotonic() - started


@pytest.mark.parametrize("limit", ["the invocation's", "the account's"])
@pytest.mark.parametrize("pieces", DRIPS.values(), ids=DRIPS)
def test_a_call_ends_in_its_time_whatever_drips(pieces: Sequence[bytes], limit: str) -> None:
    """The shorter of the time that is left and the account's `read_timeout_secs`."""

    def answer(server: Raw, connection: socket.socket) -> bool:
        for piece in pieces:
            connection.sendall(piece)
            if server.ended.wait(0.1):
                break
        return True

    with raw(answer) as server:
        api = HttpPushApi(server.address, Account(read_timeout_secs=1))
        seconds = 0.8 if limit == "the invocation's" else 40.0
        assert elapsed(lambda: outcome(api, seconds), "DeliveryUnknown") < 5


def test_a_vendor_that_does_not_read_is_given_up_in_time() -> None:
    """The body is larger than what fits between the two."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        api = HttpPushApi(f"http://127.0.0.1:{listening.getsockname()[1]}", Account())
        long = Push(PUSH.recipient, Wording("Title", "B" * 30_000_000), "key")
        assert elapsed(lambda: outcome(api, 2.0, long), "DeliveryUnknown") < 10


def test_a_lookup_that_takes_too_long_is_given_up_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """The resolver has timeouts of its own, which nobody can shorten."""
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: time.sleep(8))
    api = HttpPushApi("http://vendor.example", Account(connect_timeout_secs=1))
    assert elapsed(lambda: outcome(api, 20), "VendorUnavailable") < 5


@pytest.mark.parametrize("host", ["vendor.example", "a" * 70 + ".example", "."])
def test_a_host_without_an_address_is_unavailable(monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    """Nothing was sent."""

    def look_up(name: str, *_: object, **__: object) -> None:
        name.encode("idna")
        raise socket.gaierror(socket.EAI_NONAME, "unknown")

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    assert outcome(HttpPushApi(f"http://{host}", Account())) == "VendorUnavailable"


def test_a_host_with_a_dead_address_is_reached_by_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    """The dead one takes its share of the time to connect, and no more."""
    real = socket.getaddrinfo

    def answer(_server: Raw, connection: socket.socket) -> None:
        connection.sendall(TAKEN)

    # Its queue is full: it answers nobody who wants to connect.
    with socket.create_server(("127.0.0.1", 0), backlog=0) as dead, raw(answer) as server:
        waiting = [socket.socket() for _ in range(3)]
        for each in waiting:
            each.settimeout(0)
            each.connect_ex(dead.getsockname())
        port = urlsplit(server.address).port
        addresses = [*real("127.0.0.1", dead.getsockname()[1], type=socket.SOCK_STREAM)]
        addresses += real("127.0.0.1", port, type=socket.SOCK_STREAM)
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: addresses)
        api = HttpPushApi(server.address, Account(connect_timeout_secs=4))
        assert elapsed(lambda: outcome(api, 20), "taken") > 1
        api.close()
        for each in waiting:
            each.close()
