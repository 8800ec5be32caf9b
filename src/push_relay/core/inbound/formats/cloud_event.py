"""The format `cloudevents`: a CloudEvent of either content mode, or a batch of structured ones.

`inbound/cloudevents.py` reads them.
"""

from collections.abc import Iterable, Sequence

from push_relay.core.errors import UnsupportedMediaType
from push_relay.core.inbound import cloudevents
from push_relay.core.inbound.formats.base import Content, Format, only_object
from push_relay.core.inbound.items import Items
from push_relay.core.strict_json import Json, JsonObject


class CloudEvent(Format):
    """A CloudEvent in the structured or the binary content mode, or a batch."""

    def read_whole(self, content: Content, *, proven: bool) -> JsonObject | None:
        """Return an event of the binary content mode; None for the structured mode and for a batch.

        A proof of the body does not cover the headers, so they must not make another event of a batch.
        """
        if not cloudevents.is_binary(content.headers) or (proven and cloudevents.is_batch(content.body)):
            return None
        return cloudevents.binary_event(content.body, content.headers, lenient=proven)

    def check_media_type(self, content: Content) -> None:
        """Raise UnsupportedMediaType unless the body is labelled as a structured CloudEvent."""
        if content.media_type.name not in (cloudevents.STRUCTURED, cloudevents.BATCH):
            raise _no_cloudevent()

    def document(self, value: Json, content: Content, *, lenient: bool = False) -> JsonObject | Items:
        """Return the event or the batch. In a lenient reading, its attributes are enough to recognise it.

        A strict reading accepts a list only as a batch, and a batch only as a list.
        """
        is_batch = content.media_type.name == cloudevents.BATCH
        if isinstance(value, list) and (is_batch or lenient):
            if not is_batch and not all(
                isinstance(event, dict) and "specversion" in event for event in value
            ):
                raise _no_cloudevent()
            return Items.of(
                [
                    cloudevents.structured_event(event, lenient=lenient) if isinstance(event, dict) else event
                    for event in value
                ]
            )
        if is_batch and not lenient:
            raise _no_cloudevent()
        event = only_object(value)
        if "specversion" not in event and content.media_type.name != cloudevents.STRUCTURED:
            raise _no_cloudevent()
        return cloudevents.structured_event(event, lenient=lenient)

    def own_identity(self, data: JsonObject) -> list[object] | None:
        """Return its source and id (https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/spec.md#id).

        None if one is missing, although both are required: events without them are different events.
        """
        named = [data.get("source"), data.get("id")]
        return named if all(isinstance(value, str) for value in named) else None

    def moved(self, steps: Sequence[str]) -> Iterable[Sequence[str]]:
        """Return the place in the event, or in its data if the body is the data (binary content mode)."""
        return (steps, ("data", *steps))

    def becomes_data(self, header: str) -> bool:
        """Return whether a header is an attribute of the binary content mode."""
        return header.startswith("ce-")


def _no_cloudevent() -> UnsupportedMediaType:
    return UnsupportedMediaType(
        "the body is not a CloudEvent: application/cloudevents+json (or -batch+json) or ce- headers"
    )
