"""The format `json`, and what the other formats change of it.

A JSON object is one event, and each item of a JSON list is one.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from push_relay.core.errors import MalformedRequest, UnsupportedMediaType
from push_relay.core.event import Arrival
from push_relay.core.inbound.items import Items
from push_relay.core.inbound.media_type import MediaType, looks_like_json
from push_relay.core.strict_json import Json, JsonObject, parse

_STRICT_JSON = re.compile(r"application/(?:json|[a-z0-9.!#$&^_-]+\+json)")
_UTF8 = frozenset({"", "utf-8", "utf8", "us-ascii"})


#: The fields of a form in their order. A value that is not a text describes a file.
type Fields = Sequence[tuple[str, Json]]


class Content(NamedTuple):
    """A decompressed body, or the content of a form's field, with what is known about it.

    headers  lower-case names
    field    the name that the source's `form_field` gives
    covered  the bytes that a proof covers
    is_body_covered  whether the whole body is among them, as it was received
    """

    body: bytes
    headers: Mapping[str, str]
    media_type: MediaType
    field: str | None = None
    covered: bytes = b""
    is_body_covered: bool = False


class Format:
    """A JSON object or list in the body. The other formats are subclasses.

    is_json     whether a body that it cannot read is not JSON
    checks_cover  whether it checks that what it reads is what the proof covers
    all_fields  whether a form's fields together are the document if the source names no field
    """

    is_json = True
    checks_cover = False
    all_fields = False

    def read_whole(self, content: Content, *, proven: bool) -> JsonObject | Items | None:
        """Return the document of a body that is not read as JSON of a media type; None if it is.

        proven  whether a proof covers each byte of the body
        """
        del content, proven
        return None

    def read_strictly(self, content: Content) -> JsonObject | Items:
        """Return the document of a body that no proof covers.

        Raises UnsupportedMediaType for a content type that is not JSON's own, given once, in UTF-8, and
        MalformedRequest.
        """
        check_json(content)
        self.check_media_type(content)
        return self.document(parse(content.body), content)

    def read_leniently(self, content: Content) -> JsonObject | Items:
        """Return the document of a body that a proof covers. Raises MalformedRequest, PayloadTooLarge."""
        value = parse(content.body, lenient=True, charset=content.media_type.charset)
        return self.document(value, content, lenient=True)

    def fields(self, content: Content, *, lenient: bool) -> Fields | None:
        """Return the fields of a form that is not url-encoded; None for any other body."""
        del content, lenient
        return None

    def may_be_form(self, content: Content) -> bool:
        """Return whether a body that a proof covers can be a form, given that the source accepts forms."""
        return not looks_like_json(content.body)

    def in_field(self, content: Content, *, lenient: bool) -> JsonObject | Items:
        """Return the document or the items in a form's field. Raises MalformedRequest, PayloadTooLarge."""
        value = parse(content.body, lenient=lenient)
        return Items.of(value) if isinstance(value, list) else only_object(value)

    def check_media_type(self, content: Content) -> None:
        """Raise UnsupportedMediaType for a media type of JSON that the format does not read."""
        if content.media_type.name.endswith("-batch+json"):
            raise not_json()

    def document(self, value: Json, content: Content, *, lenient: bool = False) -> JsonObject | Items:
        """Return the document or the items of a JSON value.

        Raises MalformedRequest, UnsupportedMediaType, and PayloadTooLarge for too many items.
        """
        del content, lenient
        if isinstance(value, list):
            return Items.of(value)
        return only_object(value)

    def unwrap(self, arrival: Arrival) -> Arrival:
        """Remove the envelope that the sender's service put around the event. Raises MalformedRequest."""
        return arrival

    def own_identity(self, data: JsonObject) -> list[object] | None:
        """Return the values by which an event identifies itself; None if the format has none."""
        del data
        return None

    def moved(self, steps: Sequence[str]) -> Iterable[Sequence[str]]:
        """Return the places where the document may have what the body has at a JSON pointer."""
        return (steps,)

    def becomes_data(self, header: str) -> bool:
        """Return whether a header (lower-case) becomes a part of the document."""
        del header
        return False


def only_object(value: Json) -> JsonObject:
    """Return a JSON value that has to be an object. Raises MalformedRequest."""
    if not isinstance(value, dict):
        raise MalformedRequest("the body is JSON, but not an object")
    return value


def check_json(content: Content) -> None:
    """Raise UnsupportedMediaType unless the content type is JSON's own, given once, in UTF-8."""
    once = content.headers.get("content-type", "").partition(";")[0].strip().lower()
    if once != content.media_type.name or not _STRICT_JSON.fullmatch(once):
        raise not_json()
    if content.media_type.charset not in _UTF8:
        raise UnsupportedMediaType("the charset is not utf-8, which is JSON's (RFC 8259, 8.1)")


def not_json() -> UnsupportedMediaType:
    """Return the error of a body that is not JSON and is not labelled as JSON."""
    return UnsupportedMediaType("the Content-Type is not application/json (or one that ends in +json)")
