"""Calls of SNS against a real server: no redirect is followed, and time and memory are limited."""

import socket
import ssl
import threading
import time
from collections.abc import Callable
from itertools import count
from pathlib import Path

import pytest
import urllib3
from cryptography.hazmat.primitives import serialization

from push_relay.adapters import sns
from push_relay.adapters.sns import MAX_ANSWER_BYTES, SnsEndpoint
from push_relay.core.errors import CredentialsUnavailable
from push_relay.core.trust.certificates import MAX_KEPT, PERIOD_SECS, KnownCertificates
from push_relay.core.trust.handshakes.base import PROTECTED
from raw_server import Raw, head, raw, reply, silent
from sns_sender import certificate, rsa_pair
from sns_sender import certificates as served

(PEM,) = served().values()
PATH = "/SimpleNotificationService-0123456789abcdef.pem"


def certificate_at(endpoint: SnsEndpoint, url: str) -> bytes:
    """Return a certificate as the relay gets it. If that fails, no certificate may be kept."""
    certificates = KnownCertificates(endpoint.certificate, time.monotonic)
    try:
        return certificates(url)
    except CredentialsUnavailable:
        assert not certificates._certificates
        raise


CALLS = pytest.mark.parametrize("call", [certificate_at, SnsEndpoint.confirm], ids=["certificate", "confirm"])

type Call = Callable[[SnsEndpoint, str], bytes | None]


def get_reply(content: bytes) -> Callable[[Raw, socket.socket], bool]:
    """Answer with these bytes, then close the connection."""
    return reply(content, closing=True)


def impatient() -> SnsEndpoint:
    """Return an endpoint with timeouts of tenths of a second."""
    return SnsEndpoint(urllib3.PoolManager(timeout=urllib3.Timeout(connect=0.2, read=0.2)))


def test_a_certificate_is_fetched_once_and_kept() -> None:
    """The content behind a certificate's URL never changes."""
    certificates = KnownCertificates(SnsEndpoint().certificate, time.monotonic)
    with raw(get_reply(head(len(PEM)) + PEM)) as server:
        for _ in range(3):
            assert certificates(server.address + PATH) == PEM
        assert server.requests == 1
        assert certificates(server.address + PATH.replace("0", "1")) == PEM
        assert server.requests == 2


def test_the_number_of_kept_certificates_is_limited() -> None:
    """A flood of many URLs must not fill the memory."""
    minutes = count(0, PERIOD_SECS)
    certificates = KnownCertificates(SnsEndpoint().certificate, lambda: next(minutes))
    with raw(get_reply(head(len(PEM)) + PEM)) as server:
        for number in range(3 * MAX_KEPT):
            certificates(f"{server.address}/{number}.pem")
            assert len(certificates._certificates) <= MAX_KEPT


def test_a_confirmation_is_a_single_get() -> None:
    """Only the status of the answer is used. A repeated request confirms again."""
    endpoint = SnsEndpoint()
    with raw(get_reply(head(0))) as server:
        for _ in range(2):
            endpoint.confirm(server.address + "/?Action=ConfirmSubscription&Token=planted")
        assert server.requests == 2


CONFIRM_PATH = "/?Action=ConfirmSubscription&Token=planted"


def in_turn(*statuses: str) -> Callable[[Raw, socket.socket], bool]:
    """Answer the requests with these statuses, one after the other."""

    def answer(server: Raw, connection: socket.socket) -> bool:
        connection.sendall(head(0, statuses[len(server.heads) - 1]))
        return True

    return answer


def signing(url: str) -> dict[str, str]:
    """Sign a call as the function's role would."""
    return {"Authorization": f"signed {len(url)}"}


def test_a_subscription_is_confirmed_by_a_signed_call() -> None:
    """Only a signed call can require that nobody except an owner may end the subscription."""
    with raw(in_turn("200 OK")) as server:
        assert SnsEndpoint(sign=signing).confirm(server.address + CONFIRM_PATH + PROTECTED) is True
    (sent,) = server.heads
    assert sent.startswith(f"GET {CONFIRM_PATH}{PROTECTED} HTTP".encode())
    assert b"signed" in sent


