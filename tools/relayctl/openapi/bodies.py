"""What a source's webhooks carry: its schema as a component, and the forms in which its body may come."""

from collections.abc import Mapping
from typing import Any

from push_relay.core.inbound.body import ALL_FIELDS
from push_relay.core.rules.source import Source
from push_relay.core.strict_json import JsonObject
from relayctl.openapi.answers import JSON, TEXT

_FORM = "application/x-www-form-urlencoded"
_DIALECT = "https://json-schema.org/draft/2020-12/schema"
#: Keywords whose values are no schemas, whatever they look like.
_VALUES = frozenset({"const", "enum", "default", "examples"})
#: Keywords whose values are schemas by names of the author's.
_BY_NAME = frozenset({"properties", "patternProperties", "$defs", "definitions", "dependentSchemas"})
_TOLD = {
    "json": "A JSON object in UTF-8; any media type that ends in `+json` is read alike.",
    "cloudevents": "A CloudEvent: structured (`application/cloudevents+json`), or binary: its data here, of "
    "any media type, and its attributes in `ce-` headers, of which the first four are required then.",
    "list-of-one": "A JSON list of one object; any media type that ends in `+json` is read alike.",
    "sns": "An SNS message, whose `Message` holds the event; the media type is not looked at.",
}


def component(name: str, schema: JsonObject) -> JsonObject:
    """Return a source's schema as it stands among the components.

    Local references lead on from where the schema stands now. One with an `$id` is a document of its own in
    the document, in which they hold as they are (JSON Schema 2020-12, 8.2.1). OpenAPI's own dialect is
    2020-12, so that is not said again.
    """
    if "$id" in schema:
        return schema
    moved = _moved(schema, f"#/components/schemas/{name}")
    assert isinstance(moved, dict)  # noqa: S101 (for the type checker: an object stays one)
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
    """Return the request body of a source's operation."""
    event: JsonObject = {"$ref": f"#/components/schemas/{source.name}"}
    body_format = source.body_format
    contents: dict[str, JsonObject] = {
        "json": {JSON: {"schema": event}},
        "list-of-one": {JSON: {"schema": {"type": "array", "minItems": 1, "maxItems": 1, "items": event}}},
        "cloudevents": {"application/cloudevents+json": {"schema": event}, JSON: {"schema": {}}},
        "sns": {TEXT: {"schema": _sns(event)}},
    }
    content = contents[body_format.name]
    if body_format.form_field == ALL_FIELDS:
        content[_FORM] = {"schema": event}
    elif body_format.form_field:
        field = body_format.form_field
        content[_FORM] = {
            "schema": {
                "type": "object",
                "required": [field],
                "properties": {
                    field: {"type": "string", "contentMediaType": JSON, "contentSchema": event},
                },
                "additionalProperties": {"type": "string"},
            }
        }
    told = f"{_TOLD[body_format.name]} It may be compressed: `Content-Encoding: gzip`."
    # Binary CloudEvents may have no data.
    return {"required": body_format.name != "cloudevents", "description": told, "content": content}


def _sns(event: JsonObject) -> JsonObject:
    """Return the schema of SNS's message, which comes as JSON that is called text.

    https://docs.aws.amazon.com/sns/latest/dg/sns-message-and-json-formats.html
    """
    names = ("Type", "MessageId", "TopicArn", "Message", "Timestamp")
    signed = ("SignatureVersion", "Signature", "SigningCertURL")
    properties: JsonObject = {name: {"type": "string"} for name in (*names, *signed, "Subject")}
    properties["Message"] |= {"contentMediaType": JSON, "contentSchema": event}
    document = {"type": "object", "required": [*names, *signed], "properties": properties}
    return {"type": "string", "contentMediaType": JSON, "contentSchema": document}


def parameters(source: Source, schema: JsonObject) -> list[JsonObject]:
    """Return the headers and query parameters that a source's events are made of; none is demanded."""
    binary = _binary(schema) if source.body_format.name == "cloudevents" else []
    known = {parameter["name"] for parameter in binary}
    read = [
        {"name": name, "in": place, "schema": {"type": "string"}}
        for place, names in (("header", source.reads.headers), ("query", source.reads.query))
        for name in sorted(names - known)
    ]
    asked = {"name": "validationToken", "in": "query", "description": "Graph's handshake"}
    handshake = [asked | {"schema": {"type": "string"}}] if source.handshake == "microsoft-graph" else []
    return binary + read + handshake


def _binary(schema: JsonObject) -> list[JsonObject]:
    """Return the attributes of the binary content mode: those of the schema, as percent-encoded texts."""
    attributes: JsonObject = schema.get("properties", {})
    demanded = schema.get("required", [])
    ordered = sorted(attributes, key=lambda name: (name not in demanded, name))
    return [
        {
            "name": f"ce-{name}",
            "in": "header",
            "schema": {"type": "string"} | {k: v for k, v in attributes[name].items() if k != "type"},
        }
        for name in ordered
        if name not in {"data", "data_base64", "datacontenttype"}  # the body, and its Content-Type
    ]
