"""Remove the envelope that AWS put round an event: SNS's or EventBridge's, directly or from an SQS queue.

At most one envelope is removed, and only if the transport says that it is one:

    invoked by SNS                   SNS's envelope
    invoked by anything else         EventBridge's envelope
    SQS, with message attributes     no envelope: SNS and EventBridge set none, so a program wrote the body
    SQS, without                     SNS's or EventBridge's envelope if the body has its shape, else none

What is inside is data, whatever it looks like. The one exception has to be configured: an EventBridge event
that a rule published to an SNS topic. `Arrival.enclosed` holds that reading of the message, and
`recognition.py` decides which reading counts.

The envelope's fields become headers for match rules and expressions: `sns-topic`, `sns-subject`,
`eventbridge-source`, `eventbridge-detail-type`, `eventbridge-account`, `eventbridge-region`,
`eventbridge-time`. A message in a queue without an envelope has `sqs-queue`. events/ has a real message of
each shape.
"""

import base64
import json
import re
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any

from push_relay.core.errors import MalformedRequest, PayloadTooLarge, UnknownSource
from push_relay.core.event import Arrival, Event, Replay, digest, safe_id
from push_relay.core.request import MAX_BODY
from push_relay.core.strict_json import QUEUED, JsonObject, parse_object

#: The message attribute that names an event's source.
SOURCE_ATTRIBUTE = "source"
#: The message attributes of a stranger's dead letter and of its replay, which is the same event still, and as
#: old: the id that SQS gave the message first, and when that was (milliseconds since the epoch).
ORIGIN_ATTRIBUTE = "push-relay-origin-id"
SENT_ATTRIBUTE = "push-relay-origin-sent"
#: The message attribute of a stranger's dead letter that has lost its attributes, because all were binary.
#: Its body was no envelope of AWS's, and must not become one when it is sent again.
DATA_ATTRIBUTE = "push-relay-origin-data"
#: The message attribute of what `receive` has queued: verified and validated already.
EVENT_ATTRIBUTE = "push-relay-event"
#: The message attributes of a parked event: which attempt comes next, and when (seconds since the epoch).
ATTEMPT_ATTRIBUTE = "attempt"
DUE_ATTRIBUTE = "due"
#: The message attribute that says to people why an event is parked, or dead. Nothing is decided by it.
REASON_ATTRIBUTE = "error_code"
_PLAIN, _COMPRESSED = "1", "1+zlib"
#: Bytes of a message's body: SQS takes 1 MiB with the attributes.
MAX_MESSAGE = 1024 * 1024 - 4096
#: Bytes of an event, decompressed: a body at its largest, each character escaped.
_MAX_EVENT = 6 * MAX_BODY + 4096

#: Message attributes that are not the sender's own: those of the relay's dead letters, and those that SNS and
#: EventBridge set when they move a message to a dead-letter queue. A person may send both here again.
#: https://docs.aws.amazon.com/sns/latest/dg/sns-dead-letter-queues.html
#: https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-rule-dlq.html
_NOT_THE_SENDERS = frozenset(
    {
        *(ORIGIN_ATTRIBUTE, SENT_ATTRIBUTE, REASON_ATTRIBUTE, "event_id", "failed_at"),
        *("RequestID", "ErrorCode", "ErrorMessage"),
        *("RULE_ARN", "TARGET_ARN", "ERROR_CODE", "ERROR_MESSAGE"),
        *("EXHAUSTED_RETRY_CONDITION", "RETRY_ATTEMPTS"),
    }
)
#: Seconds since the epoch that no clock shows.
_NO_MOMENT = 1e11
_MILLISECONDS = re.compile(r"[0-9]{1,15}")
_EVENTBRIDGE_HEADERS = ("source", "detail-type", "account", "region", "time")
#: What SNS sends to an endpoint beside notifications.
_SUBSCRIPTION_TYPES = ("SubscriptionConfirmation", "UnsubscribeConfirmation")


@dataclass(frozen=True, slots=True)
class Packed:
    """An event as a queue message, with the attributes by which `unwrap_sqs` knows it."""

    body: str
    attributes: Mapping[str, str]


_SELDOM: Mapping[str, object] = {"only": (), "skip": (), "replay": Replay.NO, "replay_id": ""}


