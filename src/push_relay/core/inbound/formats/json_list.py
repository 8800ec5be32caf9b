"""The format `list`: a JSON list, each item of which is an event."""

from push_relay.core.errors import MalformedRequest
from push_relay.core.inbound.formats.base import Content, Format
from push_relay.core.inbound.items import Items
from push_relay.core.strict_json import Json


class JsonList(Format):
    """A list of documents. An object is refused, unlike in the format `json`."""

    def document(self, value: Json, content: Content, *, lenient: bool = False) -> Items:
        """Return the items. Raises MalformedRequest, and PayloadTooLarge for too many."""
        del content, lenient
        if not isinstance(value, list):
            raise MalformedRequest("the body is JSON, but not a list")
        return Items.of(value)
