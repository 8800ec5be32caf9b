"""Return the event's document that an HTTP body holds, by the source's body format and what a proof covers.

If a proof covers the bytes, they alone decide how they are read: the content type is not signed, so it must
not choose between two readings, and a genuine sender must not be refused because of it. Without such a proof
a body is read strictly, and only if its content type is the format's own.
"""

import base64
import zlib
from collections.abc import Mapping
from functools import cache
from urllib.parse import parse_qsl

from push_relay.core.errors import MalformedRequest, PayloadTooLarge, UnsupportedMediaType
from push_relay.core.inbound.formats.base import Content, Fields, Format, not_json
from push_relay.core.inbound.formats.registry import DEFAULT_FORMAT, FORMATS
from push_relay.core.inbound.items import Items
from push_relay.core.inbound.media_type import FORM, media_type
from push_relay.core.inbound.request import MAX_BODY
from push_relay.core.quick_dataclass import dataclass
from push_relay.core.strict_json import MAX_TEXT, JsonObject

#: Fields of a form; Twilio sends some thirty.
MAX_FIELDS = 1000

_GZIP = 31  # zlib's number for gzip's wrapping with its largest window
#: The `form_field` of a source for which all fields of a form together are the document.
ALL_FIELDS = "*"
#: The encoding of a field that is not written as it is.
BASE64 = "base64"


@dataclass(frozen=True, slots=True)
class BodyFormat:
    """How a source's sender writes its documents.

    name            the format's name, a key of FORMATS
    form_field      the field of a form that holds the document, ALL_FIELDS, or None if no form is accepted
    field_encoding  how the document is written in that field: `text` or `base64`
    """

    name: str = DEFAULT_FORMAT
    form_field: str | None = None
    field_encoding: str = "text"

    @property
    def format(self) -> Format:
        """The strategy of that name."""
        return _format_named(self.name)

    @property
    def field(self) -> str | None:
        """The field that is read; None if no form is accepted."""
        return self.form_field or (ALL_FIELDS if self.format.all_fields else None)

    @property
    def is_form(self) -> bool:
        """Whether the fields of a form can be the document."""
        return self.field == ALL_FIELDS


@cache
def _format_named(name: str) -> Format:
    return FORMATS[name]()


def read_body(  # noqa: PLR0913 (each of them is about one body)
    body: bytes,
    headers: Mapping[str, str],
    body_format: BodyFormat,
    *,
    proven: bool = False,
    covered: bytes | None = None,
    most_bytes: int = MAX_BODY,
) -> JsonObject | Items:
    """Return the document that a body holds, or its items.

    proven      whether a proof covers its content
    covered     what the proof covers; None: the whole body
    most_bytes  how large it may be, decompressed

    Raises UnsupportedMediaType for another content type, charset or coding, MalformedRequest for a body
    that is not what the format needs, PayloadTooLarge for one that is too large or has too many parts.
    """
    content = Content(
        _decompressed(body, headers, most_bytes),
        headers,
        media_type(headers),
        body_format.form_field,
        covered or b"",
        is_body_covered=covered is None or _is_covered(body, covered),
    )
    format_ = body_format.format
    try:
        return _read(content, body_format, format_, proven=proven)
    except PayloadTooLarge:
        raise
    except MalformedRequest:
        named = content.media_type
        is_form = body_format.form_field and named.name == FORM
        if proven and format_.is_json and not named.is_json and not is_form:
            raise not_json() from None
        raise


def _is_covered(body: bytes, covered: bytes) -> bool:
    # Most proofs cover the body alone, or a text that ends with it. A search takes fifty times as long.
    return body != b"" and (covered.endswith(body) or body in covered)


def _read(content: Content, body_format: BodyFormat, format_: Format, *, proven: bool) -> JsonObject | Items:
    document = format_.read_whole(content, proven=proven)
    if document is not None:
        return document
    field = body_format.field
    fields = _fields(content, format_, proven=proven) if field else None
    if fields is None or field is None:
        return format_.read_leniently(content) if proven else format_.read_strictly(content)
    if field == ALL_FIELDS:
        return _all(fields)
    raw = _decoded(_only(fields, field), body_format.field_encoding)
    return format_.in_field(content._replace(body=raw), lenient=proven)


def _fields(content: Content, format_: Format, *, proven: bool) -> Fields | None:
    """Return the fields of a form; None for a body that is not one.

    If a proof covers fields and not the body, its scheme has read the body as a url-encoded form. Anybody
    could have written the rest of the body, so it must not be read as anything else.
    """
    if proven and not content.is_body_covered and not format_.checks_cover:
        return _form_fields(content, lenient=True)
    fields = format_.fields(content, lenient=proven)
    if fields is None and _is_form(content, format_, proven=proven):
        return _form_fields(content, lenient=proven)
    return fields


def _is_form(content: Content, format_: Format, *, proven: bool) -> bool:
    return format_.may_be_form(content) if proven else content.media_type.name == FORM


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


def _form_fields(content: Content, *, lenient: bool) -> Fields:
    """Read a form (https://url.spec.whatwg.org/#application/x-www-form-urlencoded)."""
    try:
        return parse_qsl(
            content.body.decode("utf-8", "replace") if lenient else content.body.decode("ascii"),
            keep_blank_values=True,
            strict_parsing=not lenient,
            errors="replace" if lenient else "strict",
            max_num_fields=MAX_FIELDS,
        )
    except ValueError:
        raise MalformedRequest("the body is not a form in percent-encoded UTF-8") from None


def _all(fields: Fields) -> JsonObject:
    """Return all fields as the document; the values of a repeated field are a list."""
    document: JsonObject = {}
    for name, value in fields:
        if len(name) > MAX_TEXT or (isinstance(value, str) and len(value) > MAX_TEXT):
            raise PayloadTooLarge(f"the body is a form with a text of more than {MAX_TEXT} characters")
        if name not in document:
            document[name] = value
        elif isinstance(document[name], list):
            document[name].append(value)
        else:
            document[name] = [document[name], value]
    return document


def _only(fields: Fields, name: str) -> str:
    """Return the text of the one field of a name: of two, one would be ignored. Raises MalformedRequest."""
    match [value for field, value in fields if field == name]:
        case [str() as text]:
            return text
        case []:
            raise MalformedRequest(f"the body is a form without the field `{name}`")
        case [_]:
            raise MalformedRequest(f"the field `{name}` of the form is a file")
        case _:
            raise MalformedRequest("the body is a form with the same field twice")


def _decoded(text: str, encoding: str) -> bytes:
    raw = text.encode("utf-8")
    if encoding != BASE64:
        return raw
    try:
        # Some senders break the lines.
        return base64.b64decode(b"".join(raw.split()), validate=True)
    except ValueError:
        raise MalformedRequest("the field of the form is not base64") from None
