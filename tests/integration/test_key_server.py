"""Calls of a sender's key server: no redirect is followed, and time and memory are limited."""

import socket
import time
from collections.abc import Callable

import pytest
import urllib3

from push_relay.adapters.key_server import KeyServer
from push_relay.core.errors import CredentialsUnavailable
from push_relay.core.trust.public_keys import MAX_DOCUMENT_BYTES
from raw_server import Raw, head, raw, reply, silent

DOCUMENT = b'{"keys": []}'


def answering(content: bytes) -> Callable[[Raw, socket.socket], bool]:
    """Answer with these bytes, then close the connection."""
    return reply(content, closing=True)


def test_a_document_is_fetched_by_a_single_get() -> None:
    """The answer's bytes are returned as they are."""
    with raw(answering(head(len(DOCUMENT)) + DOCUMENT)) as server:
        assert KeyServer().document(server.address + "/keys") == DOCUMENT
    (sent,) = server.heads
    assert sent.startswith(b"GET /keys HTTP")


@pytest.mark.parametrize("status", ["403 Forbidden", "404 Not Found", "410 Gone"])
def test_a_missing_document_has_no_content(status: str) -> None:
    """A request named an address that its host does not have."""
    with raw(answering(head(0, status))) as server:
        assert KeyServer().document(server.address + "/keys") is None


@pytest.mark.parametrize("status", ["500 Oops", "503 Busy", "429 Slow", "302 Found", "204 Empty"])
def test_another_answer_is_a_reason_to_try_later(status: str) -> None:
    """Also a redirect, which could lead anywhere."""
    with raw(answering(head(0, f"{status}\r\nLocation: /elsewhere"))) as server:
        with pytest.raises(CredentialsUnavailable):
            KeyServer().document(server.address + "/keys")
        assert server.requests == 1


def test_a_long_answer_is_refused() -> None:
    """A key server must not fill the memory."""
    content = b"x" * (MAX_DOCUMENT_BYTES + 1)
    with raw(answering(head(len(content)) + content)) as server, pytest.raises(CredentialsUnavailable):
        KeyServer().document(server.address + "/keys")


def test_a_server_that_does_not_answer_costs_a_bounded_time() -> None:
    """A sender waits for the relay meanwhile."""
    pool = urllib3.PoolManager(timeout=urllib3.Timeout(connect=0.2, read=0.2))
    started = time.monotonic()
    with raw(silent) as server, pytest.raises(CredentialsUnavailable):
        KeyServer(pool).document(server.address + "/keys")
    assert time.monotonic() - started < 3
