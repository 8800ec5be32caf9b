"""Return the event's document that an HTTP body holds, by the source's body format and what a proof covers.

If a proof covers the bytes, they alone decide how they are read: the content type is not signed, so it must
not choose between two readings, and a genuine sender must not be refused because of it. Without such a proof
a body is read strictly, and only if its content type is the format's own.
"""

import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl

from push_relay.core.errors import MalformedRequest, PayloadTooLarge, UnsupportedMediaType
from push_relay.core.inbound.formats.base import Content, Format, not_json
from push_relay.core.inbound.formats.registry import DEFAULT_FORMAT, FORMATS
from push_relay.core.inbound.items import Items
from push_relay.core.inbound.media_type import FORM, looks_like_json, media_type
from push_relay.core.inbound.request import MAX_BODY
from push_relay.core.strict_json import MAX_TEXT, JsonObject, parse_object

#: Fields of a form; Twilio sends some thirty.
MAX_FIELDS = 1000

_GZIP = 31  # zlib's number for gzip's wrapping with its largest window
#: The `form_field` of a source for which all fields of a form together are the document.
ALL_FIELDS = "*"


@dataclass(frozen=True, slots=True)
class BodyFormat:
    """How a source's sender writes its documents.

    name        the format's name, a key of FORMATS
    form_field  the field of a form that holds the JSON document, ALL_FIELDS, or None if no form is accepted
    """

    name: str = DEFAULT_FORMAT
    form_field: str | None = None

    @property
    def format(self) -> Format:
        """The strategy of that name."""
        return FORMATS[self.name]()


def read_body(
    body: bytes,
    headers: Mapping[str, str],
    body_format: BodyFormat,
    *,
    proven: bool = False,
    most_bytes: int = MAX_BODY,
) -> JsonObject | Items:
    """Return the document that a body holds, or its items.

    proven      whether a proof covers each byte of it
    most_bytes  how large it may be, decompressed

    Raises UnsupportedMediaType for another content type, charset or coding, MalformedRequest for a body
    that is not what the format needs, PayloadTooLarge for one that is too large or has too many parts.
    """
    content = Content(_decompressed(body, headers, most_bytes), headers, media_type(headers))
    document = body_format.format.read_whole(content, proven=proven)
    if document is not None:
        return document
    return _read_leniently(content, body_format) if proven else _read_strictly(content, body_format)


def _read_strictly(content: Content, body_format: BodyFormat) -> JsonObject | Items:
    if body_format.form_field and content.media_type.name == FORM:
        return _form(content.body, body_format.form_field, lenient=False)
    return body_format.format.read_strictly(content)


def _read_leniently(content: Content, body_format: BodyFormat) -> JsonObject | Items:
    named, field = content.media_type, body_format.form_field
    try:
        if field and not looks_like_json(content.body):
            return _form(content.body, field, lenient=True)
        return body_format.format.read_leniently(content)
    except PayloadTooLarge:
        raise
    except MalformedRequest:
        if not named.is_json and not (field and named.name == FORM):
            raise not_json() from None
        raise


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
