"""The format `text`: a text for people, as `{"text": ...}`."""

from push_relay.core.errors import PayloadTooLarge, UnsupportedMediaType
from push_relay.core.inbound.formats.base import Content, Format
from push_relay.core.strict_json import MAX_TEXT, JsonObject, decode, decode_leniently

_UTF8 = frozenset({"", "utf-8", "utf8", "us-ascii"})


class PlainText(Format):
    """A text."""

    is_json = False

    def read_strictly(self, content: Content) -> JsonObject:
        """Return the document of a body that no proof covers: UTF-8 under text/plain."""
        if content.media_type.name != "text/plain" or content.media_type.charset not in _UTF8:
            raise UnsupportedMediaType("the Content-Type is not text/plain in utf-8")
        return _document(decode(content.body))

    def read_leniently(self, content: Content) -> JsonObject:
        """Return the document of a body that a proof covers."""
        return _document(decode_leniently(content.body, content.media_type.charset))

    def in_field(self, content: Content, *, lenient: bool) -> JsonObject:
        """Return the document of a form's field."""
        return _document(decode_leniently(content.body, "") if lenient else decode(content.body))

    def may_be_form(self, content: Content) -> bool:
        """Return whether a body can be a form. Any text can: it is one if the source has a `form_field`."""
        del content
        return True


def _document(text: str) -> JsonObject:
    if len(text) > MAX_TEXT:
        raise PayloadTooLarge(f"the body is a text of more than {MAX_TEXT} characters")
    return {"text": text}
