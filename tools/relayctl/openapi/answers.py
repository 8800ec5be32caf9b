"""The relay's responses: a problem detail for every error, and the responses of success."""

from collections.abc import Iterator, Mapping
from http import HTTPStatus

from push_relay.core.errors import CODES, NotNow, RelayError, SchemaViolation
from push_relay.core.outcomes import DISPOSITIONS, Disposition, Outcome, verdict, verdict_of_code
from push_relay.core.rules.schema import MAX_VIOLATIONS
from push_relay.core.strict_json import JsonObject
from push_relay.entrypoints.http_endpoint import METHOD_NOT_ALLOWED, NOT_FOUND

PROBLEM = "application/problem+json"
JSON = "application/json"
TEXT = "text/plain"

_ID: JsonObject = {"type": "string", "pattern": "^[A-Za-z0-9._:/+=-]{1,128}$"}
_SOURCE: JsonObject = {"type": "string", "pattern": "^[a-z0-9-]{1,64}$"}
_CODES = sorted({*CODES, METHOD_NOT_ALLOWED, NOT_FOUND})
_OUTCOMES = [str(outcome) for outcome in Outcome]
_STORED_OUTCOMES = [
    str(Outcome.PARKED),
    *(str(o) for o, d in DISPOSITIONS.items() if d is Disposition.DEAD_LETTER),
]

#: The schemas of bodies, by component name. Source names are lower-case, so they cannot collide with these.
SCHEMAS: JsonObject = {
    "Health": {
        "type": "object",
        "required": ["status", "version"],
        "properties": {"status": {"const": "ok"}, "version": {"type": "string"}},
        "additionalProperties": False,
    },
    "Accepted": {
        "description": "The event is queued. In direct mode, at least one of its pushes is stored: for a"
        " later attempt, in a batch window, or in the dead-letter queue. The sender should not retry.",
        "type": "object",
        "required": ["status", "id", "source"],
        "properties": {
            "status": {"enum": ["accepted", *_STORED_OUTCOMES]},
            "id": {"$ref": "#/components/schemas/EventId"},
            "source": {"$ref": "#/components/schemas/SourceName"},
            "receipts": {"$ref": "#/components/schemas/Receipts"},
        },
        "additionalProperties": False,
    },
    "Delivered": {
        "description": "The outcomes of the event's pushes in direct mode. All of them are final.",
        "type": "object",
        "required": ["status", "id", "source", "receipts"],
        "properties": {
            "status": {"enum": [outcome for outcome in _OUTCOMES if outcome not in _STORED_OUTCOMES]},
            "id": {"$ref": "#/components/schemas/EventId"},
            "source": {"$ref": "#/components/schemas/SourceName"},
            "receipts": {"$ref": "#/components/schemas/Receipts"},
        },
        "additionalProperties": False,
    },
    "EventId": {"description": "The event's id in logs and responses.", **_ID},
    "SourceName": {"description": "The name of the source's folder.", **_SOURCE},
    "Receipts": {"type": "array", "minItems": 1, "items": {"$ref": "#/components/schemas/Receipt"}},
    "Receipt": {
        "description": "The outcome of one push.",
        "type": "object",
        "required": ["outcome"],
        "properties": {
            "outcome": {"enum": _OUTCOMES},
            "error_code": {"enum": sorted(CODES)},
            "detail": {"type": "string"},
        },
        "additionalProperties": False,
    },
    "Problem": {
        "description": "A problem detail (RFC 9457). The codes are stable. docs/errors.md lists what to do.",
        "type": "object",
        "required": ["type", "title", "status", "code"],
        "properties": {
            "type": {"type": "string", "pattern": "^urn:push-relay:error:[a-z_]+$"},
            "title": {"type": "string", "minLength": 1},
            "status": {"type": "integer", "minimum": 400, "maximum": 599},
            "code": {"enum": _CODES},
            "detail": {"type": "string", "minLength": 1},
            "errors": {
                "type": "array",
                "minItems": 1,
                "maxItems": MAX_VIOLATIONS,
                "items": {"$ref": "#/components/schemas/Violation"},
            },
            "id": {"$ref": "#/components/schemas/EventId"},
            "source": {"$ref": "#/components/schemas/SourceName"},
            "receipts": {"$ref": "#/components/schemas/Receipts"},
        },
        "additionalProperties": False,
    },
    "Violation": {
        "description": "One violation of the source's schema: its place (RFC 6901) and the schema's keyword.",
        "type": "object",
        "required": ["pointer", "rule"],
        "properties": {"pointer": {"type": "string", "pattern": "^(/.*)?$"}, "rule": {"type": "string"}},
        "additionalProperties": False,
    },
}