@pytest.mark.parametrize("refusal", ["400 Bad Request", "401 Unauthorized", "403 Forbidden"])
def test_if_the_role_has_no_right_to_confirm_the_subscription_is_confirmed_unsigned(refusal: str) -> None:
    """A lost subscription would be worse than an unprotected one. The caller learns about it."""
    with raw(in_turn(refusal, "200 OK")) as server:
        assert SnsEndpoint(sign=signing).confirm(server.address + CONFIRM_PATH + PROTECTED) is False
    _, sent = server.heads
    assert sent.startswith(f"GET {CONFIRM_PATH} HTTP".encode())
    assert b"signed" not in sent


@pytest.mark.parametrize("status", ["500 Oops", "503 Busy", "429 Slow", "302 Found"])
def test_a_signed_call_that_fails_is_not_repeated_unsigned(status: str) -> None:
    """SNS sends the request again, and the next attempt may be protected."""
    with raw(in_turn(status, "200 OK")) as server, pytest.raises(CredentialsUnavailable):
        SnsEndpoint(sign=signing).confirm(server.address + CONFIRM_PATH + PROTECTED)
    assert len(server.heads) == 1


@CALLS
@pytest.mark.parametrize(
    "status",
    [
        "204 No Content",
        *("301 Moved", "302 Found", "307 Temporary", "308 Permanent"),
        *("400 Bad", "408 Late", "429 Slow"),
        *("500 Oops", "503 Busy"),
    ],
)
def test_any_other_status_is_an_error(call: Call, status: str) -> None:
    """SNS gets 503 and sends again. The relay follows no redirect, repeats no call, and keeps nothing."""
    with raw(reply(head(0))) as other:
        there = f"HTTP/1.1 {status}\r\nLocation: {other.address}/planted\r\nRetry-After: 9\r\n"
        content = there.encode() + b"Content-Length: 7\r\n\r\nplanted"
        if status.startswith("204"):
            content = there.encode() + b"\r\n"
        with raw(get_reply(content)) as server:
            endpoint = SnsEndpoint()
            with pytest.raises(CredentialsUnavailable) as refused:
                call(endpoint, server.address + PATH)
            assert (server.requests, other.connections) == (1, 0)
        assert status[:3] in str(refused.value)
        assert "planted" not in str(refused.value)


@pytest.mark.parametrize("status", ["403 Forbidden", "404 Not Found", "410 Gone"])
def test_a_certificate_that_does_not_exist_proves_nothing(status: str) -> None:
    """A forger has invented the URL. The answer is a 401, as SNS is not at fault, and nothing is kept."""
    endpoint = SnsEndpoint()
    with raw(get_reply(head(7, status) + b"planted")) as server:
        certificates = KnownCertificates(endpoint.certificate, time.monotonic)
        assert certificates(server.address + PATH) == b""
        assert not certificates._certificates
        with pytest.raises(CredentialsUnavailable):
            endpoint.confirm(server.address + PATH)


@CALLS
@pytest.mark.parametrize("length", [MAX_ANSWER_BYTES + 1, 100 * MAX_ANSWER_BYTES])
def test_an_answer_over_the_limit_is_not_read_to_its_end(call: Call, length: int) -> None:
    """It is not kept either, because a part of a certificate would verify nothing."""
    sent = []

    def flood(_server: Raw, connection: socket.socket) -> bool:
        connection.sendall(head(length))
        for _ in range(0, length, MAX_ANSWER_BYTES):
            connection.sendall(b"x" * MAX_ANSWER_BYTES)
            sent.append(MAX_ANSWER_BYTES)
        return True

    endpoint = SnsEndpoint()
    with raw(flood) as server, pytest.raises(CredentialsUnavailable, match="too long"):
        call(endpoint, server.address + PATH)
    assert sum(sent) <= 100 * MAX_ANSWER_BYTES


