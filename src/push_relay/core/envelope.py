"""Unwrap whatever AWS put round an event: SQS, SNS, EventBridge, and one inside the other.

What an envelope says becomes headers, by which match rules and expressions can go on:
`sns-topic`, `sns-subject`, `eventbridge-source`, `eventbridge-detail-type`, `eventbridge-account`,
`eventbridge-region`, `eventbridge-time`. Real ones of each shape lie in events/.
"""

import base64
import json
import re
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from typing import Any

from push_relay.core.errors import AmbiguousSource, MalformedRequest, PayloadTooLarge
from push_relay.core.event import Arrival, Event, Replay, digest, safe_id
from push_relay.core.request import MAX_BODY
from push_relay.core.strict_json import JsonObject, parse_object

#: Envelopes inside envelopes: EventBridge in SNS in SQS is three.
MAX_NESTING = 4
#: The message attribute that names an event's source.
SOURCE_ATTRIBUTE = "source"
#: The message attributes of a stranger's dead letter and of its replay, which is the same event still, and as
#: old: the id that SQS gave the message first, and when that was (milliseconds since the epoch).
ORIGIN_ATTRIBUTE = "push-relay-origin-id"
SENT_ATTRIBUTE = "push-relay-origin-sent"
#: The message attribute of what `receive` has queued: verified and validated already.
EVENT_ATTRIBUTE = "push-relay-event"
#: The message attributes of a parked event: which attempt comes next, and when (seconds since the epoch).
ATTEMPT_ATTRIBUTE = "attempt"
DUE_ATTRIBUTE = "due"
#: The message attribute of a copy that the relay has queued: how often the function died on the message.
CRASHES_ATTRIBUTE = "push-relay-crashes"
#: The message attribute that says to people why an event is parked, or dead. Nothing is decided by it.
REASON_ATTRIBUTE = "error_code"
_PLAIN, _COMPRESSED = "1", "1+zlib"
#: Bytes of a message's body: SQS takes 1 MiB with the attributes.
MAX_MESSAGE = 1024 * 1024 - 4096
#: Bytes of an event, decompressed: a body at its largest, each character escaped.
_MAX_EVENT = 6 * MAX_BODY + 4096

#: Seconds since the epoch that no clock shows.
_NO_MOMENT = 1e11
_MILLISECONDS = re.compile(r"[0-9]{1,15}")
_EVENTBRIDGE_KEYS = ("source", "detail-type", "account", "region", "time")


@dataclass(slots=True)
class _Wrapping:
    """What the envelopes said, from the outermost in."""

    source: str | None = None
    received_at: float = 0.0
    service: str = ""
    message_id: str = ""
    identity: str = ""
    headers: dict[str, str] = field(default_factory=dict)

    def named(self, service: str, message_id: object) -> None:
        """Note the id that a service gave: the innermost is the event's, since the outer ones repeat it."""
        self.service, self.message_id = service, _text(message_id)
        self.identity = f"{service}:{self.message_id}"
        if not self.message_id:
            raise MalformedRequest(f"the {service} envelope has no message id")


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
    """Return the event that `receive` queued, or what somebody else sent. Raises MalformedRequest."""
    body = _content(record.get("body"))
    attributes = sqs_attributes(record)
    match attributes.get(EVENT_ATTRIBUTE):
        case "1":
            return _unpack(body)
        case "1+zlib":
            return _unpack(_decompressed(body))
    wrapping = _Wrapping(source=attributes.get(SOURCE_ATTRIBUTE), received_at=_sent_at(record))
    wrapping.named("SQS", attributes.get(ORIGIN_ATTRIBUTE) or record.get("messageId"))
    # Whoever may send to the queue may claim any origin, so an id alone would let them have another's event
    # taken for a duplicate. With the body's digest a claim holds for the same words only: the same push.
    wrapping.identity += f":{digest(body)}"
    return _arrival(parse_object(body), wrapping)


def origin(record: Mapping[str, Any]) -> dict[str, str]:
    """Return the attributes by which an SQS record, sent anew, is the same event and as old as it was."""
    sent = _sent_at(record)
    told = {
        ORIGIN_ATTRIBUTE: sqs_attributes(record).get(ORIGIN_ATTRIBUTE) or _text(record.get("messageId")),
        SENT_ATTRIBUTE: str(round(sent * 1000)) if sent else "",
    }
    return {name: value for name, value in told.items() if value}