def pack(event: Event) -> Packed:
    """Write an event as a queue message, compressed where it would not fit.

    ASCII, since SQS refuses some characters that JSON allows. What few events have is left out of the others,
    so that a version which does not know it reads them: while one is deployed, or taken back. Raises
    PayloadTooLarge.
    """
    document = asdict(event)
    for name, default in _SELDOM.items():
        if document[name] == default:
            del document[name]
    body, version = json.dumps(document, separators=(",", ":")), _PLAIN
    if len(body) > MAX_MESSAGE:
        body, version = base64.b64encode(zlib.compress(body.encode("ascii"))).decode("ascii"), _COMPRESSED
    if len(body) > MAX_MESSAGE:
        raise PayloadTooLarge("the event is larger than a queue message can hold, compressed too")
    return Packed(body, {EVENT_ATTRIBUTE: version, SOURCE_ATTRIBUTE: event.source})


def unwrap_sqs(record: Mapping[str, Any]) -> Event | Arrival:
    """Return the event that `receive` queued, or what another sender put into the queue.

    Raises MalformedRequest, and UnknownSource for SNS's message about a subscription.
    """
    body = _content(record.get("body"))
    attributes = sqs_attributes(record)
    match attributes.get(EVENT_ATTRIBUTE):
        case "1":
            return _unpack(body)
        case "1+zlib":
            return _unpack(_decompressed(body))
    document, sent_at = parse_object(body, lenient=True), _sent_at(record)
    if not has_own_attributes(_mapping(record.get("messageAttributes"))):
        _check_subscription(document)
        if _is_sns(document):
            return _from_sns(document, sent_at)
        if _is_eventbridge(document):
            return _from_eventbridge(document, sent_at)
    message_id = _MessageId.of("SQS", attributes.get(ORIGIN_ATTRIBUTE) or record.get("messageId"), body)
    queue = _text(record.get("eventSourceARN"))
    headers = {"sqs-queue": queue} if queue else {}
    return _arrival(message_id, document, sent_at, headers, attributes.get(SOURCE_ATTRIBUTE))


def origin(record: Mapping[str, Any]) -> dict[str, str]:
    """Return the attributes by which an SQS record, sent anew, is the same event and as old as it was."""
    sent = _sent_at(record)
    texts = sqs_attributes(record)
    is_data = has_own_attributes(_mapping(record.get("messageAttributes"))) and not has_own_attributes(texts)
    kept = {
        ORIGIN_ATTRIBUTE: texts.get(ORIGIN_ATTRIBUTE) or _text(record.get("messageId")),
        SENT_ATTRIBUTE: str(round(sent * 1000)) if sent else "",
        DATA_ATTRIBUTE: "1" if is_data else "",
    }
    return {name: value for name, value in kept.items() if value}


def _sent_at(record: Mapping[str, Any]) -> float:
    """Return when a record was first sent (seconds since the epoch); 0 where nobody says.

    Where a replay claims another moment than SQS's own, the earlier counts: a claim makes nobody younger.
    """
    sqs_says = _text(_mapping(record.get("attributes")).get("SentTimestamp"))
    moments = (sqs_says, sqs_attributes(record).get(SENT_ATTRIBUTE, ""))
    told = [int(moment) / 1000 for moment in moments if _MILLISECONDS.fullmatch(moment)]
    return min(filter(None, told), default=0.0)


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
    """Return the event with which EventBridge invoked the function. Raises MalformedRequest."""
    # Lambda's runtime has parsed it and accepts more than JSON has, so it is parsed again.
    event = parse_object(_written(document), lenient=True)
    if not _is_eventbridge(event, ("id", "source", "detail-type")):
        raise MalformedRequest(
            "the invocation is neither from SQS nor from SNS, and it is no EventBridge event"
        )
    return _from_eventbridge(event, 0.0)


def has_own_attributes(names: Iterable[str]) -> bool:
    """Return whether a message in a queue has attributes of its sender's, given all attributes' names.

    SNS without raw delivery, EventBridge and Lambda's destinations set none.
    """
    return not _NOT_THE_SENDERS.issuperset(names)


def sqs_attributes(record: Mapping[str, Any]) -> dict[str, str]:
    """Return an SQS record's message attributes that are texts."""
    attributes = _mapping(record.get("messageAttributes"))
    return {
        name: value
        for name, given in attributes.items()
        if (value := _text(_mapping(given).get("stringValue")))
    }


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


