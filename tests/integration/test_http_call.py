"""The vendor's answer on the wire: only a final and complete one ends a call."""

import gzip
import socket
import tracemalloc
import zlib
from collections.abc import Callable

import pytest

from ports import CREDENTIALS
from push_relay.adapters.push_http import HttpPushApi
from push_relay.core.account import Account
from push_relay.core.errors import DeliveryUnknown
from raw_server import Raw, raw
from vendor_calls import CHUNKED, PUSH, REFUSED, TAKEN, outcome, outcomes

# --- only a final answer ends a call ----------------------------------------------------------------------

INTERIM = {
    "100": b"HTTP/1.1 100 Continue\r\n\r\n",
    "102": b"HTTP/1.1 102 Processing\r\n\r\n",
    "103": b"HTTP/1.1 103 Early Hints\r\nLink: </a>; rel=preload\r\nLink: </b>\r\n\r\n",
    "104": b"HTTP/1.1 104 Upload Resumption Supported\r\nLocation: /x\r\n\r\n",
    "199, without a reason": b"HTTP/1.1 199\r\n\r\n",
    "a final answer's headers": b"HTTP/1.1 103 H\r\nContent-Length: 7\r\nConnection: close\r\n\r\n",
    "a time to come back": b"HTTP/1.1 103 H\r\nRetry-After: 9\r\n\r\n",
    "chunked": b"HTTP/1.1 102 P\r\nTransfer-Encoding: chunked\r\n\r\n",
    "a line without a header": b"HTTP/1.1 103 H\r\nno header\r\n: none\r\n\xff\xfe: \xfd\r\n folded\r\n\r\n",
    "several": b"HTTP/1.1 100 C\r\n\r\nHTTP/1.1 103 H\r\nA: b\r\n\r\nHTTP/1.1 100 C\r\n\r\n",
    "fifty": b"HTTP/1.1 102 Processing\r\n\r\n" * 50,
}


@pytest.mark.parametrize("apart", [False, True], ids=["at once", "apart"])
@pytest.mark.parametrize("interim", INTERIM.values(), ids=INTERIM)
def test_interim_answers_are_passed_over(interim: bytes, *, apart: bool) -> None:
    """Each push gets its own answer: an interim answer does not shift the next ones on the connection."""
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


NOT_FINAL = pytest.mark.parametrize(
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


@NOT_FINAL
def test_without_a_final_answer_the_fate_is_unknown(answer: bytes) -> None:
    """The push may have been shown. Another push on the connection could get this push's late answer."""
    assert outcomes([answer, REFUSED, TAKEN]) == (["DeliveryUnknown", "VendorRejected", "taken"], 2)


@NOT_FINAL
def test_such_an_answer_ends_the_call_at_once(answer: bytes) -> None:
    """A call that ends with its time is unfinished, and reserves its connection for a while."""
    with raw(lambda _server, connection: connection.sendall(answer)) as server:
        api = HttpPushApi(server.address, Account())
        with pytest.raises(DeliveryUnknown) as caught:
            api.send(PUSH, CREDENTIALS, "-", 20)
        api.close()
    assert not caught.value.unfinished


def test_a_long_line_is_read_up_to_64_kib() -> None:
    """Some proxies send a header of many kilobytes."""
    header = b"A: ".ljust(64 * 1024 - 1, b"b") + b"\r\n"
    taken = TAKEN.replace(b"\r\n", b"\r\n" + header, 1)
    assert outcomes([taken, TAKEN]) == (["taken", "taken"], 1)
    longer = taken.replace(b"A: ", b"A: b", 1)
    assert outcomes([longer, TAKEN]) == (["DeliveryUnknown", "taken"], 2)


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
def test_a_connection_is_used_again_only_if_the_end_of_its_answer_is_certain(
    answer: bytes, result: str, connections: int
) -> None:
    """Bytes that remain on a connection would be read as the answer to the next push."""
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
    """A negative or signed length is ignored, and then only the end of the connection ends the answer."""

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
def test_an_answer_whose_end_is_in_doubt_counts_as_cut_off(answer: bytes) -> None:
    """The contradiction remains even if the vendor closes the connection after the answer."""

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
    """The relay does not ask for compression, but some proxies compress, and an error code has to be read."""
    body = pack(FALSE_ERROR)
    start = b"HTTP/1.1 200 OK\r\nContent-Encoding: %b\r\nContent-Length: %d\r\n\r\n" % (coding, len(body))
    assert outcomes([start + body, TAKEN]) == (["VendorRejected", "taken"], 1)


def test_a_compressed_answer_is_decompressed_only_to_a_limit() -> None:
    """Sixty kilobytes can unfold to sixty megabytes, which would exhaust the function's memory."""
    body = gzip.compress(b" " * 60_000_000)
    start = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(body)
    tracemalloc.start()
    assert outcomes([start + body, TAKEN]) == (["taken", "taken"], 1)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 20_000_000
