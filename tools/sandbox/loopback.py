"""An HTTP server on 127.0.0.1. It runs in a thread for a test, or on the main thread for the command line."""

import socket
import threading
from typing import Final, Self

import uvicorn
from starlette.types import ASGIApp

from sandbox.connection import TransportInScope

HOST: Final = "127.0.0.1"
_START_TIMEOUT_SECS: Final = 10.0
#: Longer than the connections of a test are idle, so that a connection is closed only by an ordered fault.
_KEEP_ALIVE_SECS: Final = 75


class LoopbackServer:
    """Serves an application. Use it in a `with`, which starts and stops it.

    The constructor binds the port, so `address` is valid before the start. `port=0` means any free port.

    address  the base URL
    port     the port

    Raises OSError if the port is in use.
    """

    def __init__(self, app: ASGIApp, *, port: int = 0, name: str = "server") -> None:
        self._socket = _listen(port)
        self.port: int = self._socket.getsockname()[1]
        self.address = f"http://{HOST}:{self.port}"
        self._server = _Server(app)
        self._thread = threading.Thread(target=self.run, name=name, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        if not self._server.ready.wait(_START_TIMEOUT_SECS):
            raise RuntimeError(f"the {self._thread.name} did not start")
        return self

    def __exit__(self, *_: object) -> None:
        self._server.should_exit = True
        self._thread.join()

    def run(self) -> None:
        """Serve on this thread until the server is stopped.

        On the main thread, Ctrl-C and SIGTERM stop it.
        """
        try:
            self._server.run(sockets=[self._socket])
        finally:
            self._socket.close()


class _Server(uvicorn.Server):
    """A uvicorn server that signals when it is ready, and that stops without waiting for open requests."""

    def __init__(self, app: ASGIApp) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                http=TransportInScope,
                ws="none",
                lifespan="off",
                loop="asyncio",
                log_config=None,
                access_log=False,
                server_header=False,
                timeout_keep_alive=_KEEP_ALIVE_SECS,
                timeout_graceful_shutdown=2,
            )
        )
        self.ready = threading.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start the server, and set `ready`."""
        await super().startup(sockets)
        self.ready.set()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Abort the connections with an unfinished request: event streams and long latencies do not end."""
        for connection in list(self.server_state.connections):
            if isinstance(connection, TransportInScope) and connection.is_answering:
                connection.transport.abort()
        await super().shutdown(sockets)


def _listen(port: int) -> socket.socket:
    # If the protocol is 0, asyncio does not recognise the connections as TCP and does not switch off Nagle's
    # algorithm. Each answer would then take 40 ms longer, because its head and its body are two writes.
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((HOST, port))
        listening.listen(128)
    except OSError:
        listening.close()
        raise
    return listening