def test_an_answer_at_the_limit_is_read() -> None:
    """The limit itself is allowed."""
    with raw(get_reply(head(MAX_ANSWER_BYTES) + b"x" * MAX_ANSWER_BYTES)) as server:
        assert len(certificate_at(SnsEndpoint(), server.address + PATH)) == MAX_ANSWER_BYTES


def test_a_compressed_answer_is_not_decompressed() -> None:
    """The request does not accept compression, and the content could be a decompression bomb."""
    content = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 7\r\n\r\nplanted"
    with raw(get_reply(content)) as server:
        assert SnsEndpoint().certificate(server.address + PATH) == b"planted"


@CALLS
def test_a_silent_server_causes_a_timeout(call: Call) -> None:
    """The sender waits for the relay's answer in the meantime."""
    with raw(silent) as server:
        started = time.monotonic()
        with pytest.raises(CredentialsUnavailable, match="ReadTimeoutError"):
            call(impatient(), server.address + PATH)
        assert time.monotonic() - started < 5
        assert server.requests == 1


@CALLS
def test_an_answer_that_arrives_byte_by_byte_causes_a_timeout(
    call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The time limit is for the whole answer and not for each byte."""
    monkeypatch.setattr(sns, "TOTAL_SECS", 0.3)

    def drip(server: Raw, connection: socket.socket) -> bool:
        connection.sendall(head(1000))
        while not server.ended.wait(0.05):
            connection.sendall(b"x")
        return True

    with raw(drip) as server:
        started = time.monotonic()
        with pytest.raises(CredentialsUnavailable):
            call(impatient(), server.address + PATH)
        assert time.monotonic() - started < 5


@CALLS
@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"HTTP/1.1 ",
        head(10) + b"half",
        b"\0\1\2",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nz",
    ],
)
def test_an_incomplete_answer_is_an_error(call: Call, content: bytes) -> None:
    """A partial answer is not used."""
    endpoint = SnsEndpoint()
    with raw(get_reply(content)) as server, pytest.raises(CredentialsUnavailable):
        call(endpoint, server.address + PATH)


@CALLS
@pytest.mark.parametrize(
    "address", ["https://127.0.0.1:1/x.pem", "https://", "https://[", "https://127.0.0.1:99999/"]
)
def test_a_server_that_cannot_be_reached_is_an_error_of_the_relay(call: Call, address: str) -> None:
    """Every exception of urllib3 is translated."""
    with pytest.raises(CredentialsUnavailable):
        call(SnsEndpoint(), address)


def test_a_certificate_is_fetched_only_from_a_server_with_a_trusted_tls_certificate(tmp_path: Path) -> None:
    """Any other server could serve any certificate, and thus sign any message."""
    key, chain = tmp_path / "key.pem", tmp_path / "chain.pem"
    encoding, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    key.write_bytes(rsa_pair()[0].private_bytes(encoding, form, serialization.NoEncryption()))
    chain.write_bytes(certificate(rsa_pair()[0], "sns.eu-west-1.amazonaws.com"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain, key)

    refused = threading.Event()

    def serve(listening: socket.socket) -> None:
        connection, _ = listening.accept()
        with connection:
            try:
                context.wrap_socket(connection, server_side=True).close()
            except OSError:
                refused.set()

    with socket.create_server(("127.0.0.1", 0)) as listening:
        serving = threading.Thread(target=serve, args=[listening], daemon=True)
        serving.start()
        with pytest.raises(CredentialsUnavailable, match="SSLError"):
            SnsEndpoint().certificate(f"https://127.0.0.1:{listening.getsockname()[1]}{PATH}")
        serving.join(5)
    assert refused.is_set()
    kept = SnsEndpoint()._bounded_get._pool.connection_pool_kw
    assert kept["cert_reqs"] == "CERT_REQUIRED"
    assert (kept["timeout"].connect_timeout, kept["timeout"]._read, kept["timeout"].total) == (2, 3, 4)
