"""Call a sandbox in tests with the standard library only, so that nothing hides what is sent."""

import http.client
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit
from xml.sax.saxutils import escape

from sandbox import SandboxServer

COMPANY_ID = 4711
KEY = "planted-integration-key"
PUSH = {
    "Body": "The queue's alarm is on",
    "CompanyId": COMPANY_ID,
    "ExpirySecs": 3600,
    "IntegrationKey": KEY,
    "Sound": True,
    "Title": "Alarm",
    "UserEmail": "octo@example.com",
}
INSTANCE = 'xmlns:i="http://www.w3.org/2001/XMLSchema-instance"'
TIMEOUT_SECS = 10


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer. The names of its headers are in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The decoded body."""
        return json.loads(self.body)

    @property
    def error_code(self) -> str:
        """The envelope's ErrorCode, or an empty text."""
        return str(self.json["ResponseStatus"].get("ErrorCode", ""))


def json_push(**changes: object) -> bytes:
    """Return the sample push as JSON, with changes. A field that is changed to None is left out."""
    return json.dumps({k: v for k, v in {**PUSH, **changes}.items() if v is not None}).encode()


def xml_push(**changes: object) -> bytes:
    """Return the sample push as XML, in alphabetical order, with changes."""
    fields = {k: v for k, v in {**PUSH, **changes}.items() if v is not None}
    texts = {k: str(v).lower() if isinstance(v, bool) else escape(str(v)) for k, v in fields.items()}
    elements = "".join(f"<{name}>{texts[name]}</{name}>" for name in sorted(texts))
    return f"<Push {INSTANCE}>{elements}</Push>".encode()


@contextmanager
def connected(server: SandboxServer) -> Iterator[http.client.HTTPConnection]:
    """Yield a connection, and close it at the end."""
    connection = http.client.HTTPConnection(urlsplit(server.address).netloc, timeout=TIMEOUT_SECS)
    try:
        yield connection
    finally:
        connection.close()


def ask(
    server: SandboxServer,
    method: str,
    path: str,
    body: bytes | None = None,
    headers: dict[str, str] | None = None,
) -> Answer:
    """Make one request on a separate connection."""
    with connected(server) as connection:
        connection.request(method, path, body, headers or {})
        response = connection.getresponse()
        headers_ = {name.lower(): value for name, value in response.getheaders()}
        return Answer(response.status, headers_, response.read())


def ask_json(server: SandboxServer, method: str, path: str, content: object) -> Answer:
    """Make one request with a JSON body."""
    return ask(server, method, path, json.dumps(content).encode(), {"Content-Type": "application/json"})


def send_push(
    server: SandboxServer,
    body: bytes | None = None,
    *,
    content_type: str | None = "application/json",
    answer_format: str = "json",
    correlation_id: str | None = None,
) -> Answer:
    """Call the endpoint, by default with the sample push."""
    headers = {"Content-Type": content_type} if content_type else {}
    if correlation_id:
        headers["X-Correlation-Id"] = correlation_id
    body = json_push() if body is None else body
    return ask(server, "POST", f"/api/v2/push?format={answer_format}", body, headers)
