"""Remove the envelope that AWS put round an event: SNS's or EventBridge's, directly or from an SQS queue.

At most one envelope is removed, and only if the transport shows that it is one:

    invoked by SNS                   SNS's envelope
    invoked by anything else         EventBridge's envelope, or that of a CloudWatch alarm's action
    SQS, with message attributes     no envelope: SNS and EventBridge set none, so a program wrote the body
    SQS, without                     SNS's or EventBridge's envelope if the body has its shape, else none

The content is data, even if it looks like an envelope, and even if it is plain text (`message_text.py`). The
one exception has to be configured: an EventBridge event that a rule published to an SNS topic.
`Arrival.enclosed` holds that reading of the message, and `recognition.py` decides which reading counts.

The envelope's fields become headers for match rules and expressions: `sns-topic`, `sns-subject`,
`eventbridge-source`, `eventbridge-detail-type`, `eventbridge-account`, `eventbridge-region`,
`eventbridge-time`, and `eventbridge-resources` if the event names some. A message in a queue with neither an
envelope nor attributes has `sqs-queue`. events/ has a real message of each shape.
"""

import json
import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, NamedTuple

from push_relay.core.errors import MalformedRequest, UnknownSource
from push_relay.core.event import Arrival, Event, safe_id, sha256_hex
from push_relay.core.queue_format import (
    COMPRESSED,
    EVENT_ATTRIBUTE,
    PLAIN,
    QUEUE_ATTRIBUTE,
    SOURCE_ATTRIBUTE,
    UNREADABLE_ATTRIBUTE,
    has_own_attributes,
    message_id,
    sent_at,
    sqs_attributes,
    unpack,
)
from push_relay.core.quick_dataclass import dataclass, replace
from push_relay.core.strict_json import JsonObject, parse_object, replace_half_pairs

_EVENTBRIDGE_HEADERS = ("source", "detail-type", "account", "region", "time")
#: Resources of an EventBridge event whose ARNs a header has.
_MOST_RESOURCES = 10
#: The messages that SNS sends to an endpoint beside notifications.
_SUBSCRIPTION_TYPES = ("SubscriptionConfirmation", "UnsubscribeConfirmation")


def unwrap_sqs(record: Mapping[str, Any]) -> Event | Arrival:
    """Return the event that `receive` queued, or what another sender put into the queue.

    Raises MalformedRequest, and UnknownSource for SNS's message about a subscription.
    """
    text = _content(record.get("body"))
    attributes = sqs_attributes(record)
    if (version := attributes.get(EVENT_ATTRIBUTE)) in (PLAIN, COMPRESSED):
        return unpack(text.encode("utf-8"), version)
    if UNREADABLE_ATTRIBUTE in attributes:
        raise MalformedRequest("the item was kept because it cannot be read")
    content, first_sent = read(text), sent_at(record)
    headers: dict[str, str] = {}
    if not has_own_attributes(_mapping(record.get("messageAttributes"))):
        _check_subscription(content.document)
        if _is_sns(content.document):
            return _from_sns(content.document, first_sent)
        if _is_eventbridge(content.document):
            return _from_eventbridge(content.document, first_sent)
        queue = attributes.get(QUEUE_ATTRIBUTE) or _text(record.get("eventSourceARN"))
        headers = {"sqs-queue": queue} if queue else {}
    own_id = _MessageId.of("SQS", message_id(record), text.encode("utf-8"))
    return _arrival(own_id, content, first_sent, headers, attributes.get(SOURCE_ATTRIBUTE))


def unwrap_sns(record: Mapping[str, Any]) -> Arrival:
    """Return the message with which SNS invoked the function. Raises MalformedRequest."""
    return _from_sns({**_mapping(record.get("Sns")), "Type": "Notification"}, 0.0)


def unwrap_http_sns(arrival: Arrival) -> Arrival:
    """Remove SNS's envelope from a webhook that its scheme has verified. Raises MalformedRequest.

    Message attributes are ignored, because SNS does not sign them.
    """
    notification = {name: value for name, value in arrival.data.items() if name != "MessageAttributes"}
    inner = _from_sns(notification, 0.0)
    enclosed = inner.enclosed and _as_webhook(arrival, inner.enclosed)
    return replace(_as_webhook(arrival, inner), enclosed=enclosed)


