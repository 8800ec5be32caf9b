"""Turn an HTTP body into the event's document, by its content type and the source's body format."""

import re
from collections.abc import Mapping
from urllib.parse import unquote

from push_relay.core.errors import MalformedRequest, UnsupportedMediaType
from push_relay.core.strict_json import JsonObject, parse, parse_object

#: How a source's documents come: as the body is, or in a CloudEvent of either content mode.
BODY_FORMATS = ("json", "cloudevents")

_JSON_TYPE = re.compile(r"application/(?:json|[a-z0-9.!#$&^_-]+\+json)")
_UTF8 = frozenset({"", "utf-8", "utf8", "us-ascii"})


def read_body(body: bytes, headers: Mapping[str, str], body_format: str) -> JsonObject:
    """Return the document that a body holds.

    Raises UnsupportedMediaType for another content type, charset or coding, MalformedRequest for a body
    that is not one JSON object.
    """
    if headers.get("content-encoding", "identity").strip().lower() not in ("", "identity"):
        raise UnsupportedMediaType("the body's Content-Encoding is not one that the relay reads")
    if body_format == "cloudevents" and "ce-specversion" in headers:
        return _binary_cloudevent(body, headers)
    media_type = _json_media_type(headers)
    if body_format == "cloudevents" and media_type != "application/cloudevents+json":
        raise UnsupportedMediaType(
            "the body is not a CloudEvent: application/cloudevents+json or ce- headers"
        )
    return parse_object(body)


def _json_media_type(headers: Mapping[str, str]) -> str:
    """Return the media type of a JSON body in UTF-8. Raises UnsupportedMediaType for any other."""
    media_type, _, parameters = headers.get("content-type", "").partition(";")
    media_type = media_type.strip().lower()
    if not _JSON_TYPE.fullmatch(media_type) or media_type.endswith("-batch+json"):
        raise UnsupportedMediaType("the Content-Type is not application/json (or one that ends in +json)")
    # Parameter names are case-insensitive (RFC 9110, 5.6.6).
    named = (parameter.partition("=") for parameter in parameters.lower().split(";"))
    charset = next((value.strip().strip('"') for name, _, value in named if name.strip() == "charset"), "")
    if charset not in _UTF8:
        raise UnsupportedMediaType("the charset is not utf-8, which is JSON's (RFC 8259, 8.1)")
    return media_type


def _binary_cloudevent(body: bytes, headers: Mapping[str, str]) -> JsonObject:
    """Write a CloudEvent of the binary content mode in the structured mode's form.

    https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/http-protocol-binding.md
    """
    event: JsonObject = {
        name.removeprefix("ce-"): _percent_decoded(value)
        for name, value in headers.items()
        if name.startswith("ce-") and name != "ce-data"
    }
    content_type = headers.get("content-type")
    if content_type:
        event["datacontenttype"] = content_type
    if body:
        _json_media_type(headers)
        event["data"] = parse(body)
    return event


def _percent_decoded(value: str) -> str:
    try:
        return unquote(value, errors="strict")
    except UnicodeDecodeError:
        raise MalformedRequest("a ce- header is not percent-encoded UTF-8") from None
