"""A source's request: its schema as a component, the media types of its body, and its parameters."""

from collections.abc import Mapping
from typing import Any

from push_relay.core.errors import SchemaViolation
from push_relay.core.inbound.body import ALL_FIELDS, BASE64, BodyFormat
from push_relay.core.inbound.items import MAX_ITEMS, as_document
from push_relay.core.inbound.media_type import FORM
from push_relay.core.rules.source import Source
from push_relay.core.strict_json import Json, JsonObject
from relayctl.openapi.answers import JSON, TEXT
from relayctl.openapi.handshakes import question_parameters, rows_of

_DIALECT = "https://json-schema.org/draft/2020-12/schema"
#: Keywords whose values are data and not schemas, even if they look like schemas.
_VALUES = frozenset({"const", "enum", "default", "examples"})
#: Keywords whose values are objects that map names to schemas.
_BY_NAME = frozenset({"properties", "patternProperties", "$defs", "definitions", "dependentSchemas"})
#: A value of each JSON type except an object.
_NO_OBJECTS: Mapping[str, Json] = {"array": [], "boolean": True, "null": None, "number": 1, "string": "a"}
_BODY_DESCRIPTIONS = {
    "json": "A JSON object in UTF-8, or a list of them. A media type that ends in `+json` is accepted too.",
    "list": "A JSON list in UTF-8, each item of which is an event. A media type that ends in `+json` is "
    "accepted too.",
    "ndjson": "One JSON value in each line, each of which is an event.",
    "cloudevents": "A CloudEvent in structured mode (`application/cloudevents+json`), in binary mode or in a "
    "batch. In binary mode, the body is its data, of any media type. Its attributes are `ce-` headers, and "
    "the first four are required.",
    "xml": "An XML document without a document type. The schema describes the JSON that it becomes.",
    "text": "A text. The schema describes the event, whose member `text` holds it.",
    "multipart": "A form, with or without files.",
    "jwt": "A JWT whose claims are the event.",
    "list-of-one": "A JSON list of one object. A media type that ends in `+json` is accepted too.",
    "sns": "An SNS message whose `Message` contains the event. The media type is ignored.",
}


def component(name: str, schema: JsonObject) -> JsonObject:
    """Return a source's schema as a component of the document.

    Local references are rewritten, because the schema is no longer the root. A schema with an `$id` stays
    unchanged: its references are relative to the `$id` (JSON Schema 2020-12, 8.2.1). A `$schema` of 2020-12
    is left out, because it is OpenAPI 3.1's default.
    """
    if "$id" in schema:
        return schema
    moved = _moved(schema, f"#/components/schemas/{name}")
    assert isinstance(moved, dict)  # noqa: S101 - for the type checker: `_moved` returns a dict for a dict
    return {key: value for key, value in moved.items() if (key, value) != ("$schema", _DIALECT)}


def _moved(schema: Any, base: str) -> Any:
    if isinstance(schema, list):
        return [_moved(item, base) for item in schema]
    if not isinstance(schema, Mapping):
        return schema
    return {key: _moved_value(key, value, base) for key, value in schema.items()}


def _moved_value(key: str, value: Any, base: str) -> Any:
    if key in _VALUES:
        return value
    if key in _BY_NAME and isinstance(value, Mapping):
        return {name: _moved(child, base) for name, child in value.items()}
    if key == "$ref" and isinstance(value, str) and (value == "#" or value.startswith("#/")):
        return base + value[1:]
    return _moved(value, base)


def request_body(source: Source) -> JsonObject:
    """Return the request body object of a source's operation."""
    event: JsonObject = {"$ref": f"#/components/schemas/{source.name}"}
    body_format = source.body_format
    content = _contents(event, _item(source, event))[body_format.name]
    if source.each:
        # The list is somewhere in the request, and the schema is that of its items.
        content = {media_type: {"schema": {}} for media_type in content}
        event = {}
    if body_format.form_field == ALL_FIELDS:
        content[FORM] = {"schema": event}
    elif body_format.form_field:
        field = body_format.form_field
        content[FORM] = {
            "schema": {
                "type": "object",
                "required": [field],
                "properties": {
                    field: {"type": "string", **_written(body_format, event)},
                },
                "additionalProperties": {"type": "string"},
            }
        }
    description = (
        f"{_BODY_DESCRIPTIONS[body_format.name]} It may be compressed with `Content-Encoding: gzip`."
    )
    # A CloudEvent in binary mode may have no data.
    return {"required": body_format.name != "cloudevents", "description": description, "content": content}


