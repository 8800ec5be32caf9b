"""Idle connections to the vendor: when one is used again, and when it is closed."""

import select
import socket
import struct
import time
from urllib.parse import urlsplit

import pytest

from push_relay.adapters.http_call import LONGEST_IDLE_SECS, Connection, Moment, NotConnected
from push_relay.adapters.push_http import HttpPushApi
from push_relay.core.account import Account
from raw_server import Raw, raw
from vendor_calls import REFUSED, TAKEN, outcome
from waiting import wait_until


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
def test_an_answer_without_a_request_is_not_used(farewell: bytes, *, closing: bool) -> None:
    """A proxy may close with a last message, or answer twice. The next push needs another connection."""
    answers = [TAKEN, REFUSED]
    farewells = []

    def answer(server: Raw, connection: socket.socket) -> bool:
        connection.sendall(answers.pop(0))
        if answers:
            server.ended.wait(0.1)
            connection.sendall(farewell)
            farewells.append(farewell)
        return closing

    with raw(answer) as server:
        api = HttpPushApi(server.address, Account())
        assert outcome(api) == "taken"
        wait_until(lambda: bool(farewells))
        (idle,) = api._connections._idle
        wait_until(lambda: not idle.is_usable)
        assert outcome(api) == "VendorRejected"
        assert server.connections == 2
        api.close()


class Clocks:
    """Two clocks that move only when a test moves them."""

    def __init__(self) -> None:
        """Start the machine's clock and the wall clock at fixed moments."""
        self.moment = Moment(5000.0, 1_800_000_000.0)

    def now(self) -> Moment:
        """Return the moment that both show."""
        return self.moment

    def pass_by(self, uptime: float, wall: float) -> None:
        """Move both by these seconds."""
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
        "frozen, the uptime clock stopped",
        "wall clock set back in step",
        "wall clock stepped back",
    ],
)
def test_a_connection_that_was_idle_for_a_minute_is_not_written_to(
    uptime: float, wall: float, connections: int
) -> None:
    """A load balancer may have dropped it by then, and a reset after the request leaves the push in doubt."""
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
    """One clock counts from the start of the machine, the other from the epoch."""
    moment = Moment.now()
    assert moment.wall == pytest.approx(time.time(), abs=60)
    assert moment.uptime >= time.monotonic() - 60
    assert Moment.now().is_shortly_after(moment)


def test_all_idle_connections_that_cannot_be_used_again_are_closed() -> None:
    """The vendor may count them against the account's limit."""
    clocks = Clocks()
    gone = []

    def answer(server: Raw, connection: socket.socket) -> None:
        server.ended.wait(0.2)
        connection.sendall(TAKEN)
        if not connection.recv(1, socket.MSG_PEEK):
            gone.append(connection)

    with raw(answer) as server:
        api = HttpPushApi(server.address, Account(), clocks.now)
        first, second = (api._connections._connection(time.monotonic() + 20) for _ in range(2))
        for connection in (first, second):
            connection.call("/", {}, b"{}", time.monotonic() + 20, 10)
            api._connections._keep(connection)
        clocks.pass_by(400, 400)
        assert outcome(api) == "taken"
        wait_until(lambda: len(gone) == 2)
        api.close()


def test_a_connection_that_is_lost_before_the_body_has_sent_nothing() -> None:
    """The push cannot have been shown, so it may be sent again without doubt."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        connection = Connection(urlsplit(f"http://127.0.0.1:{listening.getsockname()[1]}"), None)
        connection.open(time.monotonic() + 20)
        accepted, _ = listening.accept()
        # With a linger time of 0 the kernel sends a reset instead of an orderly close.
        accepted.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        accepted.close()
        assert connection._socket
        select.select([connection._socket], [], [], 20)
        with pytest.raises(NotConnected, match=r"ConnectionResetError|BrokenPipeError"):
            connection.call("/", {}, b"{}", time.monotonic() + 20, 10)
        assert not connection.is_open
