"""The relay's own messages in its queues: this module alone writes and reads them.

A message is an event as JSON (`pack`, `unpack`) with message attributes. This is version 1 of the format. The
version before wrote the same attributes, so either version reads the other's messages. A new attribute is
optional, and has to be ignored by a version that does not know it.

| attribute                 | messages             | value |
|---------------------------|----------------------|---|
| `push-relay-event`        | queued, parked, dead | `1`: JSON; `1+zlib`: JSON, compressed, in base64 |
| `source`                  | all                  | the name of the event's source |
| `attempt`                 | parked               | the number of the next attempt, from 1 |
| `due`                     | parked               | not to be handled before this time, seconds since epoch |
| `error_code`              | parked, dead         | why; for people, no code decides by it |
| `event_id`                | dead                 | the event's id; for people |
| `failed_at`               | dead                 | when it was dead-lettered, ISO 8601; for people |
| `push-relay-crashes`      | copied               | how often the function had it without answering |
| `push-relay-unreadable`   | of others            | `1` if it cannot be read: it is rejected unread |
| `push-relay-origin-id`    | of others            | the id that SQS first gave the message |
| `push-relay-origin-sent`  | of others            | when it was first sent, milliseconds since the epoch |
| `push-relay-origin-queue` | of others            | the ARN of the queue to which it was sent |
| `push-relay-origin-data`  | of others            | `1` if all its own attributes were binary and were lost |

A message without `push-relay-event` was written by another program.

*Queued* by `receive`; *parked* for a later attempt, if the backlog did not take the event or the version
before has to understand it; *dead*: in the dead-letter queue; *copied*: a message that was replaced by a
copy, because it may have crashed the function. *Of others*: a copied or dead message whose body another
program wrote; these attributes keep its identity and its age. `receive` writes an item of a request that
became no event in the same way, so that `deliver` dead-letters it.

The attributes are not authenticated: any program that may send to the queue can write them.
"""

import base64
import json
import math
import re
import zlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from push_relay.core.errors import MalformedRequest, PayloadTooLarge
from push_relay.core.event import Event, Replay, safe_id
from push_relay.core.inbound.request import MAX_BODY
from push_relay.core.quick_dataclass import dataclass, replace, values_of
from push_relay.core.strict_json import parse_queued

SOURCE_ATTRIBUTE = "source"
EVENT_ATTRIBUTE = "push-relay-event"
ATTEMPT_ATTRIBUTE = "attempt"
DUE_ATTRIBUTE = "due"
REASON_ATTRIBUTE = "error_code"
ORIGIN_ATTRIBUTE = "push-relay-origin-id"
SENT_ATTRIBUTE = "push-relay-origin-sent"
DATA_ATTRIBUTE = "push-relay-origin-data"
QUEUE_ATTRIBUTE = "push-relay-origin-queue"
CRASHES_ATTRIBUTE = "push-relay-crashes"
UNREADABLE_ATTRIBUTE = "push-relay-unreadable"
EVENT_ID_ATTRIBUTE = "event_id"
FAILED_AT_ATTRIBUTE = "failed_at"
#: The values of EVENT_ATTRIBUTE.
PLAIN, COMPRESSED = "1", "1+zlib"
#: Bytes of a message's body: SQS takes 1 MiB with the attributes.
MAX_MESSAGE = 1024 * 1024 - 4096
#: Bytes of an event before it is compressed: a body at its largest, each character escaped.
MAX_EVENT = 6 * MAX_BODY + 4096
#: Fields that few events have, and their defaults, which are not written.
_OPTIONAL_FIELDS: Mapping[str, object] = {"only": (), "skip": (), "replay": Replay.NO, "replay_id": ""}
#: The number of attributes that SQS accepts with a message.
MAX_ATTRIBUTES = 10
#: The attributes that decide how a message is read. The others are for people.
READ_ATTRIBUTES = frozenset(
    {
        *(SOURCE_ATTRIBUTE, CRASHES_ATTRIBUTE, UNREADABLE_ATTRIBUTE),
        *(EVENT_ATTRIBUTE, ATTEMPT_ATTRIBUTE, DUE_ATTRIBUTE),
        *(ORIGIN_ATTRIBUTE, SENT_ATTRIBUTE, DATA_ATTRIBUTE, QUEUE_ATTRIBUTE),
    }
)
_CODE = re.compile(r"[a-z_]{1,64}")
_COUNT = re.compile(r"[0-9]{1,11}")
#: Characters that SQS refuses in a message. Compiled when it is first used, because that takes milliseconds.
_NOT_IN_SQS = "[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]"
_MILLISECONDS = re.compile(r"[0-9]{1,15}")
#: The attributes of a dead letter that are for people.
ABOUT_ATTRIBUTES = frozenset({REASON_ATTRIBUTE, EVENT_ID_ATTRIBUTE, FAILED_AT_ATTRIBUTE})
#: Seconds since the epoch that no clock shows.
_MAX_MOMENT = 1e11
_OURS = "push-relay-"
_JSON = json.JSONEncoder(separators=(",", ":"))  # `json.dumps` would make one each time
#: Attributes that the sender did not set: those of the relay's dead letters, and those that SNS and
#: EventBridge set when they move a message to a dead-letter queue. A person may send both here again.
#: https://docs.aws.amazon.com/sns/latest/dg/sns-dead-letter-queues.html
#: https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-rule-dlq.html
_OF_DEAD_LETTERS = frozenset(
    {
        *ABOUT_ATTRIBUTES,
        *("RequestID", "ErrorCode", "ErrorMessage"),
        *("RULE_ARN", "TARGET_ARN", "ERROR_CODE", "ERROR_MESSAGE"),
        *("EXHAUSTED_RETRY_CONDITION", "RETRY_ATTEMPTS"),
    }
)


