"""Calls to the vendor end within their time limit, whether the vendor or the network is slow."""

import socket
import time
from collections.abc import Sequence
from urllib.parse import urlsplit

import pytest

from push_relay.adapters.push_http import HttpPushApi
from push_relay.core.account import Account
from push_relay.core.push import Push, Wording
from raw_server import Raw, head, raw
from vendor_calls import CHUNKED, PUSH, TAKEN, elapsed, outcome

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


@pytest.mark.parametrize("limit", ["the invocation's", "the account's"])
@pytest.mark.parametrize("pieces", DRIPS.values(), ids=DRIPS)
def test_a_call_ends_in_its_time_although_the_answer_drips(pieces: Sequence[bytes], limit: str) -> None:
    """The limit is the shorter of the time that is left and the account's `read_timeout_secs`."""

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
    """The body is larger than the socket buffers of both sides, so the relay cannot finish to write it."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        api = HttpPushApi(f"http://127.0.0.1:{listening.getsockname()[1]}", Account())
        long = Push(PUSH.recipient, Wording("Title", "B" * 30_000_000), "key")
        assert elapsed(lambda: outcome(api, 2.0, long), "DeliveryUnknown") < 10


def test_a_lookup_that_takes_too_long_is_given_up_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """The resolver has timeouts of its own, which the relay cannot shorten."""
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: time.sleep(8))
    api = HttpPushApi("http://vendor.example", Account(connect_timeout_secs=1))
    assert elapsed(lambda: outcome(api, 20), "VendorUnavailable") < 5


@pytest.mark.parametrize("host", ["vendor.example", "a" * 70 + ".example", "."])
def test_a_host_without_an_address_is_unavailable(monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    """Nothing was sent, so the push may be sent again without doubt."""

    def look_up(name: str, *_: object, **__: object) -> None:
        name.encode("idna")
        raise socket.gaierror(socket.EAI_NONAME, "unknown")

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    assert outcome(HttpPushApi(f"http://{host}", Account())) == "VendorUnavailable"


def test_a_host_with_a_dead_address_is_reached_at_its_next_address(monkeypatch: pytest.MonkeyPatch) -> None:
    """The dead address uses only its share of the time to connect."""
    real = socket.getaddrinfo

    def answer(_server: Raw, connection: socket.socket) -> None:
        connection.sendall(TAKEN)

    # The queue of the dead server is full, so it accepts no further connection.
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
