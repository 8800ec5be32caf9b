"""The whole document: the paths, and the components that they refer to."""

import json
import tomllib
from collections.abc import Collection
from pathlib import Path

from push_relay import __version__
from push_relay.adapters.catalog import Catalog, read_source_folder
from push_relay.core.errors import (
    CODES,
    AddressNotAllowed,
    CredentialsUnavailable,
    HandshakeNotFound,
    HandshakeRefused,
    MalformedRequest,
    PayloadTooLarge,
    RelayError,
    UnknownSource,
)
from push_relay.core.rules.source import Source
from push_relay.core.strict_json import JsonObject
from push_relay.core.trust.handshakes.row import Row
from relayctl.openapi.answers import (
    HEADERS,
    JSON,
    SCHEMAS,
    TEXT,
    answer_to_question,
    headers,
    problem_responses,
    refusals,
    rejected,
    webhook_answers,
)
from relayctl.openapi.bodies import component, parameters, request_body
from relayctl.openapi.handshakes import content, contents, question_parameters, rows_of
from relayctl.openapi.proofs import describe_scheme, security_schemes

_ABOUT = """\
Webhooks in, push notifications out. Every source that accepts webhooks has a path. A deployment may have
other sources. `make openapi` generates this document from the code and the source folders; the relay does not
serve it.

API Gateway may refuse a request before it reaches the relay, with a body of its own: 413 for more than 10 MB,
429 if
requests are throttled, or 503."""
#: The errors with which any request can fail.
_UNREADABLE = (MalformedRequest, PayloadTooLarge, RelayError)
_CORRELATION: JsonObject = {
    "name": "X-Correlation-Id",
    "in": "header",
    "description": "The sender's own id for the request, which logs and responses show. A value that is not "
    "a valid id is ignored.",
    "schema": {"type": "string"},
}


_PATH = "/webhooks/"


def build(directory: Path, only: Collection[str] | None = None) -> JsonObject:
    """Return the document for the source folders in a directory, or only for those that `only` names.

    Raises ConfigurationInvalid.
    """
    names = [name for name in Catalog(directory).names() if only is None or name in only]
    sources = [source for name in names if (source := read_source_folder(directory / name)).verify]
    # They were read before, so they are valid.
    tables = {s.name: tomllib.loads((directory / s.name / "source.toml").read_text("utf-8")) for s in sources}
    schemas = {s.name: json.loads((directory / s.name / "schema.json").read_bytes()) for s in sources}
    proofs = {s.name: security_schemes(s, tables[s.name]["verify"]) for s in sources}
    return {
        "openapi": "3.1.0",
        "info": {"title": "Push Relay", "version": __version__, "description": _ABOUT},
        "servers": [{"url": "/"}],
        "paths": {
            "/health": {"get": _health()},
            **{
                f"{_PATH}{s.name}": _path(s, schemas[s.name], [list(each) for each in proofs[s.name]])
                for s in sources
            },
        },
        "components": {
            "schemas": SCHEMAS | {s.name: component(s.name, schemas[s.name]) for s in sources},
            "responses": problem_responses(),
            "headers": HEADERS,
            "parameters": {"X-Correlation-Id": _CORRELATION},
            "securitySchemes": {
                name: scheme for found in proofs.values() for each in found for name, scheme in each.items()
            },
        },
    }


def to_json(document: JsonObject) -> str:
    """Return the file's text. The same code and folders give the same text."""
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def source_names(document: JsonObject) -> list[str]:
    """Return the names of the sources that a document describes."""
    return [path.removeprefix(_PATH) for path in document.get("paths", {}) if path.startswith(_PATH)]


def _health() -> JsonObject:
    return {
        "operationId": "health",
        "summary": "Check that the relay answers",
        "security": [],
        "parameters": [{"$ref": "#/components/parameters/X-Correlation-Id"}],
        "responses": {
            "200": {
                "description": "The relay answers.",
                "headers": headers("X-Correlation-Id", "Cache-Control"),
                "content": {JSON: {"schema": {"$ref": "#/components/schemas/Health"}}},
            },
            **refusals(*_UNREADABLE),
        },
    }


def _path(source: Source, schema: JsonObject, proofs: list[list[str]]) -> JsonObject:
    common = [{"$ref": "#/components/parameters/X-Correlation-Id"}]
    path: JsonObject = {
        "post": {
            "operationId": f"receive-{source.name}",
            "summary": source.title,
            "description": _description(source, is_in_body=not proofs),
            "security": [{name: [] for name in proof} for proof in proofs],
            "parameters": common + parameters(source, schema),
            "requestBody": request_body(source),
            "responses": webhook_answers(contents(source), source.answer)
            | refusals(*CODES.values())
            | rejected(source.answer),
        }
    }
    if source.docs.startswith("https://"):
        path["post"]["externalDocs"] = {"url": source.docs}
    if source.handshake == "cloudevents":
        path["options"] = _preflight(source)
    for row in rows_of(source, "GET", "HEAD"):
        path[row.method.lower()] = _question(source, row)
    return path


def _question(source: Source, row: Row) -> JsonObject:
    """Return the operation by which a sender asks whether the URL is right."""
    errors = (*_UNREADABLE, UnknownSource, AddressNotAllowed, HandshakeRefused, CredentialsUnavailable)
    return {
        "operationId": f"{row.method.lower()}-{source.name}",
        "summary": f"{source.title}: the handshake `{source.handshake}`",
        "security": [],
        "parameters": [
            {"$ref": "#/components/parameters/X-Correlation-Id"},
            *question_parameters(row),
        ],
        "responses": {
            str(row.status): answer_to_question(str(row.status), content(row)),
            **refusals(*errors, HandshakeNotFound),
        },
    }


def _description(source: Source, *, is_in_body: bool) -> str:
    handshake = f" The relay answers the handshake `{source.handshake}`." if source.handshake else ""
    place = " The proof is in the body." if is_in_body else ""
    if source.open_to_all:
        place = " Anybody may send, if the deployer's configuration allows it too."
    return f"Verified by the {describe_scheme(source)}{place}{handshake}"


def _preflight(source: Source) -> JsonObject:
    """Return the operation of CloudEvents' abuse protection: a sender asks for permission to send."""
    allowed = headers("WebHook-Allowed-Origin", "WebHook-Allowed-Rate", "Allow", "X-Content-Type-Options")
    request_headers: list[JsonObject] = [
        {
            "name": "WebHook-Request-Origin",
            "in": "header",
            "required": True,
            "schema": {"type": "string", "pattern": "^[A-Za-z0-9.-]{1,253}$"},
        },
        {
            "name": "WebHook-Request-Rate",
            "in": "header",
            "description": "Requests per minute. A value that is not a number is ignored.",
            "schema": {"type": "string"},
        },
    ]
    return {
        "operationId": f"ask-{source.name}",
        "summary": f"{source.title}: ask for permission to send",
        "description": "https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/http-webhook.md",
        "security": [],
        "parameters": [{"$ref": "#/components/parameters/X-Correlation-Id"}, *request_headers],
        "responses": {
            "200": {
                "description": "The sender may send.",
                "headers": headers("X-Correlation-Id", "Cache-Control") | allowed,
                "content": {TEXT: {"schema": {"type": "string", "maxLength": 0}}},
            },
            "405": {"$ref": "#/components/responses/Problem405"},
            **refusals(*_UNREADABLE, UnknownSource, AddressNotAllowed),
        },
    }
