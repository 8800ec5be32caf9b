"""The JSON Schema of a line of `relayctl send`, `tail` and `why` with `--json`.

`make reference` writes it into docs/schemas/.
"""

from typing import Final

from push_relay.core.outcomes import Outcome
from relayctl.preview.schema import Schema, object_of
from relayctl.receipts.json_line import SENT, VERDICT
from relayctl.receipts.line import FUNCTIONS, LineKind
from relayctl.receipts.story import Waiting

FILE: Final = "following.schema.json"
_TEXT: Final[Schema] = {"type": "string"}
_OPTIONAL_TEXT: Final[Schema] = {"type": ["string", "null"]}
_TEXTS: Final[Schema] = {"type": "array", "items": _TEXT}
_TIME: Final[Schema] = {"type": "string", "format": "date-time"}
_OPTIONAL_TIME: Final[Schema] = {"type": ["string", "null"], "format": "date-time"}
_CODE: Final[Schema] = {"type": ["string", "null"], "pattern": "^[a-z_]+$"}


def build() -> Schema:
    """Return the schema. Every key of an object is required, and there are no others."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A line of relayctl send, tail or why with --json",
        "description": "docs/following-events.md describes the keys.",
        "oneOf": [_line(), _verdict(), _sent()],
    }


def _line() -> Schema:
    outcomes = [outcome.value for outcome in Outcome]
    return object_of(
        kind={"enum": [kind.value for kind in LineKind]},
        stack=_TEXT,
        at=_TIME,
        function={"enum": list(FUNCTIONS)},
        source=_OPTIONAL_TEXT,
        event_ids=_TEXTS,
        correlation_id=_OPTIONAL_TEXT,
        outcome={"enum": [*outcomes, None]},
        error_code=_CODE,
        detail=_OPTIONAL_TEXT,
        vendor_code=_OPTIONAL_TEXT,
        violations=_TEXTS,
        account=_OPTIONAL_TEXT,
        route=_OPTIONAL_TEXT,
        left_out={"type": "array", "items": object_of(route=_OPTIONAL_TEXT, reason=_TEXT)},
        attempt={"type": ["integer", "null"]},
        next_attempt_at=_OPTIONAL_TIME,
        latency_ms={"type": ["number", "null"]},
        count={"type": "integer", "minimum": 1},
        reason=_TEXT,
    )


def _verdict() -> Schema:
    verdicts = [verdict.value for verdict in (*Outcome, *Waiting)]
    return object_of(
        kind={"const": VERDICT},
        stack=_TEXT,
        source=_OPTIONAL_TEXT,
        event_id=_OPTIONAL_TEXT,
        correlation_ids=_TEXTS,
        verdict={"enum": verdicts},
        error_code=_CODE,
        reason=_TEXT,
        next_attempt_at=_OPTIONAL_TIME,
        dead_letters={"type": ["array", "null"], "items": _TEXT},
    )


def _sent() -> Schema:
    return object_of(
        kind={"const": SENT},
        stack=_TEXT,
        source=_TEXT,
        example=_TEXT,
        through={"enum": ["webhook", "queue"]},
        status={"type": ["integer", "null"]},
        error_code=_CODE,
        detail=_OPTIONAL_TEXT,
        violations=_TEXTS,
        correlation_id=_OPTIONAL_TEXT,
        event_ids=_TEXTS,
        made_new=_TEXTS,
        is_new={"type": "boolean"},
        notes=_TEXTS,
    )
