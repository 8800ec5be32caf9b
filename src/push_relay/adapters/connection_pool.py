"""Connections to one HTTP server, kept for the next calls. Safe to use from several threads."""

import threading
import time
import weakref
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from push_relay.adapters.http_call import Answer, Connection, Moment

if TYPE_CHECKING:
    from ssl import SSLContext
    from urllib.parse import SplitResult

#: Seconds for which an answer is read after its time was up, if this thread has waited for another one until
#: then. It has probably come meanwhile.
_LATE_SECS = 0.05


class ConnectionPool:
    """Makes calls, each over a connection that was idle for a short while, or else over a new one.

    context       the TLS context; None for a URL without TLS
    connect_secs  seconds that connecting may take
    read_secs     seconds that sending a request and reading its answer may take
    keep_alive    whether connections are kept after a call
    in_one_piece  as for `Connection`
    """

    def __init__(  # noqa: PLR0913 (all that a pool of connections is)
        self,
        url: "SplitResult",
        context: "SSLContext | None",
        *,
        connect_secs: float,
        read_secs: float,
        keep_alive: bool = True,
        in_one_piece: bool = False,
        now: Callable[[], Moment] = Moment.now,
    ) -> None:
        self._url, self._context = url, context
        self._connect_secs, self._read_secs, self._keep_alive = connect_secs, read_secs, keep_alive
        self._now, self._in_one_piece = now, in_one_piece
        self._idle: list[Connection] = []  # the last one used is at the end
        self._lock = threading.Lock()
        # The connections are also closed when this pool is garbage.
        weakref.finalize(self, _close_all, self._idle)

    def call(
        self, target: str, headers: Mapping[str, str], body: bytes, limit: int, deadline: float = float("inf")
    ) -> Answer:
        """Post a body, and return the final answer to it.

        limit     bytes of the answer's body that are read
        deadline  a moment of the monotonic clock by which the call ends in any case

        Raises NotConnected, NoAnswer.
        """
        connection = self._connection(deadline)
        try:
            by = min(deadline, time.monotonic() + self._read_secs)
            return connection.call(target, headers, body, by, limit)
        finally:
            self._keep(connection)

    def begin(self, target: str, headers: Mapping[str, str], body: bytes, limit: int) -> Callable[[], Answer]:
        """Post a body; return a function that waits for the final answer and returns it.

        So one thread makes several calls at a time. Both raise NotConnected, NoAnswer.
        """
        connection = self._connection(float("inf"))
        by = time.monotonic() + self._read_secs
        connection.send(target, headers, body, by)

        def end() -> Answer:
            try:
                return connection.answer(max(by, time.monotonic() + _LATE_SECS), limit)
            finally:
                self._keep(connection)

        return end

    def close(self) -> None:
        """Close the connections that no call uses."""
        with self._lock:
            _close_all(self._idle)

    def _connection(self, deadline: float) -> Connection:
        """Return a connection that was idle for a short while, else a new one. Raises NotConnected."""
        taken, useless = None, list[Connection]()
        with self._lock:
            # They must not stay open, because the server may count them. The longest idle one is the first.
            while len(self._idle) > 1 and not self._idle[0].is_fresh:
                useless.append(self._idle.pop(0))
            while self._idle and taken is None:
                last = self._idle.pop()
                if last.is_usable:
                    taken = last
                else:
                    useless.append(last)
        _close_all(useless)
        if taken is None:
            taken = Connection(self._url, self._context, self._now, in_one_piece=self._in_one_piece)
            taken.open(min(deadline, time.monotonic() + self._connect_secs))
        return taken

    def _keep(self, connection: Connection) -> None:
        if self._keep_alive and connection.is_open:
            with self._lock:
                self._idle.append(connection)
        else:
            connection.close()


def _close_all(connections: list[Connection]) -> None:
    while connections:
        connections.pop().close()
