"""The format `list`: a JSON list, each item of which is an event."""

from push_relay.core.errors import MalformedRequest
from push_relay.core.inbound.formats.base import Content, Format
from push_relay.core.inbound.items import Items
from push_relay.core.strict_json import Json, parse


class JsonList(Format):
    """A list of documents. An object is refused, unlike in the format `json`."""

    def document(self, value: Json, content: Content, *, lenient: bool = False) -> Items:
        """Return the items. Raises MalformedRequest, and PayloadTooLarge for too many."""
        del content, lenient
        return _only_list(value)

    def in_field(self, content: Content, *, lenient: bool) -> Items:
        """Return the items of the list in a form's field."""
        return _only_list(parse(content.body, lenient=lenient))


def _only_list(value: Json) -> Items:
    if not isinstance(value, list):
        raise MalformedRequest("the body is JSON, but not a list")
    return Items.of(value)
