"""The JSON Schema of a line of `relayctl preview --json`. `make reference` writes it into docs/schemas/."""

from typing import Any, Final

from push_relay.core.outcomes import Outcome
from push_relay.core.push import RecipientKind
from relayctl.preview.result import STATUSES
from relayctl.preview.stand_ins import STEPS

type Schema = dict[str, Any]

FILE: Final = "preview.schema.json"
_TEXT: Final[Schema] = {"type": "string"}
_OPTIONAL_TEXT: Final[Schema] = {"type": ["string", "null"]}
_NUMBER: Final[Schema] = {"type": "integer", "minimum": 1}
_WORDING: Final[Schema] = {
    "title": {"type": "string", "minLength": 1},
    "body": {"type": "string", "minLength": 1},
    "sound": {"type": ["boolean", "null"]},
    "expiry_secs": {"type": ["integer", "null"]},
}


def build() -> Schema:
    """Return the schema. Every key is required, and there are no others."""
    answer = object_of(
        status={"type": "integer", "minimum": 100, "maximum": 599},
        headers={"type": "object", "additionalProperties": _TEXT},
        body=_TEXT,
    )
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A line of relayctl preview --json",
        "description": "docs/preview.md describes the keys.",
        **object_of(
            file=_TEXT,
            status={"enum": [str(status) for status in STATUSES]},
            answer={"anyOf": [{"type": "null"}, answer]},
            events={"type": "array", "items": _event()},
            verified={"type": ["boolean", "null"]},
            skipped={"type": "array", "items": {"enum": list(STEPS)}, "uniqueItems": True},
        ),
    }


def _event() -> Schema:
    kinds = "|".join(RecipientKind)
    return object_of(
        source=_OPTIONAL_TEXT,
        id=_OPTIONAL_TEXT,
        type=_OPTIONAL_TEXT,
        identity=_OPTIONAL_TEXT,
        outcome={"enum": [str(outcome) for outcome in Outcome]},
        error_code={"type": ["string", "null"], "pattern": "^[a-z_]+$"},
        detail=_OPTIONAL_TEXT,
        violations={"type": "array", "items": object_of(pointer=_TEXT, rule=_TEXT)},
        messages={"type": "array", "items": object_of(rule=_NUMBER, **_WORDING), "maxItems": 1},
        pushes={
            "type": "array",
            "items": object_of(
                account=_TEXT,
                to={"type": "string", "pattern": f"^(?:{kinds}):"},
                route=_NUMBER,
                **_WORDING,
            ),
        },
    )


def object_of(**properties: Schema) -> Schema:
    """Return the schema of an object: each of these keys is required, and there are no others."""
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }
