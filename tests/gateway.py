"""API Gateway as a WSGI application: it turns HTTP requests into invocations of the real handler.

It also signs requests, because schemathesis creates a body only when it sends it. A test that wants a signed
request writes SIGN_HERE in the place of the proof.
"""

import base64
from collections.abc import Callable, Iterable, Mapping
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl, quote

from fakes import World
from signers import NOW, Case

#: The placeholder for a proof that can be computed only when the body is known.
SIGN_HERE = "sign-here"


class Gateway:
    """Invokes `receive` with each request, and records the answers. `cases` has the signer of each source."""

    def __init__(self, world: World, cases: Mapping[str, Case]) -> None:
        self.world, self.cases = world, cases
        self.answers: list[tuple[str, str, int]] = []

    def __call__(
        self, environ: Mapping[str, Any], start_response: Callable[[str, list[tuple[str, str]]], Any]
    ) -> Iterable[bytes]:
        """Answer a request (PEP 3333)."""
        answer = self.world.receive(self._invocation(environ))
        status = HTTPStatus(answer["statusCode"])
        self.answers.append((environ["REQUEST_METHOD"], environ["PATH_INFO"], int(status)))
        start_response(f"{int(status)} {status.phrase}", list(answer["headers"].items()))
        return [answer["body"].encode()]

    def statuses(self, path: str) -> set[int]:
        """Return the statuses with which a path was answered."""
        return {status for _, asked, status in self.answers if asked == path}

    def _invocation(self, environ: Mapping[str, Any]) -> dict[str, Any]:
        path = quote(environ["PATH_INFO"].encode("latin-1"), safe="/:@!$&'()*+,;=~-._")
        headers = _headers(environ)
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        case = self.cases.get(path.rpartition("/")[2])
        if case and SIGN_HERE in "".join(headers.values()):
            signed = case.genuine(NOW, body=body)
            headers |= signed.headers
            body = signed.body
        query = environ.get("QUERY_STRING", "")
        return {
            "version": "2.0",
            "rawPath": path,
            "rawQueryString": query,
            "headers": headers,
            "queryStringParameters": _query(query),
            "requestContext": {
                "http": {"method": environ["REQUEST_METHOD"], "path": path, "sourceIp": "192.0.2.1"},
                "requestId": "req-1",
            },
            **_body(body),
        }


def _headers(environ: Mapping[str, Any]) -> dict[str, str]:
    named = {name[5:]: value for name, value in environ.items() if name.startswith("HTTP_")}
    named |= {name: environ[name] for name in ("CONTENT_TYPE", "CONTENT_LENGTH") if environ.get(name)}
    return {name.replace("_", "-").lower(): value for name, value in named.items()}


def _query(query: str) -> dict[str, str]:
    """Join repeated parameters by a comma, as payload 2.0 does."""
    joined: dict[str, str] = {}
    for name, value in parse_qsl(query, keep_blank_values=True, errors="replace"):
        joined[name] = f"{joined[name]},{value}" if name in joined else value
    return joined


def _body(body: bytes) -> dict[str, Any]:
    """Return a text body unchanged, and any other body as base64."""
    try:
        return {"body": body.decode("utf-8"), "isBase64Encoded": False}
    except UnicodeDecodeError:
        return {"body": base64.b64encode(body).decode(), "isBase64Encoded": True}
