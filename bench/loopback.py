"""A server on 127.0.0.1 that answers any POST at once. The benchmark of an event's CPU time calls it.

It runs in its own process, so that its work is not measured. A call of the vendor is answered with `{}`,
which is a success. An update in DynamoDB is answered with the attributes that it sets and with a count of the
day's calls; no other item exists.
"""

import asyncio
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager


def _answer_of(content: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (
        len(content),
        content,
    )


def _dynamodb_answer(body: bytes) -> bytes:
    """Return the answer to an update: the attributes that it sets, as if it had made the item."""
    request = json.loads(body)
    names, values = (request.get(f"ExpressionAttribute{part}", {}) for part in ("Names", "Values"))
    assignments = _ASSIGNMENT.findall(request.get("UpdateExpression", ""))
    attributes = {names.get(name, name): values[value] for name, value in assignments}
    return _answer_of(json.dumps({"Attributes": attributes | {"calls": {"N": "1"}}}).encode())


_VENDOR_ANSWER = _answer_of(b"{}")
_ASSIGNMENT = re.compile(r"([#\w]+) = (:\w+)")


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
            body = await reader.readexactly(int(next(lengths, b"0")))
            is_dynamodb = b"x-amz-target" in head.lower()
            writer.write(_dynamodb_answer(body) if is_dynamodb else _VENDOR_ANSWER)
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