HEADERS: JsonObject = {
    "X-Correlation-Id": {
        "description": "The id that follows the event to the push: the sender's, or else the gateway's.",
        "required": True,
        "schema": {"type": "string", "pattern": "^[A-Za-z0-9._:/+=-]{1,128}$"},
    },
    "Cache-Control": {"required": True, "schema": {"const": "no-store"}},
    "Retry-After": {
        "description": "The number of seconds after which to retry.",
        "schema": {"type": "integer", "minimum": 1},
    },
    "WWW-Authenticate": {
        "description": "Only for sources with the scheme `basic`, because some senders send a password only "
        "after a challenge (RFC 9110, 11.6.1).",
        "schema": {"type": "string", "pattern": '^Basic realm="push-relay"'},
    },
    "Allow": {
        "required": True,
        "schema": {"enum": ["POST", "GET", "GET, POST", "HEAD, POST", "POST, OPTIONS"]},
    },
    "X-Content-Type-Options": {"schema": {"const": "nosniff"}},
    "WebHook-Allowed-Origin": {
        "required": True,
        "schema": {"type": "string", "pattern": "^[A-Za-z0-9.-]{1,253}$"},
    },
    "WebHook-Allowed-Rate": {"schema": {"type": "string", "pattern": "^[0-9]{1,9}$"}},
}


def problem_responses() -> JsonObject:
    """Return a response component for every status of an error: `Problem400` and so on."""
    statuses = sorted({verdict(error).status for error in CODES.values()})
    refused = [status for status in statuses if status >= HTTPStatus.BAD_REQUEST]
    return {f"Problem{status}": _problem(status, list(_codes(status))) for status in refused} | {
        "Problem405": _problem(HTTPStatus.METHOD_NOT_ALLOWED, [METHOD_NOT_ALLOWED]),
    }


def refusals(*errors: type[RelayError]) -> JsonObject:
    """Return references to the responses of an operation that can fail with the given errors, by status."""
    statuses = sorted({verdict(error).status for error in errors})
    return {
        str(status): {"$ref": f"#/components/responses/Problem{status}"}
        for status in statuses
        if status >= HTTPStatus.BAD_REQUEST
    }


def webhook_answers(handshake: Mapping[str, JsonObject]) -> JsonObject:
    """Return the responses to a webhook that was accepted, by status.

    `handshake`: the contents of the answers to the source's handshake by POST, by status.
    """
    content: JsonObject = {JSON: {"schema": {"$ref": "#/components/schemas/Delivered"}}}
    for media_type, answer in handshake.get("200", {}).items():
        schemas = [part["schema"] for part in (content.get(media_type), answer) if part]
        content[media_type] = {"schema": {"anyOf": schemas} if len(schemas) > 1 else schemas[0]}
    done = "Direct mode: the receipts of the event's pushes."
    return {
        "200": {
            "description": f"{done} Or the response to the sender's handshake." if handshake else done,
            "headers": headers("X-Correlation-Id", "Cache-Control", "X-Content-Type-Options"),
            "content": content,
        },
        "202": {
            "description": "The event is verified, valid and stored.",
            "headers": headers("X-Correlation-Id", "Cache-Control"),
            "content": {JSON: {"schema": {"$ref": "#/components/schemas/Accepted"}}},
        },
    } | {
        status: answer_to_question(status, answer) for status, answer in handshake.items() if status != "200"
    }


def answer_to_question(status: str, content: JsonObject) -> JsonObject:
    """Return the response to a handshake."""
    return {
        "description": f"The response to the sender's handshake, with status {status}.",
        "headers": headers("X-Correlation-Id", "Cache-Control", "X-Content-Type-Options"),
        **({"content": content} if content else {}),
    }


def headers(*names: str) -> JsonObject:
    """Return references to header components."""
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def _codes(status: int) -> Iterator[str]:
    """Yield the error codes that have a status."""
    return (code for code in sorted(CODES) if verdict_of_code(code).status == status)


def _problem(status: int, codes: list[str]) -> JsonObject:
    phrase = HTTPStatus(status).phrase
    titles = sorted({verdict_of_code(code).title if code in CODES else phrase for code in codes})
    about: JsonObject = {
        "type": {"enum": [f"urn:push-relay:error:{code}" for code in codes]},
        "title": {"enum": titles},
        "status": {"const": int(status)},
        "code": {"enum": codes},
    }
    required = ["code", "errors"] if SchemaViolation.code in codes else ["code"]
    schema = {"$ref": "#/components/schemas/Problem", "properties": about, "required": required}
    return {
        "description": f"{phrase}: {', '.join(f'`{code}`' for code in codes)}.",
        "headers": headers("X-Correlation-Id", "Cache-Control") | _more_headers(status, codes),
        "content": {PROBLEM: {"schema": schema}},
    }


def _more_headers(status: int, codes: list[str]) -> JsonObject:
    """Return the headers that only some errors have: Retry-After, WWW-Authenticate and Allow."""
    errors = [CODES[code] for code in codes if code in CODES]
    if status == HTTPStatus.UNAUTHORIZED:
        return headers("WWW-Authenticate")
    if status == HTTPStatus.METHOD_NOT_ALLOWED:
        return headers("Allow")
    if errors and all(issubclass(error, NotNow) for error in errors):
        return {"Retry-After": HEADERS["Retry-After"] | {"required": True}}
    return headers("Retry-After") if any(verdict(e).outcome is Outcome.PARKED for e in errors) else {}
