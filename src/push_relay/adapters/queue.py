"""The queue and the dead-letter queue, on SQS."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from push_relay.adapters import aws
from push_relay.core.envelope import EVENT_ATTRIBUTE, SOURCE_ATTRIBUTE, pack
from push_relay.core.errors import QueueUnavailable
from push_relay.core.event import Event

if TYPE_CHECKING:
    from mypy_boto3_sqs.type_defs import MessageAttributeValueTypeDef

#: SQS delays a new message for at most 15 minutes.
MAX_DELAY = 900
#: SQS hides a received message for at most 12 hours, counted from when it was received.
MAX_VISIBILITY = 12 * 3600 - 60
#: SQS takes no more attributes with a message.
MAX_ATTRIBUTES = 10
_REPLAYED = frozenset({EVENT_ATTRIBUTE, SOURCE_ATTRIBUTE})


class SqsQueue:
    """Where events wait, and where those lie that nobody can deliver."""

    def __init__(self, url: str, dead_letter_url: str) -> None:
        self._url = url
        self._dead_letter_url = dead_letter_url

    def put(self, event: Event, delay: float = 0) -> None:
        """Queue an event, to be seen after a delay (seconds). Raises QueueUnavailable, PayloadTooLarge."""
        packed = pack(event)
        self._send(self._url, packed.body, packed.attributes, delay)

    def bury(self, body: str, attributes: Mapping[str, str], error_code: str, event_id: str) -> None:
        """Dead-letter a message as it came, with why and when. Raises QueueUnavailable."""
        why = {
            "error_code": error_code,
            "event_id": event_id,
            "failed_at": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        # What a replay needs goes before whatever else the message brought along.
        brought = sorted(attributes.items(), key=lambda given: given[0] not in _REPLAYED)
        kept = dict(brought[: MAX_ATTRIBUTES - len(why)])
        # SQS takes no empty body.
        self._send(self._dead_letter_url, body or "null", {**kept, **why}, 0)

    def hide(self, receipt_handle: str, delay: float) -> None:
        """Keep a received message out of sight for a while (seconds). Raises QueueUnavailable."""
        seconds = max(0, min(MAX_VISIBILITY, round(delay)))
        self._call(
            "change_message_visibility",
            QueueUrl=self._url,
            ReceiptHandle=receipt_handle,
            VisibilityTimeout=seconds,
        )

    def _send(self, url: str, body: str, attributes: Mapping[str, str], delay: float) -> None:
        given: dict[str, MessageAttributeValueTypeDef] = {
            name: {"DataType": "String", "StringValue": value} for name, value in attributes.items() if value
        }
        self._call(
            "send_message",
            QueueUrl=url,
            MessageBody=body,
            MessageAttributes=given,
            DelaySeconds=max(0, min(MAX_DELAY, round(delay))),
        )

    def _call(self, operation: str, **arguments: Any) -> None:
        from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 (loaded with the client)

        try:
            getattr(aws.sqs(), operation)(**arguments)
        except (BotoCoreError, ClientError) as exc:
            # Botocore's text may quote the message: name the kind of error alone.
            raise QueueUnavailable(f"the queue did not answer ({aws.error_name(exc)})") from None
