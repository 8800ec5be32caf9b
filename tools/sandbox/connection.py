"""Reach the TCP connection under a request, to reset it, cut it, or see it go.

uvicorn copies a protocol's `app_state` into each request's scope; that is where the transport is put.
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
    """uvicorn's HTTP/1.1 protocol, whose requests carry their transport as `request.state.transport`."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn's own
        """Put the connection's transport where its requests find it."""
        super().connection_made(transport)
        self.app_state = {**self.app_state, "transport": transport}

    @property
    def is_answering(self) -> bool:
        """Tell whether a request has come whose answer has not left."""
        cycle = self.cycle
        # uvicorn declares the attribute as always set, and starts it with None.
        return bool(cycle) and not cycle.response_complete


async def wait_for_disconnect(request: Request) -> None:
    """Wait until the connection is gone, throwing away whatever the caller still sends."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def reset_connection(request: Request) -> None:
    """Reset the connection: the caller gets a TCP RST instead of an answer, not a clean end.

    A linger time of zero makes closing send RST and drop what is unsent (socket(7), SO_LINGER).
    """
    transport = _transport(request)
    with suppress(OSError):  # the caller was faster and is gone
        transport.get_extra_info("socket").setsockopt(
            socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
        )
    transport.abort()
    await wait_for_disconnect(request)


async def cut_connection(request: Request, send: Send, response: Response) -> None:
    """Answer with the response's head and the first half of its body, then end the connection.

    The head promises the whole body in Content-Length, so a careful caller notices.
    """
    body = bytes(response.body)
    await send(
        {"type": "http.response.start", "status": response.status_code, "headers": response.raw_headers}
    )
    await send({"type": "http.response.body", "body": body[: len(body) // 2], "more_body": True})
    _transport(request).close()  # after what is written has left
    await wait_for_disconnect(request)


def send_interim(request: Request, status: int) -> None:
    """Write two interim answers (RFC 9110, 15.2) before the final one; uvicorn need not know of them."""
    interim = f"HTTP/1.1 {status} Interim\r\nLink: </app.css>; rel=preload\r\n\r\n".encode()
    _transport(request).write(interim * 2)


def _transport(request: Request) -> asyncio.Transport:
    return cast("asyncio.Transport", request.state.transport)
