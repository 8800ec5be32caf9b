"""The TCP connection of a request: reset it, cut it, or wait until the caller closes it.

uvicorn copies a protocol's `app_state` into each request's scope, so the transport is stored there.
"""

import asyncio
import socket
import struct
from contextlib import suppress
from typing import cast

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Send
from uvicorn.protocols.http.h11_impl import H11Protocol


class TransportInScope(H11Protocol):
    """uvicorn's HTTP/1.1 protocol. Its requests have their transport in `request.state.transport`."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn's own
        """Store the connection's transport for its requests."""
        super().connection_made(transport)
        self.app_state = {**self.app_state, "transport": transport}

    @property
    def is_answering(self) -> bool:
        """Whether there is a request whose answer is not sent completely."""
        cycle = self.cycle
        # By uvicorn's annotation, the attribute is always set. But it is None at first.
        return bool(cycle) and not cycle.response_complete


async def wait_for_disconnect(request: Request) -> None:
    """Wait until the connection is closed, and discard what the caller still sends."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def reset_connection(request: Request) -> None:
    """Reset the connection: the caller gets a TCP RST instead of an answer.

    With a linger time of zero, closing the socket sends RST and discards unsent data (socket(7), SO_LINGER).
    """
    transport = _transport(request)
    with suppress(OSError):  # the caller has closed the connection already
        transport.get_extra_info("socket").setsockopt(
            socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
        )
    transport.abort()
    await wait_for_disconnect(request)


async def cut_connection(request: Request, send: Send, response: Response) -> None:
    """Send the response's head and the first half of its body, and close the connection.

    The Content-Length is that of the whole body, so a careful caller notices the cut.
    """
    await send(
        {"type": "http.response.start", "status": response.status_code, "headers": response.raw_headers}
    )
    await send({"type": "http.response.body", "body": cut_body(bytes(response.body)), "more_body": True})
    _transport(request).close()  # what was written before is still sent
    await wait_for_disconnect(request)


def cut_body(body: bytes) -> bytes:
    """Return the half of a body that is sent before the connection is closed."""
    return body[: len(body) // 2]


def send_interim(request: Request, status: int) -> None:
    """Send two interim answers (RFC 9110, 15.2) before the final one, without uvicorn's help."""
    interim = f"HTTP/1.1 {status} Interim\r\nLink: </app.css>; rel=preload\r\n\r\n".encode()
    _transport(request).write(interim * 2)


def _transport(request: Request) -> asyncio.Transport:
    return cast("asyncio.Transport", request.state.transport)
