"""A server on 127.0.0.1 that answers any POST at once, in place of the vendor and of DynamoDB.

It runs in its own process, so that its work is not measured. A call of the vendor is answered with `{}`,
which is a success. An update of DynamoDB is answered as if there had been no item before, and a read as if
there were no item. Secrets Manager has two secrets.
"""

import asyncio
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

SECRET = "bench-signing-secret"  # noqa: S105 (it signs the benchmark's own events)
#: The ARNs of the two secrets.
SIGNING_SECRETS, PUSH_CREDENTIALS = "bench-signing", "bench-push"
_SECRETS = {
    SIGNING_SECRETS: json.dumps({"github": SECRET}),
    PUSH_CREDENTIALS: json.dumps({"CompanyId": 4711, "IntegrationKey": "bench"}),
}
_SET_OR_ADDED = re.compile(r"([#\w]+) (?:= )?(:\w+)")


def _answer_of(content: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (
        len(content),
        content,
    )


def _aws(body: bytes) -> bytes:
    """Return the answer to a call of AWS: a secret, or the attributes that an update sets, or adds to 0."""
    call = json.loads(body)
    if secret := _SECRETS.get(call.get("SecretId")):
        return _answer_of(json.dumps({"SecretString": secret}).encode())
    names, values = call.get("ExpressionAttributeNames", {}), call.get("ExpressionAttributeValues", {})
    found = _SET_OR_ADDED.findall(call.get("UpdateExpression", ""))
    attributes = {names.get(name, name): values[value] for name, value in found}
    return _answer_of(json.dumps({"Attributes": attributes} if attributes else {}).encode())


_VENDOR = _answer_of(b"{}")


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
            writer.write(_aws(body) if b"x-amz-target" in head.lower() else _VENDOR)
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
