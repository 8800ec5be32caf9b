"""A request that was sent to the recorder, and the answer of the local stack."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

#: The path that the recorder and the API have before the source's name.
WEBHOOKS = "/webhooks/"


@dataclass(frozen=True, slots=True, repr=False)
class Request:
    """One HTTP request as it was received. It has no repr, so that it cannot be logged.

    at       seconds since the epoch
    target   the path and the query, as they were sent
    headers  in their order; the names are lower-case, and may be repeated
    label    the example that it is, such as `github/issues-opened`; empty for another one
    """

    at: float
    method: str
    target: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    label: str = ""

    @property
    def path(self) -> str:
        """The path, without the query."""
        return self.target.partition("?")[0]

    @property
    def query(self) -> str:
        """The query, without its question mark."""
        return self.target.partition("?")[2]

    @property
    def source(self) -> str:
        """The name of the source that the path names; empty if it names none."""
        found, _, name = self.path.partition(WEBHOOKS)
        return "" if found or "/" in name.rstrip("/") else name.rstrip("/")

    @property
    def joined_headers(self) -> dict[str, str]:
        """The headers as an HTTP API hands them over: the values of a repeated one are joined."""
        return _joined(self.headers, ", ")

    def invocation(self, request_id: str) -> dict[str, Any]:
        """Return the invocation of `receive` that an HTTP API makes of it (payload 2.0)."""
        import base64

        pairs = parse_qsl(self.query, keep_blank_values=True)
        return {
            "version": "2.0",
            "rawPath": self.path,
            "rawQueryString": self.query,
            "headers": self.joined_headers,
            "queryStringParameters": _joined(tuple(pairs), ","),
            "pathParameters": {"source": self.source} if self.source else {},
            "requestContext": {
                "http": {"method": self.method, "path": self.path, "sourceIp": "127.0.0.1"},
                "requestId": request_id,
            },
            "body": base64.b64encode(self.body).decode() if self.body else None,
            "isBase64Encoded": True,
        }


@dataclass(frozen=True, slots=True, repr=False)
class Answer:
    """The local stack's answer to a request.

    headers  the names are as they were sent
    secs     how long it took
    """

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes
    secs: float

    def header(self, name: str) -> str:
        """Return a header's value; empty if there is none."""
        return next((value for key, value in self.headers if key.lower() == name), "")

    @property
    def correlation_id(self) -> str:
        """The id that follows the request's events; `-` if the relay has not answered."""
        return self.header("x-correlation-id") or "-"

    @property
    def problem(self) -> Mapping[str, Any]:
        """The problem detail (RFC 9457) of a refusal; empty for another body."""
        import json

        try:
            document = json.loads(self.body)
        except ValueError:
            return {}
        return document if isinstance(document, dict) else {}


def _joined(pairs: tuple[tuple[str, str], ...], separator: str) -> dict[str, str]:
    values: dict[str, list[str]] = {}
    for name, value in pairs:
        values.setdefault(name, []).append(value)
    return {name: separator.join(texts) for name, texts in values.items()}
