"""The operations and responses of handshakes that are rows of data."""

from push_relay.core.rules.source import Source
from push_relay.core.strict_json import JsonObject
from push_relay.core.trust.handshakes.row import ANY, Row
from push_relay.core.trust.handshakes.rows import ROWS
from push_relay.core.trust.handshakes.setup import SETUP
from relayctl.openapi.answers import JSON, TEXT

_EMPTY: JsonObject = {"type": "string", "maxLength": 0}


def rows_of(source: Source, *methods: str) -> list[Row]:
    """Return the rows of a source's handshake for these methods."""
    return [row for row in ROWS.get(source.handshake or "", ()) if row.method in methods]


def contents(source: Source) -> dict[str, JsonObject]:
    """Return the contents of the answers to a handshake by POST, by status."""
    if source.handshake == "sns":
        return {"200": {TEXT: {"schema": _EMPTY}}}
    found: dict[str, JsonObject] = {}
    for row in rows_of(source, "POST"):
        found.setdefault(str(row.status), {}).update(content(row))
    return found


def content(row: Row) -> JsonObject:
    """Return the content of an answer."""
    if row.method == "HEAD" or row.status == 204:  # noqa: PLR2004 (No Content)
        return {}
    if row.json is None:
        schema: JsonObject = {"type": "string", "description": "The text that the request asks for."}
        return {TEXT: {"schema": schema if row.text else _EMPTY}}
    members = {name: _member(template) for name, template in row.json.items()}
    schema = {
        "type": "object",
        "required": list(members),
        "properties": members,
        "additionalProperties": False,
    }
    return {JSON: {"schema": schema}}


def question_parameters(row: Row) -> list[JsonObject]:
    """Return the query parameters and headers of a question."""
    found: list[JsonObject] = []
    for place, wanted in row.trigger.items():
        kind, _, name = place.partition(":")
        if kind in ("query", "header"):
            found.append({"name": name, "in": kind, "schema": _value(wanted, row)})
    if row.brings:
        about = "the value that `relayctl handshake` has made, while the source waits for a secret"
        found.append({"name": SETUP, "in": "query", "description": about, "schema": {"type": "string"}})
    return found


def _member(template: object) -> JsonObject:
    return {"type": "string"} if isinstance(template, str) else {"const": template}


def _value(wanted: object, row: Row) -> JsonObject:
    if wanted == ANY:
        return {"type": "string", "pattern": f"^{row.pattern}$"}
    return {"type": "string"} if "{setting:" in str(wanted) else {"const": wanted}
