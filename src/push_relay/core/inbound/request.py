"""Unwrap what API Gateway or a function URL hands over into one HTTP request.

Shapes: REST API (payload 1.0), HTTP API (payload 2.0) and function URL (2.0, no path parameters).
https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html
"""

import base64
import binascii
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from push_relay.core.errors import MalformedRequest, PayloadTooLarge
from push_relay.core.quick_dataclass import dataclass
from push_relay.core.strict_json import replace_half_pairs

#: Bytes of a body, as received and decompressed. A body that no queue message can hold, compressed, is
#: refused when it is queued.
MAX_BODY = 4 * 1024 * 1024
#: Bytes of a body, decompressed, of a source that is open to everybody: anybody may have it parsed.
MAX_OPEN_BODY = 1024 * 1024

#: Headers whose value follows an event through logs and answers.
CORRELATION_HEADERS = ("x-correlation-id", "x-request-id")

_CORRELATION = re.compile(r"[A-Za-z0-9._:/+=-]{1,128}")
_WEBHOOK_PATH = re.compile(r"(?:^|/)webhooks/([^/]+)/?$")


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """One HTTP request. Header names are lower-case; a repeated header's values are joined with `, `.

    url     as the sender called it, with its query string
    caller  the address that API Gateway vouches for, not the one in X-Forwarded-For
    """

    method: str
    path: str
    url: str
    source: str | None
    caller: str
    headers: Mapping[str, str]
    query: Mapping[str, str]
    body: bytes
    correlation_id: str


def is_http(invocation: Any) -> bool:
    """Return whether an invocation comes from API Gateway or a function URL."""
    if not isinstance(invocation, Mapping):
        return False
    context = invocation.get("requestContext")
    return isinstance(context, Mapping) and ("http" in context or "httpMethod" in invocation)


def unwrap(invocation: Mapping[str, Any]) -> HttpRequest:
    """Return the request of an API Gateway (1.0, 2.0) or function URL invocation.

    Raises MalformedRequest if the body contradicts the envelope's base64 flag, and PayloadTooLarge if it is
    larger than MAX_BODY.
    """
    context = _mapping(invocation.get("requestContext"))
    http = _mapping(context.get("http"))
    headers = _headers(invocation)
    path = _text(http.get("path")) or _text(invocation.get("rawPath")) or _text(invocation.get("path"))
    return HttpRequest(
        method=(_text(http.get("method")) or _text(invocation.get("httpMethod"))).upper(),
        path=path,
        url=_url(invocation, context, headers),
        source=_source(invocation, path),
        caller=_text(http.get("sourceIp")) or _text(_mapping(context.get("identity")).get("sourceIp")),
        headers=headers,
        query=_query(invocation),
        body=_body(invocation),
        correlation_id=_correlation_id(headers, _text(context.get("requestId"))),
    )


def _mapping(value: object) -> Mapping[str, Any]:
    # A dictionary is recognised ten times as fast by its type.
    return value if type(value) is dict or isinstance(value, Mapping) else {}


def _text(value: object) -> str:
    """Return a text that has UTF-8: an invocation is JSON, and can hold half of a surrogate pair."""
    if type(value) is not str:
        return ""
    return value if value.isascii() else replace_half_pairs(value)


def _headers(invocation: Mapping[str, Any]) -> Mapping[str, str]:
    """Join the values of repeated headers: payload 1.0 has them in lists, 2.0 has joined them already.

    Names that differ in case alone are one header, so that no two readers of it get different values.
    """
    lists = _mapping(invocation.get("multiValueHeaders"))
    if not lists:
        return {_text(k).lower(): _text(v) for k, v in _mapping(invocation.get("headers")).items()}
    values_by_name: dict[str, list[str]] = {}
    for name, values in lists.items():
        if isinstance(values, list):
            values_by_name.setdefault(_text(name).lower(), []).extend(_text(value) for value in values)
    return {name: ", ".join(values) for name, values in values_by_name.items()}


def _query(invocation: Mapping[str, Any]) -> Mapping[str, str]:
    """Join repeated parameters with a comma, as 2.0 has done already."""
    single = {_text(k): _text(v) for k, v in _mapping(invocation.get("queryStringParameters")).items()}
    lists = _mapping(invocation.get("multiValueQueryStringParameters"))
    return single | {
        _text(name): ",".join(_text(value) for value in values)
        for name, values in lists.items()
        if isinstance(values, list)
    }


def _url(invocation: Mapping[str, Any], context: Mapping[str, Any], headers: Mapping[str, str]) -> str:
    """Write the address as the sender called it: some schemes sign it.

    Payload 1.0 does not contain the query string, so it is composed again: same parameters, same order.
    """
    scheme = "http" if headers.get("x-forwarded-proto") == "http" else "https"
    host = headers.get("host") or _text(context.get("domainName"))
    path = _text(context.get("path")) or _text(invocation.get("rawPath")) or _text(invocation.get("path"))
    query = _text(invocation.get("rawQueryString"))
    if not isinstance(invocation.get("rawQueryString"), str):
        lists = _mapping(invocation.get("multiValueQueryStringParameters"))
        pairs = [(_text(k), _text(v)) for k, vs in lists.items() if isinstance(vs, list) for v in vs]
        query = urlencode(pairs)
    return f"{scheme}://{host}{path}{'?' if query else ''}{query}"


def _source(invocation: Mapping[str, Any], path: str) -> str | None:
    named = _mapping(invocation.get("pathParameters")).get("source")
    if isinstance(named, str):
        return named
    found = _WEBHOOK_PATH.search(path)
    return found[1] if found else None


def _body(invocation: Mapping[str, Any]) -> bytes:
    body = invocation.get("body")
    if body is None:
        return b""
    if not isinstance(body, str):
        raise MalformedRequest("the invocation's body is not a text")
    # Before decoding: neither form can shrink by more than a quarter.
    if len(body) > MAX_BODY * 4 // 3 + 4:
        raise _too_large()
    raw = _from_base64(body) if invocation.get("isBase64Encoded") is True else _from_text(body)
    if len(raw) > MAX_BODY:
        raise _too_large()
    return raw


def _from_base64(body: str) -> bytes:
    try:
        return base64.b64decode(body, validate=True)
    except (binascii.Error, ValueError):
        raise MalformedRequest("the body is flagged as base64 and is not") from None


def _from_text(body: str) -> bytes:
    try:
        return body.encode("utf-8")
    except UnicodeEncodeError:
        raise MalformedRequest("the body is not UTF-8") from None


def _too_large() -> PayloadTooLarge:
    return PayloadTooLarge(f"the body is larger than {MAX_BODY} bytes")


def _correlation_id(headers: Mapping[str, str], request_id: str) -> str:
    """Return the sender's correlation id where it is safe to log, else the gateway's request id."""
    for candidate in (*(headers.get(name, "") for name in CORRELATION_HEADERS), request_id):
        if _CORRELATION.fullmatch(candidate):
            return candidate
    return "-"