class RejectedItem(NamedTuple):
    """An item of a request that became no event. It is kept as a message of another program would be.

    text         its document
    id           the id of the message that it would have been: the same in each attempt of its sender
    received_at  seconds since the epoch
    error        why it became no event
    """

    source: str
    text: str
    id: str
    received_at: float
    correlation_id: str
    error: Exception


@dataclass(frozen=True, slots=True)
class Packed:
    """An event as a queue message, with the attributes that mark it."""

    body: str
    attributes: Mapping[str, str]


class Progress(NamedTuple):
    """How far a message has got, by its attributes.

    attempt  the number of its next attempt, from 1
    due      seconds since the epoch before which it is not to be handled; 0 if it is due
    reason   the error code for which it was parked; empty if it was not
    crashes  how often the function had its predecessors without answering
    """

    attempt: int = 1
    due: float = 0.0
    reason: str = ""
    crashes: int = 0


# --- the attributes of an SQS record -------------------------------------------------------------------


def sqs_attributes(record: Mapping[str, Any]) -> dict[str, str]:
    """Return an SQS record's message attributes that are texts."""
    attributes = _mapping(record.get("messageAttributes"))
    return {
        name: value
        for name, given in attributes.items()
        if (value := _text(_mapping(given).get("stringValue")))
    }


def progress(record: Mapping[str, Any]) -> Progress:
    """Return how far an SQS record has got."""
    given = sqs_attributes(record)
    crashes = _count(given.get(CRASHES_ATTRIBUTE), 0)
    # On another program's message the attributes are that program's: an invoice may well be `due`.
    if EVENT_ATTRIBUTE not in given:
        return Progress(crashes=crashes)
    reason = given.get(REASON_ATTRIBUTE, "")
    return Progress(
        attempt=_count(given.get(ATTEMPT_ATTRIBUTE), 1),
        due=float(_count(given.get(DUE_ATTRIBUTE), 0)),
        reason=reason if _CODE.fullmatch(reason) else "",
        crashes=crashes,
    )


def message_id(record: Mapping[str, Any]) -> object:
    """Return the id that SQS first gave a record's message; anything may be there if SQS did not send it."""
    return sqs_attributes(record).get(ORIGIN_ATTRIBUTE) or record.get("messageId")