def _is_topic(value: object) -> bool:
    return isinstance(value, str) and value.startswith("arn:") and ":sns:" in value


def _check_subscription(document: Mapping[str, Any]) -> None:
    """Raise UnknownSource for SNS's message about a subscription, which is no event.

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
    content = _content(document["Message"])
    headers = {"sns-topic": document["TopicArn"], "sns-subject": _text(document.get("Subject"))}
    arrival = _arrival(
        _MessageId.of("SNS", document["MessageId"], content),
        parse_object(content, lenient=True),
        sent_at or _moment(document.get("Timestamp")),
        headers,
        _text(_mapping(own.get(SOURCE_ATTRIBUTE)).get("Value")) or None,
    )
    event = arrival.data
    if own or not _is_eventbridge(event):
        return arrival
    # Identity and age stay SNS's: the event's own id and time are words of whoever wrote the message.
    enclosed = replace(arrival, data=event["detail"], headers=headers | _eventbridge_headers(event))
    return replace(arrival, enclosed=enclosed)


def _from_eventbridge(event: JsonObject, sent_at: float) -> Arrival:
    detail = event["detail"]
    # Sorted and without spaces, so that an event is the same one whether it came through a queue or not.
    content = json.dumps(detail, sort_keys=True, separators=(",", ":")).encode("ascii")
    return _arrival(
        _MessageId.of("EventBridge", event["id"], content),
        detail,
        sent_at or _moment(event.get("time")),
        _eventbridge_headers(event),
    )


def _eventbridge_headers(event: JsonObject) -> dict[str, str]:
    return {f"eventbridge-{key}": _text(event.get(key)) for key in _EVENTBRIDGE_HEADERS}


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
        return cls(service, message_id, digest(content))


def _arrival(
    message_id: _MessageId,
    document: JsonObject,
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
        data=document,
        headers=headers or {},
        query={},
        received_at=received_at,
        fallback_id=event_id,
        identity=f"{message_id.service}:{message_id.id}:{message_id.content_sha256}",
        correlation_id=event_id,
    )


def _decompressed(body: bytes) -> bytes:
    unfolding = zlib.decompressobj()
    try:
        content = unfolding.decompress(base64.b64decode(body, validate=True), _MAX_EVENT)
    except (ValueError, zlib.error):
        raise _not_ours() from None
    if not unfolding.eof:
        raise _not_ours()
    return content


def _not_ours() -> MalformedRequest:
    return MalformedRequest("the message is not an event that the relay queued")


def _unpack(body: bytes) -> Event:
    """Read back what `pack` wrote; a message that bears the attribute and is something else is malformed."""
    fields = parse_object(body, limits=QUEUED)
    try:
        event = Event(**fields)
        only, skip, replay = tuple(event.only), tuple(event.skip), Replay(event.replay)
    except (TypeError, ValueError):
        raise _not_ours() from None
    if not all(_fits(event)):
        raise _not_ours()
    # Whoever may write to the queue may write anything: what is logged is made safe here too.
    return replace(
        event,
        id=safe_id(event.id, "-"),
        correlation_id=safe_id(event.correlation_id, "-"),
        only=only,
        skip=skip,
        replay=replay,
    )


def _fits(event: Event) -> Iterator[bool]:
    texts = (event.source, event.id, event.type or "", event.identity, event.correlation_id, event.replay_id)
    yield all(isinstance(text, str) for text in texts)
    # Absent from what an older version has queued, it is the default, a tuple.
    key_lists: tuple[object, ...] = (event.only, event.skip)
    for keys in key_lists:
        yield isinstance(keys, list | tuple) and all(isinstance(key, str) for key in keys)
    yield all(isinstance(table, dict) for table in (event.data, event.headers, event.query))
    received_at: object = event.received_at
    yield isinstance(received_at, int | float) and abs(received_at) < _NO_MOMENT


def _content(value: object) -> bytes:
    if not isinstance(value, str) or not value:
        raise MalformedRequest("the message has no body")
    try:
        return value.encode("utf-8")
    except UnicodeEncodeError:
        raise MalformedRequest("the message holds half of a surrogate pair") from None


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
