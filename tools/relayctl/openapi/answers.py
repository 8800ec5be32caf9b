"""The relay's responses: a problem detail for every error, and the responses of success."""

from collections.abc import Iterator, Mapping, Sequence
from http import HTTPStatus

from push_relay.core.errors import CODES, NotNow, RelayError, SchemaViolation
from push_relay.core.inbound.items import MAX_ITEMS
from push_relay.core.outcomes import DISPOSITIONS, Disposition, Outcome, verdict, verdict_of_code
from push_relay.core.rules.answer import NO_ANSWER, FixedAnswer
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
    "Events": {
        "description": "The outcome of each event of a request with several events, in their order. The "
        "events that are accepted are stored. One that is rejected does not affect the others; if none is "
        "accepted, the request is refused.",
        "type": "object",
        "required": ["status", "source", "events"],
        "properties": {
            "status": {"enum": ["accepted", "empty", *_OUTCOMES]},
            "source": {"$ref": "#/components/schemas/SourceName"},
            "events": {"$ref": "#/components/schemas/EventOutcomes"},
        },
        "additionalProperties": False,
    },
    "EventOutcomes": {
        "type": "array",
        "maxItems": MAX_ITEMS,
        "items": {"$ref": "#/components/schemas/EventOutcome"},
    },
    "EventOutcome": {
        "type": "object",
        "required": ["id", "status"],
        "properties": {
            "id": {"$ref": "#/components/schemas/EventId"},
            "status": {"enum": ["accepted", *_OUTCOMES]},
            "code": {"enum": sorted(CODES)},
            "detail": {"type": "string", "minLength": 1},
            "errors": {"$ref": "#/components/schemas/Violations"},
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
            "errors": {"$ref": "#/components/schemas/Violations"},
            "events": {"$ref": "#/components/schemas/EventOutcomes"},
            "id": {"$ref": "#/components/schemas/EventId"},
            "source": {"$ref": "#/components/schemas/SourceName"},
            "receipts": {"$ref": "#/components/schemas/Receipts"},
        },
        "additionalProperties": False,
    },
    "Violations": {
        "type": "array",
        "minItems": 1,
        "maxItems": MAX_VIOLATIONS,
        "items": {"$ref": "#/components/schemas/Violation"},
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


def webhook_answers(handshake: Mapping[str, JsonObject], answer: FixedAnswer = NO_ANSWER) -> JsonObject:
    """Return the responses to a webhook that was accepted, by status.

    handshake  the contents of the answers to the source's handshake by POST, by status
    answer     the source's own answer
    """
    names = ("Delivered", "Events") if answer.status is None else ()
    content: JsonObject = {JSON: {"schema": _any_of(names)}} if names else {}
    questions = {
        status: answer_to_question(status, given) for status, given in handshake.items() if status != "200"
    }
    for media_type, given in handshake.get("200", {}).items():
        schemas = [part["schema"] for part in (content.get(media_type), given) if part]
        content[media_type] = {"schema": {"anyOf": schemas} if len(schemas) > 1 else schemas[0]}
    if answer.status is not None:
        return questions | _fixed(answer, content)
    done = "Direct mode: the receipts of the events' pushes. Or the request has no event."
    return {
        "200": {
            "description": f"{done} Or the response to the sender's handshake." if handshake else done,
            "headers": headers("X-Correlation-Id", "Cache-Control", "X-Content-Type-Options"),
            "content": content,
        },
        "202": {
            "description": "The events are verified and stored. Those that are not valid are listed.",
            "headers": headers("X-Correlation-Id", "Cache-Control"),
            "content": {JSON: {"schema": _any_of(("Accepted", "Events"))}},
        },
    } | questions


def answer_to_question(status: str, content: JsonObject) -> JsonObject:
    """Return the response to a handshake."""
    return {
        "description": f"The response to the sender's handshake, with status {status}.",
        "headers": headers("X-Correlation-Id", "Cache-Control", "X-Content-Type-Options"),
        **({"content": content} if content else {}),
    }


def _any_of(names: Sequence[str]) -> JsonObject:
    return {"anyOf": [{"$ref": f"#/components/schemas/{name}"} for name in names]}


def _fixed(answer: FixedAnswer, handshake_content: JsonObject) -> JsonObject:
    """Return the responses of a source with an answer of its own."""
    given = headers("X-Correlation-Id", "Cache-Control", "X-Content-Type-Options")
    own = {answer.content_type.partition(";")[0]: {"schema": {"const": answer.body}}} if answer.body else {}
    accepted = {"description": "The events are verified and stored.", "headers": given}
    responses: JsonObject = {str(answer.status): accepted | ({"content": own} if own else {})}
    if handshake_content:
        handshake = {"description": "The response to the sender's handshake.", "headers": given}
        known = responses.get("200", handshake)
        content = {**known.get("content", {}), **handshake_content}
        responses["200"] = {**known, "content": content}
    return responses


def rejected(answer: FixedAnswer) -> JsonObject:
    """Return the response of a source with a status of its own for what is refused permanently."""
    if answer.rejected_status is None:
        return {}
    response = {
        "description": "The request is refused permanently, although its proof fits.",
        "headers": headers("X-Correlation-Id", "Cache-Control"),
        "content": {PROBLEM: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }
    return {str(answer.rejected_status): response}


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