def sent_at(record: Mapping[str, Any]) -> float:
    """Return when a record's message was first sent (seconds since the epoch); 0 if that is unknown.

    If a replay claims another time than SQS's own, the earlier one counts: a claim makes no message younger.
    """
    sqs_time = _text(_mapping(record.get("attributes")).get("SentTimestamp"))
    times = (sqs_time, sqs_attributes(record).get(SENT_ATTRIBUTE, ""))
    known = [int(time) / 1000 for time in times if _MILLISECONDS.fullmatch(time)]
    return min(filter(None, known), default=0.0)


def has_own_attributes(names: Iterable[str]) -> bool:
    """Return whether a message in a queue has attributes of its sender's, given all attributes' names.

    SNS without raw delivery, EventBridge and Lambda's destinations set none.
    """
    return any(
        name == DATA_ATTRIBUTE or not (name.startswith(_OURS) or name in _OF_DEAD_LETTERS) for name in names
    )


# --- writing -------------------------------------------------------------------------------------------


def origin(record: Mapping[str, Any]) -> dict[str, str]:
    """Return the attributes by which an SQS record that is sent again keeps its identity and its age."""
    sent, texts = sent_at(record), sqs_attributes(record)
    is_data = has_own_attributes(_mapping(record.get("messageAttributes"))) and not has_own_attributes(texts)
    kept = {
        ORIGIN_ATTRIBUTE: texts.get(ORIGIN_ATTRIBUTE) or _text(record.get("messageId")),
        SENT_ATTRIBUTE: str(round(sent * 1000)) if sent else "",
        DATA_ATTRIBUTE: "1" if is_data else "",
        QUEUE_ATTRIBUTE: texts.get(QUEUE_ATTRIBUTE) or _text(record.get("eventSourceARN")),
    }
    return {name: value for name, value in kept.items() if value}


def parked(event: Event, attempt: int, due: float, error_code: str) -> Packed:
    """Write an event that waits for its next attempt. Raises PayloadTooLarge.

    due  seconds since the epoch
    """
    packed = pack(event)
    progress_attributes = {
        ATTEMPT_ATTRIBUTE: str(attempt),
        DUE_ATTRIBUTE: str(math.ceil(due)),
        REASON_ATTRIBUTE: error_code,
    }
    return Packed(packed.body, {**packed.attributes, **progress_attributes})


def copy(record: Mapping[str, Any], crashes: int) -> Packed:
    """Write a copy of a received record. It is the same event as the record, and as old."""
    attributes = sqs_attributes(record)
    if EVENT_ATTRIBUTE not in attributes:
        attributes |= origin(record)
    if crashes:
        attributes[CRASHES_ATTRIBUTE] = str(crashes)
    return Packed(str(record.get("body")), most_needed(attributes))


def as_received(content: Mapping[str, Any]) -> Packed:
    """Write a message as it was received, or the whole invocation if it was not a message.

    A dead letter gets an id and a time of its own, and a replay needs those of the message. A replay begins
    to count crashes again.
    """
    attributes = sqs_attributes(content) | origin(content)
    attributes.pop(CRASHES_ATTRIBUTE, None)
    body = content.get("body")
    if "body" not in content and "messageId" not in content:
        body = json.dumps(content, default=str)
    return Packed(body if isinstance(body, str) else "", attributes)


def dead_letter(packed: Packed, error_code: str, event_id: str, failed_at: str) -> Packed:
    """Write a dead letter. The attributes that are for people are dropped first if there are too many.

    failed_at  the time in ISO 8601
    """
    about = {REASON_ATTRIBUTE: error_code, EVENT_ID_ATTRIBUTE: event_id, FAILED_AT_ATTRIBUTE: failed_at}
    # SQS accepts no empty body.
    return Packed(packed.body or "null", {**most_needed(packed.attributes, len(about)), **about})


def most_needed[T](attributes: Mapping[str, T], reserved: int = 0) -> dict[str, T]:
    """Return as many attributes as SQS accepts beside `reserved` ones: those that decide something first."""
    names = sorted(attributes, key=lambda name: name not in READ_ATTRIBUTES)
    return {name: attributes[name] for name in names[: MAX_ATTRIBUTES - reserved]}


