"""Turn an HTTP body into the event's document, by its content type and the source's body format."""

import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl, unquote

from push_relay.core.errors import MalformedRequest, PayloadTooLarge, UnsupportedMediaType
from push_relay.core.request import MAX_BODY
from push_relay.core.strict_json import Json, JsonObject, parse, parse_object

#: Fields of a form; Twilio sends some thirty.
MAX_FIELDS = 1000

_JSON_TYPE = re.compile(r"application/(?:json|[a-z0-9.!#$&^_-]+\+json)")
_FORM_TYPE = "application/x-www-form-urlencoded"
_UTF8 = frozenset({"", "utf-8", "utf8", "us-ascii"})
_GZIP = 31  # zlib's number for gzip's wrapping with its largest window
#: Formats of a body: as it is; a CloudEvent of either content mode; a list of one, as Event Grid sends it; an
#: SNS notification, whose envelope comes off as it does behind a queue.
BODY_FORMATS = ("json", "cloudevents", "list-of-one", "sns")
#: What `form` names where all fields together are the document.
ALL_FIELDS = "*"


@dataclass(frozen=True, slots=True)
class BodyFormat:
    """How a source's documents come.

    form  the field of a form that holds the JSON document, ALL_FIELDS, or None where no form is taken
    """

    name: str = BODY_FORMATS[0]
    form: str | None = None


def read_body(body: bytes, headers: Mapping[str, str], body_format: BodyFormat) -> JsonObject:
    """Return the document that a body holds.

    Raises UnsupportedMediaType for another content type, charset or coding, MalformedRequest for a body
    that is not one JSON object, PayloadTooLarge for one that decompresses past MAX_BODY.
    """
    content = _decompressed(body, headers)
    if body_format.name == "cloudevents" and "ce-specversion" in headers:
        return _binary_cloudevent(content, headers)
    if body_format.form and _media_type(headers) == _FORM_TYPE:
        return _form(content, body_format.form)
    if body_format.name == "sns":
        # SNS calls its JSON text/plain (https://docs.aws.amazon.com/sns/latest/dg/sns-http-https-endpoint-as-subscriber.html)
        return parse_object(content)
    media_type = _json_media_type(headers)
    if body_format.name == "cloudevents" and media_type != "application/cloudevents+json":
        raise UnsupportedMediaType(
            "the body is not a CloudEvent: application/cloudevents+json or ce- headers"
        )
    return _only_one(parse(content)) if body_format.name == "list-of-one" else parse_object(content)


def _decompressed(body: bytes, headers: Mapping[str, str]) -> bytes:
    """Undo the Content-Encoding, as far as MAX_BODY: a bomb never unfolds."""
    coding = headers.get("content-encoding", "identity").strip().lower()
    if coding in ("", "identity"):
        return body
    if coding not in ("gzip", "x-gzip"):
        raise UnsupportedMediaType("the Content-Encoding is neither gzip nor identity")
    unfolding = zlib.decompressobj(_GZIP)
    try:
        content = unfolding.decompress(body, MAX_BODY + 1)
    except zlib.error:
        raise MalformedRequest("the body is said to be gzip and is not") from None
    if len(content) > MAX_BODY:
        raise PayloadTooLarge(f"the body is larger than {MAX_BODY} bytes when decompressed")
    if not unfolding.eof or unfolding.unused_data:
        raise MalformedRequest("the body is said to be gzip and is cut off, or goes on after its end")
    return content


def _form(content: bytes, field: str) -> JsonObject:
    """Read a form (https://url.spec.whatwg.org/#application/x-www-form-urlencoded), strictly."""
    try:
        pairs = parse_qsl(
            content.decode("ascii"),
            keep_blank_values=True,
            strict_parsing=True,
            errors="strict",
            max_num_fields=MAX_FIELDS,
        )
    except ValueError:
        raise MalformedRequest("the body is not a form in percent-encoded UTF-8") from None
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise MalformedRequest("the body is a form with the same field twice")
    if field == ALL_FIELDS:
        return dict(fields)
    if field not in fields:
        raise MalformedRequest(f"the body is a form without the field `{field}`")
    return parse_object(fields[field].encode("utf-8"))


def _only_one(value: Json) -> JsonObject:
    match value:
        case [dict() as only]:
            return only
        case _:
            raise MalformedRequest("the body is not a list of one object: switch the sender's batching off")


def _media_type(headers: Mapping[str, str]) -> str:
    return headers.get("content-type", "").partition(";")[0].strip().lower()


def _json_media_type(headers: Mapping[str, str]) -> str:
    """Return the media type of a JSON body in UTF-8. Raises UnsupportedMediaType for any other."""
    media_type = _media_type(headers)
    parameters = headers.get("content-type", "").partition(";")[2]
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
        _whole(name.removeprefix("ce-")): _percent_decoded(value)
        for name, value in headers.items()
        if name.startswith("ce-") and name != "ce-data"
    }
    content_type = headers.get("content-type")
    if content_type:
        event["datacontenttype"] = _whole(content_type)
    if body:
        _json_media_type(headers)
        event["data"] = parse(body)
    return event


def _percent_decoded(value: str) -> str:
    try:
        return _whole(unquote(value, errors="strict"))
    except UnicodeDecodeError:
        raise MalformedRequest("a ce- header is not percent-encoded UTF-8") from None


def _whole(text: str) -> str:
    """Return a header's text. An invocation is JSON, and can hold half of a surrogate pair; no event can."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise MalformedRequest("a header of the CloudEvent holds half of a surrogate pair") from None
    return text
