"""A server on 127.0.0.1 that answers any call at once, in place of the vendor and of AWS.

It runs in its own process, so that its work is not measured, and offers TLS. A call of the vendor is answered
with `{}`, which is a success. An update of DynamoDB is answered as if there had been no item before, and a
read as if there were no item. SQS takes every message. Secrets Manager has two secrets.

    python loopback.py CERTIFICATE

CERTIFICATE is a file with the certificate and its key. The program prints its port.
"""

import asyncio
import json
import re
import ssl
import subprocess
import sys
import urllib.request
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import md5
from pathlib import Path
from typing import Any, Final

from pace_numbers import read_units, write_units

SECRET: Final = "bench-signing-secret"  # noqa: S105 (it signs the benchmark's own events)
#: The ARNs of the two secrets.
SIGNING_SECRETS, PUSH_CREDENTIALS = "bench-signing", "bench-push"
#: The name under which the calls of the vendor are counted.
VENDOR: Final = "vendor"
_SECRETS: Final = {
    SIGNING_SECRETS: json.dumps({"github": SECRET}),
    PUSH_CREDENTIALS: json.dumps({"CompanyId": 4711, "IntegrationKey": "bench"}),
}
_SET_OR_ADDED: Final = re.compile(r"([#\w]+) (?:= )?(:\w+)")
_COUNTS_PATH: Final = "/counts"


@dataclass(frozen=True, slots=True)
class Loopback:
    """A running server. `authority`: the file of the certificate of its authority."""

    port: int
    authority: Path

    @property
    def address(self) -> str:
        """The base URL."""
        return f"https://127.0.0.1:{self.port}"

    def counts(self) -> dict[str, dict[str, float]]:
        """Return the calls, bytes, write units and read units since the start, by the call's name."""
        context = ssl.create_default_context(cafile=str(self.authority))
        with urllib.request.urlopen(self.address + _COUNTS_PATH, context=context) as answer:  # noqa: S310
            found: dict[str, dict[str, float]] = json.loads(answer.read())
            return found


@contextmanager
def loopback(authority: Path, certificate: Path) -> Iterator[Loopback]:
    """Run the server until the end of the block."""
    command = [sys.executable, __file__, str(certificate)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            if process.stdout is None:
                raise SystemExit("bench: the server has no output")
            yield Loopback(int(process.stdout.readline()), authority)
        finally:
            process.terminate()


def _answer_of(content: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (
        len(content),
        content,
    )


def _aws(name: str, call: dict[str, Any]) -> dict[str, Any]:
    """Return the answer to a call of AWS."""
    match name:
        case "GetSecretValue":
            return {"Name": call["SecretId"], "SecretString": _SECRETS[call["SecretId"]]}
        case "SendMessage":
            return {"MessageId": "bench", "MD5OfMessageBody": _md5(call["MessageBody"])}
        case "SendMessageBatch":
            entries = call["Entries"]
            taken = [
                {"Id": each["Id"], "MessageId": "bench", "MD5OfMessageBody": _md5(each["MessageBody"])}
                for each in entries
            ]
            return {"Successful": taken, "Failed": []}
        case "BatchWriteItem" | "Query":
            return {"UnprocessedItems": {}, "Items": [], "Count": 0, "ScannedCount": 0}
        case "BatchExecuteStatement":
            return {"Responses": [{"TableName": "bench"} for _ in call["Statements"]]}
        case _:
            return _updated(call)


def _updated(call: dict[str, Any]) -> dict[str, Any]:
    """Return the attributes that an update sets, or adds to 0."""
    names, values = call.get("ExpressionAttributeNames", {}), call.get("ExpressionAttributeValues", {})
    found = _SET_OR_ADDED.findall(call.get("UpdateExpression", ""))
    attributes = {names.get(name, name): values[value] for name, value in found if value in values}
    return {"Attributes": attributes} if attributes else {}


def _md5(text: str) -> str:
    return md5(text.encode(), usedforsecurity=False).hexdigest()


_VENDOR_ANSWER: Final = _answer_of(b"{}")
_counts: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))


def _count(name: str, call: dict[str, Any], size: int) -> None:
    counted = _counts[name]
    counted["calls"] += 1
    counted["bytes"] += size
    counted["write_units"] += write_units(name, call)
    counted["read_units"] += read_units(name, call)


def _reply(head: bytes, body: bytes) -> bytes:
    if head.startswith(b"GET " + _COUNTS_PATH.encode()):
        return _answer_of(json.dumps(_counts).encode())
    target = re.search(rb"(?i)x-amz-target: *([\w.]+)", head)
    if target is None:
        _count(VENDOR, {}, len(head) + len(body))
        return _VENDOR_ANSWER
    name, call = target[1].decode().rpartition(".")[2], json.loads(body)
    _count(name, call, len(head) + len(body))
    return _answer_of(json.dumps(_aws(name, call)).encode())


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while head := await reader.readuntil(b"\r\n\r\n"):
            length = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
            body = await reader.readexactly(int(length[1]) if length else 0)
            writer.write(_reply(head, body))
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    finally:
        writer.close()


async def _serve(certificate: str) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    server = await asyncio.start_server(_answer, "127.0.0.1", 0, ssl=context)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_serve(sys.argv[1]))
