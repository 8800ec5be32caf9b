"""Send a push to a raw server with the real adapter, and name its outcome."""

import socket
import time
from collections.abc import Callable, Sequence

from ports import CREDENTIALS
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
    """Send a push for each answer; return their outcomes and the number of connections that were opened."""
    left = list(answers)

    def answer(_server: Raw, connection: socket.socket) -> None:
        connection.sendall(left.pop(0))

    with raw(answer) as server:
        api = HttpPushApi(server.address, Account(**account))
        results = [outcome(api) for _ in answers]
        api.close()
        return results, server.connections


def elapsed(work: Callable[[], str], result: str) -> float:
    """Return the seconds that the work takes. It has to give this result."""
    started = time.monotonic()
    assert work() == result
    return time.monotonic() - started
