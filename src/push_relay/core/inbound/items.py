"""The items of a request that carries several events."""

from collections.abc import Sequence
from typing import NamedTuple

from push_relay.core.errors import MalformedRequest, PayloadTooLarge
from push_relay.core.strict_json import Json, JsonObject

#: Items of one request. No sender that documents a limit sends more than 1,000 events at once, and a hundred
#: calls of SQS, ten events each, take a few of the 29 seconds that `receive` has.
MAX_ITEMS = 1000
#: The member that holds an item which is not an object.
VALUE = "value"


class Unreadable(NamedTuple):
    """An item that cannot be read: its text, and why."""

    text: str
    error: MalformedRequest


type Item = Json | Unreadable


class Items(NamedTuple):
    """The items of a request, in their order. There may be none."""

    values: Sequence[Item]

    @classmethod
    def of(cls, values: Sequence[Item]) -> "Items":
        """Return the items. Raises PayloadTooLarge for too many."""
        if len(values) > MAX_ITEMS:
            raise PayloadTooLarge(f"the body holds more than {MAX_ITEMS} items")
        return cls(values)


def as_document(value: Json) -> JsonObject:
    """Return an item as an event's document, which is always an object."""
    return value if isinstance(value, dict) else {VALUE: value}