def _as_webhook(arrival: Arrival, inner: Arrival) -> Arrival:
    return replace(arrival, data=inner.data, headers=inner.headers, fallback_id=inner.fallback_id)


def unwrap_eventbridge(document: Mapping[str, Any]) -> Arrival:
    """Return the event with which EventBridge or a CloudWatch alarm invoked the function.

    Raises MalformedRequest.
    """
    # Lambda's runtime has parsed it and accepts more than JSON has, so it is parsed again.
    event = parse_object(_written(document), lenient=True)
    if _is_alarm_action(event):
        event = _as_eventbridge(event)
    if not _is_eventbridge(event, ("id", "source", "detail-type")):
        raise MalformedRequest(
            "the invocation is neither from SQS nor from SNS, and it is neither an EventBridge event nor the "
            "action of a CloudWatch alarm"
        )
    return _from_eventbridge(event, 0.0)


def _is_sns(document: Mapping[str, Any]) -> bool:
    """Return whether a document has the shape of SNS's envelope.

    https://docs.aws.amazon.com/sns/latest/dg/sns-message-and-json-formats.html
    """
    texts = all(isinstance(document.get(key), str) for key in ("MessageId", "Message"))
    return texts and document.get("Type") == "Notification" and _is_topic(document.get("TopicArn"))


def _is_eventbridge(document: Mapping[str, Any], keys: Iterable[str] = ("id", *_EVENTBRIDGE_HEADERS)) -> bool:
    """Return whether a document has the shape of EventBridge's envelope; by default all fields of an event.

    https://docs.aws.amazon.com/eventbridge/latest/ref/overiew-event-structure.html
    """
    return all(isinstance(document.get(key), str) for key in keys) and isinstance(
        document.get("detail"), dict
    )


def _is_alarm_action(document: Mapping[str, Any]) -> bool:
    """Return whether a document is the one with which an alarm's action invokes a function.

    https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarms-and-actions-Lambda.html
    """
    return document.get("source") == "aws.cloudwatch" and isinstance(document.get("alarmData"), dict)


def _as_eventbridge(action: JsonObject) -> JsonObject:
    """Return an alarm's action as the EventBridge event of the same change, which has the same detail.

    An action has no id. Its hash is the same if Lambda invokes the function again.
    """
    content = json.dumps(action, sort_keys=True, separators=(",", ":")).encode("ascii")
    return {
        "id": sha256_hex(content)[:32],
        "source": action["source"],
        "detail-type": "CloudWatch Alarm State Change",
        "account": action.get("accountId"),
        "region": action.get("region"),
        "time": action.get("time"),
        "detail": action["alarmData"],
    }


def _is_topic(value: object) -> bool:
    return isinstance(value, str) and value.startswith("arn:") and ":sns:" in value


def _check_subscription(document: Mapping[str, Any]) -> None:
    """Raise UnknownSource for SNS's message about a subscription, which is not an event.

    https://docs.aws.amazon.com/sns/latest/dg/sns-subscription-confirmation-json.html
    """
    if document.get("Type") in _SUBSCRIPTION_TYPES and _is_topic(document.get("TopicArn")):
        raise UnknownSource(
            "an SNS subscription of this queue waits to be confirmed: if it is yours, call "
            "`aws sns confirm-subscription` with the TopicArn and the Token of this message"
            if document.get("Type") == "SubscriptionConfirmation"
            else "SNS has removed a subscription of this queue: subscribe it again if that was a mistake"
        )


def _from_sns(document: JsonObject, sent_at: float) -> Arrival:
    """Remove SNS's envelope; `enclosed` is the same message with EventBridge's envelope removed too.

    A message with message attributes is a publisher's own: an EventBridge rule sets none.
    """
    if not _is_sns(document):
        raise MalformedRequest("the message is not an SNS notification with an id, a topic and a text")
    own = _mapping(document.get("MessageAttributes"))
    text, subject = _content(document["Message"]), replace_half_pairs(_text(document.get("Subject")))
    headers = {"sns-topic": document["TopicArn"], "sns-subject": subject}
    arrival = _arrival(
        _MessageId.of("SNS", document["MessageId"], text.encode("utf-8")),
        read(text, subject),
        sent_at or _moment(document.get("Timestamp")),
        headers,
        _text(_mapping(own.get(SOURCE_ATTRIBUTE)).get("Value")) or None,
    )
    event = arrival.data
    if own or not _is_eventbridge(event):
        return arrival
    # Identity and age stay SNS's, because the author of the message wrote the event's own id and time.
    enclosed = replace(arrival, data=event["detail"], headers=headers | _eventbridge_headers(event))
    return replace(arrival, enclosed=enclosed)


def _from_eventbridge(event: JsonObject, sent_at: float) -> Arrival:
    detail = event["detail"]
    # Sorted and without spaces, so that an event is the same one whether it came through a queue or not.
    content = json.dumps(detail, sort_keys=True, separators=(",", ":")).encode("ascii")
    return _arrival(
        _MessageId.of("EventBridge", event["id"], content),
        MessageContent(detail),
        sent_at or _moment(event.get("time")),
        _eventbridge_headers(event),
    )


def _eventbridge_headers(event: JsonObject) -> dict[str, str]:
    headers = {f"eventbridge-{key}": _text(event.get(key)) for key in _EVENTBRIDGE_HEADERS}
    listed = event.get("resources")
    resources = [each for each in (listed if isinstance(listed, list) else []) if isinstance(each, str)]
    if resources:
        headers["eventbridge-resources"] = ", ".join(resources[:_MOST_RESOURCES])
    return headers


class MessageContent(NamedTuple):
    """A message's content as a document.

    malformed  the reason for which it is refused if no source takes it; empty for a JSON object
    """

    document: JsonObject
    malformed: str = ""


def read(text: str, subject: str = "") -> MessageContent:
    """Return the content of a message. Raises MalformedRequest and PayloadTooLarge."""
    if re.match(r"[\ufeff\s]*\{", text):
        return MessageContent(parse_object(text.encode("utf-8"), lenient=True))
    # Imported here: most messages are JSON objects.
    from push_relay.core.inbound.message_text import read_document  # noqa: PLC0415

    return read_document(text, subject)


@dataclass(frozen=True, slots=True)
class _MessageId:
    """The id that a service gave a message, and the message's hash."""

    service: str
    id: str
    content_sha256: str

    @classmethod
    def of(cls, service: str, message_id: object, content: bytes) -> "_MessageId":
        """Raise MalformedRequest without an id: a repetition could not be recognised."""
        if not isinstance(message_id, str) or not message_id:
            raise MalformedRequest(f"the {service} message has no id")
        return cls(service, message_id, sha256_hex(content))


def _arrival(
    message_id: _MessageId,
    content: MessageContent,
    received_at: float,
    headers: Mapping[str, str] | None = None,
    source: str | None = None,
) -> Arrival:
    """Make the arrival of a message.

    Its identity includes the content's hash. A program that may send to the queue can write any id, and so
    can the publisher of a topic with raw delivery; a forged id can only collide with the very same content.
    """
    event_id = safe_id(message_id.id, "-")
    return Arrival(
        source=source,
        data=content.document,
        headers=headers or {},
        query={},
        received_at=received_at,
        fallback_id=event_id,
        identity=f"{message_id.service}:{message_id.id}:{message_id.content_sha256}",
        correlation_id=event_id,
        malformed=content.malformed,
    )


def _content(value: object) -> str:
    """Return a message's content. IAM knows who sent it, so half of a surrogate pair is replaced."""
    if not isinstance(value, str) or not value:
        raise MalformedRequest("the message has no body")
    return replace_half_pairs(value)


def _written(document: Mapping[str, Any]) -> bytes:
    try:
        return json.dumps(document).encode("ascii")
    except (TypeError, ValueError, RecursionError):
        raise MalformedRequest("the invocation is not JSON") from None


def _moment(value: object) -> float:
    try:
        return datetime.fromisoformat(_text(value)).timestamp()
    except (ValueError, OverflowError):
        return 0.0


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
