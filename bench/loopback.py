"""A server on 127.0.0.1 that answers any POST at once. The benchmark of an event's CPU time calls it.

It runs in its own process, so that its work is not measured. A call of the vendor is answered with `{}`,
which is a success. A call of DynamoDB is answered with the attribute that the day's count needs; no other
item exists.
"""

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager


def _answer_of(content: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (
        len(content),
        content,
    )


_VENDOR, _DYNAMODB = _answer_of(b"{}"), _answer_of(b'{"Attributes":{"calls":{"N":"1"}}}')


@contextmanager
def loopback() -> Iterator[int]:
    """Run the server until the end of the block, and return its port."""
    with subprocess.Popen([sys.executable, __file__], stdout=subprocess.PIPE, text=True) as process:
        try:
            if process.stdout is None:
                raise SystemExit("bench: the server has no output")
            yield int(process.stdout.readline())
        finally:
            process.terminate()


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while head := await reader.readuntil(b"\r\n\r\n"):
            lengths = (
                line.partition(b":")[2] for line in head.lower().split(b"\r\n") if b"content-length" in line
            )
            await reader.readexactly(int(next(lengths, b"0")))
            writer.write(_DYNAMODB if b"x-amz-target" in head.lower() else _VENDOR)
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    finally:
        writer.close()


async def _serve() -> None:
    server = await asyncio.start_server(_answer, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_serve())
