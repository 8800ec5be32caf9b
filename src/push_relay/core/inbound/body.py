"""Turn an HTTP body into the event's document, by the source's body format and what a proof covers.

Under a proof that covers the bytes they alone decide how they are read: the content type is not signed, so it
must not choose between two readings, and a genuine sender must not be refused for it. Without such a proof a
body is read strictly, and only under its own content type.
"""

import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl

from push_relay.core.errors import MalformedRequest, PayloadTooLarge, UnsupportedMediaType
from push_relay.core.inbound import cloudevents
from push_relay.core.inbound.media_type import FORM, MediaType, looks_like_json, media_type
from push_relay.core.inbound.request import MAX_BODY
from push_relay.core.strict_json import MAX_TEXT, Json, JsonObject, parse, parse_object

#: Fields of a form; Twilio sends some thirty.
MAX_FIELDS = 1000

_STRICT_JSON = re.compile(r"application/(?:json|[a-z0-9.!#$&^_-]+\+json)")
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


def read_body(
    body: bytes,
    headers: Mapping[str, str],
    body_format: BodyFormat,
    *,
    proven: bool = False,
    most_bytes: int = MAX_BODY,
) -> JsonObject:
    """Return the document that a body holds.

    proven      whether a proof covers each byte of it
    most_bytes  how large it may be, decompressed

    Raises UnsupportedMediaType for another content type, charset or coding, MalformedRequest for a body
    that is not one JSON object, PayloadTooLarge for one that is too large or has too many parts.
    """
    content = _decompressed(body, headers, most_bytes)
    if body_format.name == "cloudevents" and cloudevents.is_binary(headers):
        return cloudevents.binary_event(content, headers, lenient=proven)
    if body_format.name == "sns":
        # SNS calls its JSON text/plain (https://docs.aws.amazon.com/sns/latest/dg/sns-http-https-endpoint-as-subscriber.html).
        # Its scheme has verified a strict reading, so the reading is strict here too.
        return parse_object(content)
    named = media_type(headers)
    if not proven:
        return _read_strictly(content, headers, named, body_format)
    try:
        return _read_leniently(content, named, body_format)
    except PayloadTooLarge:
        raise
    except MalformedRequest:
        if not named.is_json and not (body_format.form and named.name == FORM):
            raise _not_json() from None
        raise


def _read_strictly(
    content: bytes, headers: Mapping[str, str], named: MediaType, body_format: BodyFormat
) -> JsonObject:
    if body_format.form and named.name == FORM:
        return _form(content, body_format.form, lenient=False)
    _check_json(named, headers)
    if body_format.name == "cloudevents":
        if named.name != cloudevents.STRUCTURED:
            raise _no_cloudevent()
        return cloudevents.structured_event(parse_object(content), lenient=False)
    return _only_one(parse(content)) if body_format.name == "list-of-one" else parse_object(content)


def _read_leniently(content: bytes, named: MediaType, body_format: BodyFormat) -> JsonObject:
    if body_format.form and not looks_like_json(content):
        return _form(content, body_format.form, lenient=True)
    value = parse(content, lenient=True, charset=named.charset)
    if body_format.name == "list-of-one":
        return _only_one(value)
    if not isinstance(value, dict):
        raise MalformedRequest("the body is JSON, but not an object")
    if body_format.name == "cloudevents":
        if "specversion" not in value and named.name != cloudevents.STRUCTURED:
            raise _no_cloudevent()
        return cloudevents.structured_event(value, lenient=True)
    return value


def _decompressed(body: bytes, headers: Mapping[str, str], most_bytes: int) -> bytes:
    """Undo the Content-Encoding, as far as most_bytes: a bomb never unfolds."""
    coding = headers.get("content-encoding", "identity").strip().lower()
    if coding in ("", "identity"):
        if len(body) > most_bytes:
            raise PayloadTooLarge(f"the body is larger than {most_bytes} bytes")
        return body
    if coding not in ("gzip", "x-gzip"):
        raise UnsupportedMediaType("the Content-Encoding is neither gzip nor identity")
    unfolding = zlib.decompressobj(_GZIP)
    try:
        content = unfolding.decompress(body, most_bytes + 1)
    except zlib.error:
        raise MalformedRequest("the body is said to be gzip and is not") from None
    if len(content) > most_bytes:
        raise PayloadTooLarge(f"the body is larger than {most_bytes} bytes when decompressed")
    if not unfolding.eof or unfolding.unused_data:
        raise MalformedRequest("the body is said to be gzip and is cut off, or goes on after its end")
    return content


def _form(content: bytes, field: str, *, lenient: bool) -> JsonObject:
    """Read a form (https://url.spec.whatwg.org/#application/x-www-form-urlencoded)."""
    try:
        pairs = parse_qsl(
            content.decode("utf-8", "replace") if lenient else content.decode("ascii"),
            keep_blank_values=True,
            strict_parsing=not lenient,
            errors="replace" if lenient else "strict",
            max_num_fields=MAX_FIELDS,
        )
    except ValueError:
        raise MalformedRequest("the body is not a form in percent-encoded UTF-8") from None
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise MalformedRequest("the body is a form with the same field twice")
    if field == ALL_FIELDS:
        if any(len(text) > MAX_TEXT for pair in pairs for text in pair):
            raise PayloadTooLarge(f"the body is a form with a text of more than {MAX_TEXT} characters")
        return dict(fields)
    if field not in fields:
        raise MalformedRequest(f"the body is a form without the field `{field}`")
    return parse_object(fields[field].encode("utf-8"), lenient=lenient)


def _only_one(value: Json) -> JsonObject:
    match value:
        case [dict() as only]:
            return only
        case _:
            raise MalformedRequest("the body is not a list of one object: switch the sender's batching off")


def _check_json(named: MediaType, headers: Mapping[str, str]) -> None:
    """Raise UnsupportedMediaType unless the content type is JSON's own, given once, in UTF-8."""
    once = headers.get("content-type", "").partition(";")[0].strip().lower()
    if once != named.name or not _STRICT_JSON.fullmatch(once) or once.endswith("-batch+json"):
        raise _not_json()
    if named.charset not in _UTF8:
        raise UnsupportedMediaType("the charset is not utf-8, which is JSON's (RFC 8259, 8.1)")


def _not_json() -> UnsupportedMediaType:
    return UnsupportedMediaType("the Content-Type is not application/json (or one that ends in +json)")


def _no_cloudevent() -> UnsupportedMediaType:
    return UnsupportedMediaType("the body is not a CloudEvent: application/cloudevents+json or ce- headers")
