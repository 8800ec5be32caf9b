"""Calls to the vendor over TLS: answers end as without TLS, and a server that is not trusted gets nothing."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from ports import CREDENTIALS
from push_relay.adapters import tls
from push_relay.adapters.push_http import HttpPushApi
from push_relay.core.account import Account
from push_relay.core.errors import VendorUnavailable
from raw_server import Raw, head, raw
from tls_authority import Authority
from vendor_calls import PUSH, REFUSED, TAKEN, outcome


@pytest.fixture
def authority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Authority]:
    """Return an authority that this machine trusts."""
    trusted = Authority(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(trusted.file))
    for context in (tls.context, tls.vendor_context):
        context.cache_clear()
    yield trusted
    for context in (tls.context, tls.vendor_context):
        context.cache_clear()


def test_a_connection_is_used_again(authority: Authority) -> None:
    """Interim answers and refusals do not shift the answers of later pushes."""
    left = [TAKEN, REFUSED, TAKEN, REFUSED]

    def answer(_server: Raw, connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 103 Early Hints\r\n\r\n")
        connection.sendall(left.pop(0))

    with raw(answer, authority.server()) as server:
        api = HttpPushApi(server.address, Account())
        assert [outcome(api) for _ in range(4)] == ["taken", "VendorRejected"] * 2
        assert server.connections == 1
        api.close()


def padded(size: int) -> bytes:
    """Return an answer of this size."""
    return head(size - len(head(1000))) + b" " * (size - len(head(1000)))


@pytest.mark.parametrize("pieces", [[TAKEN + TAKEN], [TAKEN, TAKEN], [padded(8192) + TAKEN]], ids=[1, 2, 3])
def test_bytes_after_an_answer_end_its_connection(authority: Authority, pieces: list[bytes]) -> None:
    """They may be in the same TLS record, in a second one, or in TLS's buffer after the answer was read."""
    left = [pieces, [REFUSED]]

    def answer(_server: Raw, connection: socket.socket) -> None:
        for piece in left.pop(0):
            connection.sendall(piece)

    with raw(answer, authority.server()) as server:
        api = HttpPushApi(server.address, Account())
        assert outcome(api) == "taken"
        deadline = time.monotonic() + 20
        while any(idle.is_usable for idle in api._connections._idle):
            assert time.monotonic() < deadline
            time.sleep(0.01)
        assert outcome(api) == "VendorRejected"
        assert server.connections == 2
        api.close()


@pytest.mark.parametrize("trusted", [False, True], ids=["a strange authority", "a strange name"])
def test_a_server_that_is_not_trusted_gets_nothing(
    authority: Authority, tmp_path: Path, *, trusted: bool
) -> None:
    """Each request carries the credentials and a person's message."""
    strange = tmp_path / "strange"
    strange.mkdir()
    context = authority.server("127.0.0.9") if trusted else Authority(strange).server()
    with raw(lambda _, __: True, context) as server:
        with pytest.raises(VendorUnavailable, match="not one to trust"):
            HttpPushApi(server.address, Account()).send(PUSH, CREDENTIALS, "-", 20)
        assert server.requests == 0


@pytest.mark.parametrize(
    "greeting", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"", b"\x15\x03\x03\x00\x02\x02\x28"], ids=str
)
def test_a_handshake_that_fails_has_sent_nothing(greeting: bytes) -> None:
    """The server may use no TLS, close the connection, or refuse the handshake."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        api = HttpPushApi(f"https://127.0.0.1:{listening.getsockname()[1]}", Account())
        tls.vendor_context()  # it reads the system's certificates, which takes its time
        connection = _served(listening, greeting, drip=0.0)
        assert outcome(api) == "VendorUnavailable"
        connection.join(20)


def test_a_handshake_that_drips_is_given_up_in_time() -> None:
    """The server sends one byte of its greeting at a time."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        api = HttpPushApi(f"https://127.0.0.1:{listening.getsockname()[1]}", Account(connect_timeout_secs=1))
        tls.vendor_context()  # the same
        connection = _served(listening, b"\x16\x03\x03\x40\x00\x02\x00\x3f\xfc" + bytes(500), drip=0.1)
        started = time.monotonic()
        assert outcome(api, 30) == "VendorUnavailable"
        assert time.monotonic() - started < 6
        connection.join(20)


def _served(listening: socket.socket, greeting: bytes, *, drip: float) -> threading.Thread:
    """Send bytes to the next client, one at a time or together, and close the connection."""

    def serve() -> None:
        connection, _ = listening.accept()
        with connection, suppress(OSError):
            connection.recv(65_536)
            for piece in (greeting[at : at + 1] for at in range(len(greeting))) if drip else [greeting]:
                connection.sendall(piece)
                time.sleep(drip)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    return thread