def _contents(event: JsonObject, item: JsonObject) -> dict[str, JsonObject]:
    """Return the contents of a request body, by the name of the format."""
    several = _list(item)
    text = {"schema": {"type": "string"}}
    return {
        "json": {JSON: {"schema": {"anyOf": [event, *several]}}},
        "list": {JSON: {"schema": {"anyOf": several}}},
        "ndjson": {"application/x-ndjson": text},
        "cloudevents": {
            "application/cloudevents+json": {"schema": event},
            "application/cloudevents-batch+json": {"schema": {"anyOf": several}},
            JSON: {"schema": {}},
        },
        "xml": {"application/xml": text},
        "text": {TEXT: text},
        "multipart": {"multipart/form-data": {"schema": event}, FORM: {"schema": event}},
        "jwt": {"application/jwt": text},
        "list-of-one": {JSON: {"schema": {"type": "array", "minItems": 1, "maxItems": 1, "items": event}}},
        "sns": {TEXT: {"schema": _sns(event)}},
    }


def _item(source: Source, event: JsonObject) -> JsonObject:
    """Return the schema of a list's item. One that is not an object becomes one with a single member."""
    others = [name for name, value in _NO_OBJECTS.items() if _is_valid(source, value)]
    return {"anyOf": [event, {"type": others}]} if others else event


def _is_valid(source: Source, item: Json) -> bool:
    try:
        source.schema.check(as_document(item))
    except SchemaViolation:
        return False
    return True


def _list(item: JsonObject) -> list[JsonObject]:
    """Return the schemas of lists that are accepted: an empty one, and one with a valid event."""
    return [
        {"type": "array", "maxItems": 0},
        {"type": "array", "minItems": 1, "maxItems": MAX_ITEMS, "contains": item},
    ]


def _written(body_format: BodyFormat, event: JsonObject) -> JsonObject:
    """Return how the document is written in the field of a form."""
    encoding = {"contentEncoding": BASE64} if body_format.field_encoding == BASE64 else {}
    if body_format.name not in ("json", "cloudevents", "list-of-one", "sns"):
        return encoding
    return encoding | {"contentMediaType": JSON, "contentSchema": event}


def _sns(event: JsonObject) -> JsonObject:
    """Return the schema of an SNS message. SNS sends JSON with a text media type.

    https://docs.aws.amazon.com/sns/latest/dg/sns-message-and-json-formats.html
    """
    names = ("Type", "MessageId", "TopicArn", "Message", "Timestamp")
    signed = ("SignatureVersion", "Signature", "SigningCertURL")
    properties: JsonObject = {name: {"type": "string"} for name in (*names, *signed, "Subject")}
    properties["Message"] |= {"contentMediaType": JSON, "contentSchema": event}
    document = {"type": "object", "required": [*names, *signed], "properties": properties}
    return {"type": "string", "contentMediaType": JSON, "contentSchema": document}


def parameters(source: Source, schema: JsonObject) -> list[JsonObject]:
    """Return the headers and query parameters that a source reads. All of them are optional."""
    binary = _binary(schema) if source.body_format.name == "cloudevents" else []
    known = {parameter["name"] for parameter in binary}
    others = [
        {"name": name, "in": place, "schema": {"type": "string"}}
        for place, names in (("header", source.reads.headers), ("query", source.reads.query))
        for name in sorted(names - known)
    ]
    known |= {parameter["name"] for parameter in others}
    # An event has another value there, or none.
    handshake = {
        parameter["name"]: parameter
        | {"description": "Of the sender's handshake.", "schema": {"type": "string"}}
        for row in rows_of(source, "POST")
        for parameter in question_parameters(row)
        if parameter["name"] not in known
    }
    return binary + others + list(handshake.values())


def _binary(schema: JsonObject) -> list[JsonObject]:
    """Return the headers of the binary mode: the schema's attributes, as percent-encoded texts."""
    attributes: JsonObject = schema.get("properties", {})
    required = schema.get("required", [])
    ordered = sorted(attributes, key=lambda name: (name not in required, name))
    return [
        {
            "name": f"ce-{name}",
            "in": "header",
            "schema": {"type": "string"} | {k: v for k, v in attributes[name].items() if k != "type"},
        }
        for name in ordered
        if name not in {"data", "data_base64", "datacontenttype"}  # the body, and its Content-Type
    ]
