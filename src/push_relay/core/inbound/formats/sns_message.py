"""The format `sns`: SNS's notification over HTTP, whose envelope is removed as it is behind a queue."""

from push_relay.core.event import Arrival
from push_relay.core.inbound.envelope import unwrap_http_sns
from push_relay.core.inbound.formats.base import Content, Format
from push_relay.core.strict_json import JsonObject, parse_object


class SnsMessage(Format):
    """SNS's message, which is JSON labelled as text.

    https://docs.aws.amazon.com/sns/latest/dg/sns-http-https-endpoint-as-subscriber.html
    """

    def read_whole(self, content: Content, *, proven: bool) -> JsonObject:
        """Return SNS's message. Its scheme has verified a strict reading, so this reading is strict too."""
        del proven
        return parse_object(content.body)

    def unwrap(self, arrival: Arrival) -> Arrival:
        """Remove SNS's envelope. Raises MalformedRequest."""
        return unwrap_http_sns(arrival)
