"""A connection to an HTTP/1.1 server, for one call after another, each of them within its time.

Each operation gets the time that is left of the whole call: the lookup of the name, connecting, TLS, sending
and each read. So a call ends in time even if the server sends byte by byte, and no thread has to watch it. A
connection is used again only shortly after an answer whose end is certain and after which nothing was sent.
"""

import select
import socket
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, NamedTuple

from push_relay.adapters.http_answer import READ_ERRORS, FinalAnswer, Headers, request_head, seconds_left

if TYPE_CHECKING:
    from urllib.parse import SplitResult

#: Seconds for which a connection may be idle before another call uses it. NAT gateways, load balancers and
#: proxies drop idle connections, AWS's NAT after 350 seconds. The next call would then be of unknown fate.
LONGEST_IDLE_SECS = 60.0
#: Bytes that are sent in one piece: one TLS record, so that one timeout applies to all of it.
_PIECE_BYTES = 16 * 1024


class Moment(NamedTuple):
    """A moment on two clocks, in seconds: since the machine's start, and since the epoch."""

    uptime: float
    wall: float

    @classmethod
    def now(cls) -> "Moment":
        """Return this moment. While Lambda freezes a function, the first clock may stand still."""
        return cls(_uptime(), time.time())

    def is_shortly_after(self, earlier: "Moment") -> bool:
        """Return whether less than LONGEST_IDLE_SECS have passed on both clocks.

        If a clock has stepped back, it is unknown how many have passed.
        """
        return (
            0 <= self.uptime - earlier.uptime < LONGEST_IDLE_SECS
            and 0 <= self.wall - earlier.wall < LONGEST_IDLE_SECS
        )


def _uptime() -> float:
    # Unlike the monotonic clock, it includes the time in which the machine was suspended. macOS lacks it.
    clock = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
    return time.clock_gettime(clock)


class NotConnected(Exception):
    """Nothing was sent: there was no connection, or it was lost before the request's body."""


class NoAnswer(Exception):
    """The request's body was sent, at least in part, without a final answer. `timed_out`: the time was up."""

    def __init__(self, cause: Exception) -> None:
        super().__init__(type(cause).__name__)
        self.timed_out = isinstance(cause, TimeoutError)


class Answer(NamedTuple):
    """A final answer.

    body       its first bytes; None if it is incomplete, or if its framing or coding cannot be read
    timed_out  whether it is incomplete because the time was up
    """

    status: int
    headers: Headers
    body: bytes | None
    timed_out: bool = False