def pack(event: Event) -> Packed:
    """Write an event as a queue message, compressed if it would not fit otherwise. Raises PayloadTooLarge.

    The text is ASCII, because SQS refuses some characters that JSON allows. Optional fields at their default
    are not written, so that a version which does not know them can read the message.
    """
    document = values_of(event)
    for name, default in _OPTIONAL_FIELDS.items():
        if document[name] == default:
            del document[name]
    body, version = _JSON.encode(document), PLAIN
    if len(body) > MAX_EVENT:
        raise PayloadTooLarge(f"the event is larger than {MAX_EVENT} bytes as JSON")
    if len(body) > MAX_MESSAGE:
        body, version = base64.b64encode(zlib.compress(body.encode("ascii"))).decode("ascii"), COMPRESSED
    if len(body) > MAX_MESSAGE:
        raise PayloadTooLarge("the event is larger than a queue message can hold, compressed too")
    return Packed(body, {EVENT_ATTRIBUTE: version, SOURCE_ATTRIBUTE: event.source})


def bare(item: RejectedItem) -> Packed:
    """Write an item that became no event as a message without an event. Raises PayloadTooLarge.

    `deliver` reads it as the document of another program, and rejects and dead-letters it. It does not read
    what `receive` could not read, because its reading is more lenient.
    """
    text = re.sub(_NOT_IN_SQS, "\ufffd", item.text)
    if len(text.encode("utf-8")) > MAX_MESSAGE:
        raise PayloadTooLarge("the item is larger than a queue message can hold")
    sent = str(round(item.received_at * 1000))
    attributes = {SOURCE_ATTRIBUTE: item.source, ORIGIN_ATTRIBUTE: item.id, SENT_ATTRIBUTE: sent}
    if isinstance(item.error, MalformedRequest):
        attributes[UNREADABLE_ATTRIBUTE] = "1"
    return Packed(text, attributes)


# --- reading -------------------------------------------------------------------------------------------


def unpack(body: bytes, version: str) -> Event:
    """Return the event of a queue message. Raises MalformedRequest if `pack` has not written it.

    Half of a surrogate pair, which versions before this one may have queued, becomes U+FFFD.
    """
    written: Any = parse_queued(_decode(_decompressed(body) if version == COMPRESSED else body))
    try:
        event = Event(**written)
        only, skip, replay = tuple(event.only), tuple(event.skip), Replay(event.replay)
    except (TypeError, ValueError):
        raise _not_ours() from None
    if not all(_checks(event)):
        raise _not_ours()
    # Everyone who may send to the queue may write anything, so ids are made safe to log here too.
    return replace(
        event,
        id=safe_id(event.id, "-"),
        correlation_id=safe_id(event.correlation_id, "-"),
        only=only,
        skip=skip,
        replay=replay,
    )


def _decompressed(body: bytes) -> bytes:
    decompressing = zlib.decompressobj()
    try:
        content = decompressing.decompress(base64.b64decode(body, validate=True), MAX_EVENT)
    except (ValueError, zlib.error):
        raise _not_ours() from None
    if not decompressing.eof:
        raise _not_ours()
    return content


def _decode(body: bytes) -> str:
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError:
        raise _not_ours() from None


def _checks(event: Event) -> Iterator[bool]:
    texts = (event.source, event.id, event.type or "", event.identity, event.correlation_id, event.replay_id)
    yield all(isinstance(text, str) for text in texts)
    # Absent from what an older version has queued, it is the default, a tuple.
    key_lists: tuple[object, ...] = (event.only, event.skip)
    for keys in key_lists:
        yield isinstance(keys, list | tuple) and all(isinstance(key, str) for key in keys)
    tables: tuple[object, ...] = (event.headers, event.query)
    yield isinstance(event.data, dict)
    for table in tables:
        yield isinstance(table, dict) and all(isinstance(value, str) for value in table.values())
    received_at: object = event.received_at
    yield isinstance(received_at, int | float) and abs(received_at) < _MAX_MOMENT


def _not_ours() -> MalformedRequest:
    return MalformedRequest("the message is not an event that the relay queued")


def _count(given: object, otherwise: int) -> int:
    return int(given) if isinstance(given, str) and _COUNT.fullmatch(given) else otherwise


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
