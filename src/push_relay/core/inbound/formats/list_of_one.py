"""The format `list-of-one`: a JSON list of one object, as Azure Event Grid sends it."""

from collections.abc import Iterable, Sequence

from push_relay.core.errors import MalformedRequest
from push_relay.core.inbound.formats.base import Content, Format
from push_relay.core.strict_json import Json, JsonObject


class ListOfOne(Format):
    """A list that holds the one document."""

    def document(self, value: Json, content: Content, *, lenient: bool = False) -> JsonObject:
        """Return the list's only object. Raises MalformedRequest."""
        del content, lenient
        match value:
            case [dict() as only]:
                return only
            case _:
                raise MalformedRequest(
                    "the body is not a list of one object: switch the sender's batching off"
                )

    def moved(self, steps: Sequence[str]) -> Iterable[Sequence[str]]:
        """Return the place in the list's only object."""
        return (steps[1:],)
