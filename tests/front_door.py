"""A relay with one generated source, and the invocations with which each AWS gateway calls `receive`."""

import base64
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from fakes import World
from push_relay.settings import DeliveryMode
from signers import FORM_BODY, Case
from sns_sender import TOPIC, URL, Request, certificates

#: The caller's address that API Gateway reports.
CALLER = "203.0.113.7"
#: The source's name. It is part of the URL that Twilio signs.
PLANTED = "planted"

type Invocation = dict[str, Any]
type Gateway = Callable[..., Invocation]


def _body(body: bytes, *, encoded: bool | None) -> dict[str, Any]:
    """Return a body as the gateways do: text unchanged, and other bytes than UTF-8 as base64."""
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError:
        text, encoded = "", True
    if encoded:
        return {"body": base64.b64encode(body).decode(), "isBase64Encoded": True}
    return {"body": text, "isBase64Encoded": False}


def _path(request: Request) -> str:
    return urlsplit(request.url).path


def _all_headers(request: Request) -> dict[str, str]:
    form = request.body.startswith(FORM_BODY[:5])
    content_type = "application/x-www-form-urlencoded" if form else "application/json"
    forwarded = {"host": urlsplit(request.url).netloc, "x-forwarded-for": "198.51.100.1, 10.0.0.1"}
    return {"content-type": content_type, **forwarded, "x-forwarded-proto": "https", **request.headers}


def api_gateway_v1(
    request: Request, *, method: str = "POST", caller: str = CALLER, encoded: bool | None = None
) -> Invocation:
    """Return the invocation by a REST API (payload 1.0). Its header names keep the sender's case."""
    headers = {name.title(): value for name, value in _all_headers(request).items()}
    path = _path(request)
    query = _query(request)
    return {
        "resource": "/webhooks/{source}",
        "path": path,
        "httpMethod": method,
        "headers": headers,
        "multiValueHeaders": {name: [value] for name, value in headers.items()},
        "queryStringParameters": query or None,
        "multiValueQueryStringParameters": {name: [value] for name, value in query.items()} or None,
        "pathParameters": {"source": path.rpartition("/")[2]},
        "requestContext": {
            "httpMethod": method,
            "path": path,
            "requestId": "req-1",
            "identity": {"sourceIp": caller},
        },
        **_body(request.body, encoded=encoded),
    }


def api_gateway_v2(
    request: Request, *, method: str = "POST", caller: str = CALLER, encoded: bool | None = None
) -> Invocation:
    """Return the invocation by an HTTP API (payload 2.0)."""
    given = function_url(request, method=method, caller=caller, encoded=encoded)
    named = {"source": _path(request).rpartition("/")[2]}
    return {**given, "routeKey": f"{method} /webhooks/{{source}}", "pathParameters": named}


def function_url(
    request: Request, *, method: str = "POST", caller: str = CALLER, encoded: bool | None = None
) -> Invocation:
    """Return the invocation by a function URL, which has no path parameters."""
    query = _query(request)
    return {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": _path(request),
        "rawQueryString": urlencode(query, errors="surrogatepass"),
        "headers": _all_headers(request),
        **({"queryStringParameters": query} if query else {}),
        "requestContext": {
            "http": {"method": method, "path": _path(request), "sourceIp": caller},
            "requestId": "req-1",
        },
        **_body(request.body, encoded=encoded),
    }


def _query(request: Request) -> dict[str, str]:
    """Return the URL's parameters. `query` overrides them, and the URL's own `token` is ignored."""
    pairs = parse_qsl(urlsplit(request.url).query, keep_blank_values=True)
    return {name: value for name, value in pairs if name != "token"} | dict(request.query)


GATEWAYS: tuple[Gateway, ...] = (api_gateway_v1, api_gateway_v2, function_url)


def request(
    body: bytes | Mapping[str, Any] | list[Any] = b"",
    headers: Mapping[str, str] | None = None,
    query: Mapping[str, str] | None = None,
    source: str = PLANTED,
) -> Request:
    """Return a request to a source."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    address = URL.partition("?")[0].replace(PLANTED, source)
    return Request(content, headers or {}, query or {}, address)


def toml_value(value: object) -> str:
    """Write a value of JSON as TOML, whose inline tables have another sign between key and value."""
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{json.dumps(name)} = {toml_value(item)}' for name, item in value.items())}}}"
    if isinstance(value, list):
        return f"[{', '.join(map(toml_value, value))}]"
    return json.dumps(value)


def world(
    directory: Path,
    verify: Mapping[str, Any] | None,
    *,
    event: str = "",
    top: str = "",
    policy: str = "",
    **more: Any,
) -> World:
    """Return a relay whose only source has this `[verify]` table. `event`, `top` and `policy` are TOML."""
    folder = directory / "sources" / PLANTED
    folder.mkdir(parents=True, exist_ok=True)
    lines = ['title = "Planted"', 'docs = "tests/front_door.py"', top]
    if verify is not None:
        lines += ["[verify]", *(f"{name} = {toml_value(value)}" for name, value in verify.items())]
    lines += ["[event]", event, "[[message]]", 'title = "Came"', 'body = "in"']
    (folder / "source.toml").write_text("\n".join(lines))
    (folder / "schema.json").write_text('{"type": "object"}')
    routes = directory / "relay.toml"
    route = f'[[route]]\nsource = "{PLANTED}"\nto = ["external:4711"]\n'
    routes.write_text(f"{route}\n[source.{PLANTED}]\n{policy}\n")
    return World(sources=directory / "sources", routes=routes, mode=DeliveryMode.QUEUE, **more)


def world_of(directory: Path, case: Case, **more: Any) -> World:
    """Return a relay whose only source has a case's scheme and secret."""
    options: dict[str, Any] = {}
    if case.verify["scheme"] == "sns-http":
        options = {"event": 'format = "sns"', "top": 'handshake = "sns"', "policy": f'topics = ["{TOPIC}"]'}
    if case.event:
        options = {"event": case.event}
    here = world(directory, case.verify, **{**options, **more})
    here.secrets.secrets = (case.secret,)
    here.sns.certificates = dict(certificates())
    return here
