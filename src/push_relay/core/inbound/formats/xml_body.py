"""The format `xml`: an XML document, read as JSON (`inbound/xml_document.py`)."""

from push_relay.core.errors import UnsupportedMediaType
from push_relay.core.inbound.formats.base import Content, Format
from push_relay.core.inbound.media_type import first_byte
from push_relay.core.inbound.xml_document import parse_xml
from push_relay.core.strict_json import JsonObject


class Xml(Format):
    """An XML document."""

    is_json = False

    def read_strictly(self, content: Content) -> JsonObject:
        """Return the document of a body that no proof covers: UTF-8 under a media type of XML."""
        named = content.media_type.name
        if named not in ("application/xml", "text/xml") and not named.endswith("+xml"):
            raise UnsupportedMediaType("the Content-Type is not application/xml")
        return parse_xml(content.body, lenient=False, charset=content.media_type.charset)

    def read_leniently(self, content: Content) -> JsonObject:
        """Return the document of a body that a proof covers."""
        return parse_xml(content.body, lenient=True, charset=content.media_type.charset)

    def in_field(self, content: Content, *, lenient: bool) -> JsonObject:
        """Return the document of a form's field."""
        return parse_xml(content.body, lenient=lenient)

    def may_be_form(self, content: Content) -> bool:
        """Return whether a body can be a form, which escapes angle brackets."""
        return first_byte(content.body) != b"<"
