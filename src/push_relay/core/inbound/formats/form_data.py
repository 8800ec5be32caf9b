"""The format `multipart`: a form as multipart/form-data, or as its sender's other requests have it."""

from push_relay.core.errors import MalformedRequest, UnsupportedMediaType
from push_relay.core.inbound import multipart
from push_relay.core.inbound.formats.base import Content, Fields, Format
from push_relay.core.inbound.items import Items
from push_relay.core.inbound.media_type import looks_like_json
from push_relay.core.strict_json import JsonObject


class FormData(Format):
    """A form. A sender that attaches files sends multipart, and the same fields url-encoded without files."""

    is_json = False

    #: All fields are the document if the source names none.
    all_fields = True

    def fields(self, content: Content, *, lenient: bool) -> Fields | None:
        """Return the fields of a multipart body; None for another one.

        A strict reading goes by the media type, a lenient one by the body.
        """
        if lenient:
            return (
                multipart.read_fields(content.body, lenient=True)
                if multipart.is_multipart(content.body)
                else None
            )
        if content.media_type.name != multipart.MEDIA_TYPE:
            return None
        multipart.check_boundary(content.body, content.headers.get("content-type", ""))
        return multipart.read_fields(content.body, lenient=False)

    def may_be_form(self, content: Content) -> bool:
        """Return whether a body can be a url-encoded form, which escapes line ends and brackets."""
        body = content.body.strip()
        return not (b"\r" in body or b"\n" in body or looks_like_json(body))

    def read_strictly(self, content: Content) -> JsonObject | Items:
        """Read JSON, by its media type, because programs between a sender and the relay turn forms into it.

        Refuse any other body that is not a form.
        """
        if content.media_type.is_json:
            return super().read_strictly(content)
        raise UnsupportedMediaType("the Content-Type is neither multipart/form-data nor that of a form")

    def read_leniently(self, content: Content) -> JsonObject:
        """Refuse a body that is not a form."""
        del content
        raise MalformedRequest("the body is not a form")
