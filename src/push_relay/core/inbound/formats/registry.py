"""The formats by the names that `[event] format` of a source uses."""

from push_relay.core.inbound.formats.base import Format
from push_relay.core.inbound.formats.cloud_event import CloudEvent
from push_relay.core.inbound.formats.list_of_one import ListOfOne
from push_relay.core.inbound.formats.sns_message import SnsMessage

#: The format of a source that configures none.
DEFAULT_FORMAT = "json"
FORMATS: dict[str, Format] = {
    DEFAULT_FORMAT: Format(),
    "cloudevents": CloudEvent(),
    "list-of-one": ListOfOne(),
    "sns": SnsMessage(),
}