class Connection:
    """A connection to a server, for one call at a time.

    in_one_piece  whether head and body of a request are sent together, which is quicker. Then a connection
                  that is lost while they are sent counts as one without an answer
    """

    def __init__(
        self,
        url: "SplitResult",
        context: ssl.SSLContext | None,
        now: Callable[[], Moment] = Moment.now,
        *,
        in_one_piece: bool = False,
    ) -> None:
        self._in_one_piece = in_one_piece
        self._host = url.hostname or ""
        self._port = url.port or (443 if context else 80)
        self._context = context
        self._address = url.netloc.rpartition("@")[2]
        self._socket: socket.socket | None = None
        self._now = now
        self._idle_since: Moment | None = None

    @property
    def is_usable(self) -> bool:
        """Whether another call can use it: it was idle for a short while, and the server has sent nothing.

        A server sends something on an idle connection if it closes it, or if it is confused.
        """
        return self.is_fresh and self._socket is not None and not _is_readable(self._socket)

    @property
    def is_fresh(self) -> bool:
        """Whether it was idle for a short while."""
        return self._idle_since is not None and self._now().is_shortly_after(self._idle_since)

    @property
    def is_open(self) -> bool:
        """Whether it can be kept for another call."""
        return self._socket is not None

    def open(self, deadline: float) -> None:
        """Connect by a moment of the monotonic clock. Raises NotConnected."""
        self._idle_since = None
        try:
            self._socket = self._opened(deadline)
        except ssl.SSLCertVerificationError:
            raise NotConnected("its certificate is not one to trust") from None
        except (OSError, UnicodeError) as exc:
            # A name that no host can have raises UnicodeError.
            raise NotConnected(type(exc).__name__) from None

    def _opened(self, deadline: float) -> socket.socket:
        """Connect, with TLS if there is a context."""
        connected = _connected(self._host, self._port, deadline)
        try:
            connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connected.settimeout(seconds_left(deadline))
            if self._context is None:
                return connected
            # One timeout applies to the whole handshake (`_ssl.c` counts it down).
            return self._context.wrap_socket(connected, server_hostname=self._host)
        except BaseException:
            connected.close()
            raise

    def call(
        self, target: str, headers: Mapping[str, str], body: bytes, deadline: float, limit: int
    ) -> Answer:
        """Post a body, and return the final answer to it, as `send` and `answer` do."""
        self.send(target, headers, body, deadline)
        return self.answer(deadline, limit)

    def send(self, target: str, headers: Mapping[str, str], body: bytes, deadline: float) -> None:
        """Send a POST by a moment of the monotonic clock.

        headers  without those of the connection and of the body's length

        Raises NotConnected if no byte of the body was sent, else NoAnswer. Then the connection is closed.
        """
        try:
            self._send(target, headers, body, deadline)
        except BaseException:
            self.close()
            raise

    def answer(self, deadline: float, limit: int) -> Answer:
        """Return the final answer to the request that was sent, by a moment of the monotonic clock.

        limit  bytes of the answer's body that are read

        Raises NoAnswer if the server sent no head of a final answer. Afterwards the connection is closed,
        unless the answer was read to its certain end.
        """
        answer = None
        try:
            answer = self._head(deadline, limit)
            read, timed_out = answer.read_body()
            return Answer(answer.status, answer.headers, read, timed_out)
        finally:
            if answer is not None and answer.is_ended:
                self._idle_since = self._now()
            else:
                self.close()

    def close(self) -> None:
        """Close the connection."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _send(self, target: str, headers: Mapping[str, str], body: bytes, deadline: float) -> None:
        sending = self._socket
        if sending is None:
            raise NotConnected("it is closed")
        head = request_head(target, {"Host": self._address, **headers}, len(body))
        if self._in_one_piece:
            body = head + body
        else:
            try:
                sending.settimeout(seconds_left(deadline))
                sending.sendall(head)
            except OSError as exc:
                raise NotConnected(type(exc).__name__) from None
        try:
            for start in range(0, len(body), _PIECE_BYTES):
                sending.settimeout(seconds_left(deadline))
                sending.sendall(body[start : start + _PIECE_BYTES])
        except OSError as exc:
            raise NoAnswer(exc) from None

    def _head(self, deadline: float, limit: int) -> FinalAnswer:
        """Read the head of the final answer."""
        try:
            if self._socket is None:
                raise ConnectionResetError
            return FinalAnswer(self._socket, deadline, limit)
        except READ_ERRORS as exc:
            raise NoAnswer(exc) from None


def _connected(host: str, port: int, deadline: float) -> socket.socket:
    """Connect to the first of a host's addresses that answers. Each gets its share of the time."""
    addresses = _addresses(host, port, deadline)
    for number, (family, kind, protocol, _, address) in enumerate(addresses, start=1):
        sock = socket.socket(family, kind, protocol)
        try:
            sock.settimeout(seconds_left(deadline) / (len(addresses) - number + 1))
            sock.connect(address)
        except OSError:
            sock.close()
            if number == len(addresses):
                raise
        else:
            return sock
    raise OSError("the host has no address")


def _addresses(host: str, port: int, deadline: float) -> list[tuple[int, int, int, str, tuple[str, int]]]:
    """Look up a host's addresses. The lookup has no timeout, so another thread waits for it."""
    found: list[list[tuple[int, int, int, str, tuple[str, int]]] | Exception] = []

    def look_up() -> None:
        try:
            found.append(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))  # type: ignore[arg-type]
        except Exception as exc:  # noqa: BLE001 (it is raised in the thread that waits)
            found.append(exc)

    thread = threading.Thread(target=look_up, daemon=True)
    thread.start()
    thread.join(seconds_left(deadline))
    if not found:
        raise TimeoutError("the lookup took too long")
    if isinstance(found[0], Exception):
        raise found[0]
    return found[0]


def _is_readable(sock: socket.socket) -> bool:
    """Return whether there is something to read, which may be the end of the connection."""
    if isinstance(sock, ssl.SSLSocket) and sock.pending():
        return True  # TLS has read it already
    poll = select.poll()
    poll.register(sock, select.POLLIN)
    return bool(poll.poll(0))
