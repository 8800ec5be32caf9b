"""The signed webhooks of the plan's requests, in the form of a function URL."""

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from typing import Any

from chaos.plan import Kind, Planned, Request, Way, github_document, github_event, push_document

#: The source to which each way's webhooks are sent.
_SOURCE_OF = {
    Way.PUSH: "push",
    Way.DIRECT: "push",
    Way.GITHUB: "github",
    Way.LIST: "list",
    Way.LIST_DIRECT: "list",
    Way.EACH: "each",
    Way.LINES: "lines",
}


def webhook(request: Request, now: float, secrets: Mapping[str, str]) -> dict[str, Any]:
    """Return a request's webhook. Each attempt has the same body. `now`: seconds since the epoch."""
    source, body = _SOURCE_OF[request.way], _body(request).encode()
    path = f"/webhooks/{source}"
    return {
        "version": "2.0",
        "rawPath": path,
        "headers": {"content-type": "application/json", **_proof(request, body, now, secrets[source])},
        "requestContext": {"http": {"method": "POST", "path": path}, "requestId": request.id},
        "body": body.decode(),
        "isBase64Encoded": False,
    }


def _body(request: Request) -> str:
    match request.way:
        case Way.GITHUB:
            return json.dumps(github_document(request.events[0]))
        case Way.LIST | Way.LIST_DIRECT:
            return json.dumps([push_document(event) for event in request.events])
        case Way.EACH:
            return json.dumps({"events": [push_document(event) for event in request.events]})
        case Way.LINES:
            return "\n".join(_line(event) for event in request.events)
        case _:
            return json.dumps(push_document(request.events[0]))


def _line(event: Planned) -> str:
    """Return an event's line. A broken one is not JSON, or two readers could understand it differently."""
    line = json.dumps(push_document(event))
    if event.kind is not Kind.BROKEN:
        return line
    if int(event.marker[1:]) % 2:
        return line[:-1]
    return f'{line[:-1]}, "Title": "one", "Title": "{event.marker} plain"}}'


def _proof(request: Request, body: bytes, now: float, secret: str) -> dict[str, str]:
    """Return the headers with the sender's proof, which is wrong if the request is forged."""
    match request.way:
        case Way.GITHUB | Way.EACH:
            return _github(request, body, secret)
        case Way.LINES:
            token = secret[::-1] if request.is_forged else secret
            return {"content-type": "application/x-ndjson", "x-token": token}
        case _:
            return _standard_webhooks(request, body, now, secret)


def _standard_webhooks(request: Request, body: bytes, now: float, secret: str) -> dict[str, str]:
    timestamp = str(int(now))
    key = base64.b64decode(secret.removeprefix("whsec_"))
    key = key[::-1] if request.is_forged else key
    mac = hmac.digest(key, f"{request.id}.{timestamp}.".encode() + body, "sha256")
    signature = f"v1,{base64.b64encode(mac).decode()}"
    return {
        "webhook-id": request.id,
        "webhook-timestamp": timestamp,
        "webhook-signature": signature,
    }


def _github(request: Request, body: bytes, secret: str) -> dict[str, str]:
    secret = secret[::-1] if request.is_forged else secret
    signature = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    return {
        "x-github-delivery": request.id,
        "x-github-event": github_event(request.events[0]),
        "x-hub-signature-256": f"sha256={signature}",
    }
