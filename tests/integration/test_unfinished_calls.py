"""The vendor may still be working after some failed calls, so their connections count as used."""

import socket
from collections.abc import Callable

import pytest

from ports import CREDENTIALS
from push_relay.adapters.push_http import HttpPushApi
from push_relay.core.account import Account
from push_relay.core.errors import RelayError
from push_relay.core.push import Push, Recipient, RecipientKind, Wording
from raw_server import Raw, head, raw, reply, silent

PUSH = Push(Recipient(RecipientKind.USER, "1"), Wording("t", "b"), "k")


def stalls(content: bytes) -> Callable[[Raw, socket.socket], bool]:
    """Answer with a part, and keep the connection open."""

    def answer(server: Raw, connection: socket.socket) -> bool:
        connection.sendall(content)
        return silent(server, connection)

    return answer


@pytest.mark.parametrize(
    ("answer", "is_unfinished"),
    [
        (silent, True),
        (stalls(b"HTTP/1.1 200 OK\r\n"), True),
        (stalls(head(50)), True),
        (stalls(head(50, "400 Bad")), True),
        (reply(head(0, "504 Gateway Timeout")), True),
        (reply(head(0, "524 A Timeout Occurred")), True),
        (reply(b"", closing=True), False),
        (reply(b"planted\r\n\r\n", closing=True), False),
        (reply(head(50), closing=True), False),
        (reply(head(0, "503 Service Unavailable")), False),
        (reply(head(0, "400 Bad Request")), False),
        (reply(head(0, "401 Unauthorized")), False),
    ],
    ids=[
        "silent",
        "half-a-head",
        "no-body",
        "no-body-of-a-refusal",
        "504",
        "524",
        "closed",
        "garbage",
        "cut",
        "503",
        "400",
        "401",
    ],
)
def test_a_call_is_unfinished_if_the_vendor_has_not_ended_it(
    answer: Callable[[Raw, socket.socket], bool], *, is_unfinished: bool
) -> None:
    """Either the relay or a gateway has given up waiting for the vendor."""
    with raw(answer) as server, pytest.raises(RelayError) as raised:
        HttpPushApi(server.address, Account(read_timeout_secs=1)).send(PUSH, CREDENTIALS, "-", 2.0)
    assert raised.value.unfinished is is_unfinished


def test_a_call_that_never_began_is_not_unfinished() -> None:
    """No server listens at the address."""
    with raw(silent) as server:
        address = server.address
    with pytest.raises(RelayError) as raised:
        HttpPushApi(address, Account()).send(PUSH, CREDENTIALS, "-", 2.0)
    assert not raised.value.unfinished