def _sent_at(record: Mapping[str, Any]) -> float:
    """Return when a record was first sent (seconds since the epoch); 0 where nobody says.

    Where a replay claims another moment than SQS's own, the earlier counts: a claim makes nobody younger.
    """
    sqs_says = _text(_mapping(record.get("attributes")).get("SentTimestamp"))
    moments = (sqs_says, sqs_attributes(record).get(SENT_ATTRIBUTE, ""))
    told = [int(moment) / 1000 for moment in moments if _MILLISECONDS.fullmatch(moment)]
    return min(filter(None, told), default=0.0)


def unwrap_sns(record: Mapping[str, Any]) -> Arrival:
    """Return what SNS invoked the function with. Raises MalformedRequest."""
    return _arrival({**_mapping(record.get("Sns")), "Type": "Notification"}, _Wrapping())


def unwrap_http_sns(arrival: Arrival) -> Arrival:
    """Take SNS's envelope off a webhook whose scheme has verified it. Raises MalformedRequest.

    Only what is signed counts: not the message attributes.
    """
    notification = {name: value for name, value in arrival.data.items() if name != "MessageAttributes"}
    inner = _arrival(notification, _Wrapping())
    return replace(arrival, data=inner.data, headers=inner.headers, fallback_id=inner.fallback_id)


def unwrap_eventbridge(document: Mapping[str, Any]) -> Arrival:
    """Return what EventBridge invoked the function with. Raises MalformedRequest."""
    # Lambda's runtime has read it, and reads more than the relay does: it is read again, strictly.
    return _arrival(parse_object(_written(document)), _Wrapping())


def sqs_attributes(record: Mapping[str, Any]) -> dict[str, str]:
    """Return an SQS record's message attributes that are texts."""
    attributes = _mapping(record.get("messageAttributes"))
    return {
        name: value
        for name, given in attributes.items()
        if (value := _text(_mapping(given).get("stringValue")))
    }


def is_eventbridge(document: Mapping[str, Any]) -> bool:
    """Tell whether a document is an EventBridge envelope."""
    return "detail" in document and isinstance(document.get("detail-type"), str) and "source" in document


def _is_sns(document: Mapping[str, Any]) -> bool:
    return document.get("Type") == "Notification" and "TopicArn" in document and "Message" in document


def _arrival(document: JsonObject, wrapping: _Wrapping) -> Arrival:
    for _ in range(MAX_NESTING):
        if _is_sns(document):
            document = _unwrap_notification(document, wrapping)
        elif is_eventbridge(document):
            document = _unwrap_detail(document, wrapping)
        else:
            if not wrapping.service:
                raise MalformedRequest("the message has none of the envelopes that AWS puts round an event")
            event_id = safe_id(wrapping.message_id, "-")
            return Arrival(
                source=wrapping.source,
                data=document,
                headers=wrapping.headers,
                query={},
                received_at=wrapping.received_at,
                fallback_id=event_id,
                identity=wrapping.identity,
                correlation_id=event_id,
            )
    raise MalformedRequest(f"the message has more than {MAX_NESTING} envelopes")


def _unwrap_notification(document: JsonObject, wrapping: _Wrapping) -> JsonObject:
    """Take a notification off (https://docs.aws.amazon.com/sns/latest/dg/sns-message-and-json-formats.html)."""
    attribute = _mapping(_mapping(document.get("MessageAttributes")).get(SOURCE_ATTRIBUTE)).get("Value")
    if isinstance(attribute, str) and attribute:
        if wrapping.source not in (None, attribute):
            raise AmbiguousSource("the message's envelopes name different sources")
        wrapping.source = attribute
    wrapping.headers["sns-topic"] = _text(document.get("TopicArn"))
    wrapping.headers["sns-subject"] = _text(document.get("Subject"))
    wrapping.named("SNS", document.get("MessageId"))
    wrapping.received_at = wrapping.received_at or _moment(document.get("Timestamp"))
    return parse_object(_content(document.get("Message")))


def _unwrap_detail(document: JsonObject, wrapping: _Wrapping) -> JsonObject:
    """Take the envelope off (https://docs.aws.amazon.com/eventbridge/latest/ref/overiew-event-structure.html)."""
    for key in _EVENTBRIDGE_KEYS:
        wrapping.headers[f"eventbridge-{key}"] = _text(document.get(key))
    wrapping.named("EventBridge", document.get("id"))
    wrapping.received_at = wrapping.received_at or _moment(document.get("time"))
    detail = document["detail"]
    if not isinstance(detail, dict):
        raise MalformedRequest("the EventBridge event's detail is not an object")
    return detail


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
    fields = parse_object(body)
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
