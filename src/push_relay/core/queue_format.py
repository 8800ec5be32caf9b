"""What the relay's own messages in its queues look like: an event with its message attributes.

| attribute                | on                 | value                                                      |
|--------------------------|--------------------|------------------------------------------------------------|
| `push-relay-event`       | an event           | `1`: JSON; `1+zlib`: JSON, compressed, in base64           |
| `source`                 | any message        | the name of the event's source                             |
| `attempt`, `due`         | a parked event     | the next attempt's number from 1; seconds since the epoch  |
| `error_code`             | parked, dead       | why; for people, nothing is decided by it                  |
| `event_id`, `failed_at`  | dead               | the same                                                   |
| `push-relay-crashes`     | a copy             | how often the function has had the message without answer  |
| `push-relay-origin-id`   | a stranger's: copy | the id that SQS gave the message first                     |
| `push-relay-origin-sent` | and dead letter    | when that was, in milliseconds since the epoch             |
| `push-relay-origin-queue`| the same           | the ARN of the queue to which it was sent                  |
| `push-relay-origin-data` | the same           | `1`: it has lost its attributes, because all were binary   |

Whatever `pack` writes, `unpack` reads: both keep the same limits.
"""

import base64
import json
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from push_relay.core.errors import MalformedRequest, PayloadTooLarge
from push_relay.core.event import Event, Replay, safe_id
from push_relay.core.inbound.request import MAX_BODY
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
#: The values of EVENT_ATTRIBUTE.
PLAIN, COMPRESSED = "1", "1+zlib"
#: Bytes of a message's body: SQS takes 1 MiB with the attributes.
MAX_MESSAGE = 1024 * 1024 - 4096
#: Bytes of an event before it is compressed: a body at its largest, each character escaped.
MAX_EVENT = 6 * MAX_BODY + 4096
#: Fields that few events have, and their defaults, which are not written.
_OPTIONAL_FIELDS: Mapping[str, object] = {"only": (), "skip": (), "replay": Replay.NO, "replay_id": ""}
#: Seconds since the epoch that no clock shows.
_MAX_MOMENT = 1e11
_OURS = "push-relay-"
#: Attributes that the sender did not set: those of the relay's dead letters, and those that SNS and
#: EventBridge set when they move a message to a dead-letter queue. A person may send both here again.
#: https://docs.aws.amazon.com/sns/latest/dg/sns-dead-letter-queues.html
#: https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-rule-dlq.html
_OF_DEAD_LETTERS = frozenset(
    {
        *(REASON_ATTRIBUTE, "event_id", "failed_at"),
        *("RequestID", "ErrorCode", "ErrorMessage"),
        *("RULE_ARN", "TARGET_ARN", "ERROR_CODE", "ERROR_MESSAGE"),
        *("EXHAUSTED_RETRY_CONDITION", "RETRY_ATTEMPTS"),
    }
)


@dataclass(frozen=True, slots=True)
class Packed:
    """An event as a queue message, with the attributes that mark it."""

    body: str
    attributes: Mapping[str, str]


def has_own_attributes(names: Iterable[str]) -> bool:
    """Return whether a message in a queue has attributes of its sender's, given all attributes' names.

    SNS without raw delivery, EventBridge and Lambda's destinations set none.
    """
    return any(
        name == DATA_ATTRIBUTE or not (name.startswith(_OURS) or name in _OF_DEAD_LETTERS) for name in names
    )


def pack(event: Event) -> Packed:
    """Write an event as a queue message, compressed if it would not fit otherwise. Raises PayloadTooLarge.

    The text is ASCII, because SQS refuses some characters that JSON allows. Optional fields at their default
    are not written, so that a version which does not know them can read the message.
    """
    document = {field.name: getattr(event, field.name) for field in fields(event)}
    for name, default in _OPTIONAL_FIELDS.items():
        if document[name] == default:
            del document[name]
    body, version = json.dumps(document, separators=(",", ":")), PLAIN
    if len(body) > MAX_EVENT:
        raise PayloadTooLarge(f"the event is larger than {MAX_EVENT} bytes as JSON")
    if len(body) > MAX_MESSAGE:
        body, version = base64.b64encode(zlib.compress(body.encode("ascii"))).decode("ascii"), COMPRESSED
    if len(body) > MAX_MESSAGE:
        raise PayloadTooLarge("the event is larger than a queue message can hold, compressed too")
    return Packed(body, {EVENT_ATTRIBUTE: version, SOURCE_ATTRIBUTE: event.source})


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
