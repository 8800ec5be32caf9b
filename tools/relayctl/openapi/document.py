"""Put the document together: the paths, and the components that they refer to."""

import json
import tomllib
from collections.abc import Collection
from pathlib import Path

from push_relay import __version__
from push_relay.adapters.catalog import Catalog, read_source_folder
from push_relay.core.errors import (
    CODES,
    AddressNotAllowed,
    MalformedRequest,
    PayloadTooLarge,
    RelayError,
    UnknownSource,
)
from push_relay.core.rules.source import Source
from push_relay.core.strict_json import JsonObject
from relayctl.openapi.answers import (
    HEADERS,
    JSON,
    SCHEMAS,
    TEXT,
    headers,
    problem_responses,
    refusals,
    webhook_answers,
)
from relayctl.openapi.bodies import component, parameters, request_body
from relayctl.openapi.proofs import described, security

_ABOUT = """\
Webhooks in, push notifications out. Every source of the relay that takes webhooks has a path; a deployment
may have more, or fewer. Made by `make openapi` of the code and the source folders; served nowhere.

API Gateway may refuse in its own words before the relay is asked: 413 past 10 MB, 429 when throttled, 503."""
#: What any request can end in.
_UNREADABLE = (MalformedRequest, PayloadTooLarge, RelayError)
_CORRELATION: JsonObject = {
    "name": "X-Correlation-Id",
    "in": "header",
    "description": "Yours, to follow the event by; one that does not look like an id is passed over.",
    "schema": {"type": "string"},
}


_PATH = "/webhooks/"


def build(directory: Path, only: Collection[str] | None = None) -> JsonObject:
    """Return the document of the source folders in a directory, or of those that `only` names.

    Raises ConfigurationInvalid.
    """
    names = [name for name in Catalog(directory).names() if only is None or name in only]
    sources = [source for name in names if (source := read_source_folder(directory / name)).verify]
    # Read well-formed a moment ago.
    tables = {s.name: tomllib.loads((directory / s.name / "source.toml").read_text("utf-8")) for s in sources}
    schemas = {s.name: json.loads((directory / s.name / "schema.json").read_bytes()) for s in sources}
    proofs = {s.name: security(s, tables[s.name]["verify"]) for s in sources}
    return {
        "openapi": "3.1.0",
        "info": {"title": "Push Relay", "version": __version__, "description": _ABOUT},
        "servers": [{"url": "/"}],
        "paths": {
            "/health": {"get": _health()},
            **{f"{_PATH}{s.name}": _path(s, schemas[s.name], list(proofs[s.name])) for s in sources},
        },
        "components": {
            "schemas": SCHEMAS | {s.name: component(s.name, schemas[s.name]) for s in sources},
            "responses": problem_responses(),
            "headers": HEADERS,
            "parameters": {"X-Correlation-Id": _CORRELATION},
            "securitySchemes": {name: scheme for found in proofs.values() for name, scheme in found.items()},
        },
    }


def written(document: JsonObject) -> str:
    """Return the document as the file holds it: the same text for the same code and folders."""
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def named(document: JsonObject) -> list[str]:
    """Return the names of the sources that a document describes."""
    return [path.removeprefix(_PATH) for path in document.get("paths", {}) if path.startswith(_PATH)]


def _health() -> JsonObject:
    return {
        "operationId": "health",
        "summary": "Whether the relay answers",
        "security": [],
        "parameters": [{"$ref": "#/components/parameters/X-Correlation-Id"}],
        "responses": {
            "200": {
                "description": "It does.",
                "headers": headers("X-Correlation-Id", "Cache-Control"),
                "content": {JSON: {"schema": {"$ref": "#/components/schemas/Health"}}},
            },
            **refusals(*_UNREADABLE),
        },
    }


def _path(source: Source, schema: JsonObject, proof: list[str]) -> JsonObject:
    common = [{"$ref": "#/components/parameters/X-Correlation-Id"}]
    path: JsonObject = {
        "post": {
            "operationId": f"receive-{source.name}",
            "summary": source.title,
            "description": _told(source, proof),
            "security": [{name: [] for name in proof}] if proof else [],
            "parameters": common + parameters(source, schema),
            "requestBody": request_body(source),
            "responses": webhook_answers(source.handshake) | refusals(*CODES.values()),
        }
    }
    if source.docs.startswith("https://"):
        path["post"]["externalDocs"] = {"url": source.docs}
    if source.handshake == "cloudevents":
        path["options"] = _preflight(source)
    return path


def _told(source: Source, proof: list[str]) -> str:
    handshake = f" Answers the handshake `{source.handshake}`." if source.handshake else ""
    where = "" if proof else " The proof stands in the body."
    if source.open_to_all:
        where = " Open to everybody, where the deployer's configuration says so too."
    return f"Proved by {described(source)}{where}{handshake}"


def _preflight(source: Source) -> JsonObject:
    """Return CloudEvents' abuse protection: the sender asks whether it may send."""
    allowed = headers("WebHook-Allowed-Origin", "WebHook-Allowed-Rate", "Allow", "X-Content-Type-Options")
    asked: list[JsonObject] = [
        {
            "name": "WebHook-Request-Origin",
            "in": "header",
            "required": True,
            "schema": {"type": "string", "pattern": "^[A-Za-z0-9.-]{1,253}$"},
        },
        {
            "name": "WebHook-Request-Rate",
            "in": "header",
            "description": "Requests in a minute; what is no number is passed over.",
            "schema": {"type": "string"},
        },
    ]
    return {
        "operationId": f"ask-{source.name}",
        "summary": f"{source.title}: may I send?",
        "description": "https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/http-webhook.md",
        "security": [],
        "parameters": [{"$ref": "#/components/parameters/X-Correlation-Id"}, *asked],
        "responses": {
            "200": {
                "description": "You may.",
                "headers": headers("X-Correlation-Id", "Cache-Control") | allowed,
                "content": {TEXT: {"schema": {"type": "string", "maxLength": 0}}},
            },
            "405": {"$ref": "#/components/responses/Problem405"},
            **refusals(*_UNREADABLE, UnknownSource, AddressNotAllowed),
        },
    }
