"""A server for a single test, which answers with exactly these bytes or not at all."""

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Raw:
    """Accepts connections, reads each request, and answers with a function."""

    def __init__(
        self, answer: Callable[[socket.socket], bool | None], tls: ssl.SSLContext | None = None
    ) -> None:
        """Listen, with TLS if there is a context."""
        self._answer = answer
        self._tls = tls
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.address = f"{'https' if tls else 'http'}://127.0.0.1:{self._listening.getsockname()[1]}"
        self.ended = threading.Event()
        self.connections = 0
        self.requests = 0
        self.heads: list[bytes] = []
        self.bodies: list[bytes] = []
        #: `body`: of the request that the present thread has to answer.
        self.present = threading.local()
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listening.accept()
            except OSError:
                return
            self.connections += 1
            self._threads.append(threading.Thread(target=self._serve, args=[connection], daemon=True))
            self._threads[-1].start()

    def _serve(self, connection: socket.socket) -> None:
        with connection:
            try:
                if self._tls:
                    connection = self._tls.wrap_socket(connection, server_side=True)
                while self._read(connection):
                    with self._lock:
                        self.requests += 1
                    if self._answer(connection):
                        return
            except OSError:
                return
            finally:
                connection.close()

    def _read(self, connection: socket.socket) -> bool:
        head = b""
        while b"\r\n\r\n" not in head:
            chunk = connection.recv(65_536)
            if not chunk:
                return False
            head += chunk
        head, _, body = head.partition(b"\r\n\r\n")
        self.heads.append(head)
        lines = [line for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")]
        length = int(lines[0].partition(b":")[2]) if lines else 0
        while len(body) < length:
            body += connection.recv(65_536)
        self.bodies.append(body)
        self.present.body = body
        return True

    def close(self) -> None:
        """Close every connection."""
        self.ended.set()
        # A thread that is blocked in `accept` is woken by shutting the socket down, and not by closing it.
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        for thread in self._threads:
            thread.join(5)


@contextmanager
def raw(
    answer: Callable[["Raw", socket.socket], bool | None], tls: ssl.SSLContext | None = None
) -> Iterator[Raw]:
    """Run a server that answers with a function."""
    server: Raw
    server = Raw(lambda connection: answer(server, connection), tls)
    try:
        yield server
    finally:
        server.close()


def head(length: int, status: str = "200 OK") -> bytes:
    """Return the head of an answer."""
    return f"HTTP/1.1 {status}\r\nContent-Length: {length}\r\n\r\n".encode()


def silent(server: Raw, _connection: socket.socket) -> bool:
    """Do not answer."""
    server.ended.wait(20)
    return True


def reply(content: bytes, *, closing: bool = False) -> Callable[[Raw, socket.socket], bool]:
    """Return a function that answers with these bytes."""

    def answer(_server: Raw, connection: socket.socket) -> bool:
        connection.sendall(content)
        return closing

    return answer
