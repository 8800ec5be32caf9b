"""Bound what one invocation holds in memory: large messages are handled one after the other.

A batch may hold ten messages of 1 MiB. Parsed, each can take 60 times as much, and a compressed one 200 MiB.
The function has 512 MiB, so only messages that surely fit together are handled together, and each event is
released before the next ones are parsed.
"""

import gc
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from push_relay.core.queue_format import COMPRESSED, EVENT_ATTRIBUTE, sqs_attributes
from push_relay.core.strict_json import punctuation
from push_relay.entrypoints.queue_record import QueueRecord

#: Bytes that the messages of one portion may take.
MAX_TOGETHER = 100 * 2**20
#: Bytes that a character of a message may take: in UTF-8, as text, and as parsed text. One emoji makes each
#: character of a text 4 bytes.
_PER_CHARACTER = 10
#: Bytes that a list, an object or a member may take. An object with one member takes most.
_PER_PART = 240


def portions(waves: Iterable[Sequence[QueueRecord]]) -> Iterator[Sequence[QueueRecord]]:
    """Split waves that could take too much memory; the smallest messages go first.

    A single message is never too large: its parts and its size are limited when it is parsed. The caller
    releases the events of a portion before it takes the next one.
    """
    for wave in waves:
        sizes = [_size(message.content) for message in wave]
        if sum(sizes) <= MAX_TOGETHER:
            yield wave
            continue
        portion: list[QueueRecord] = []
        left = MAX_TOGETHER
        for size, message in sorted(zip(sizes, wave, strict=True), key=lambda pair: pair[0]):
            if portion and size > left:
                yield portion
                # The traceback of an exception may refer to an event, and to itself.
                gc.collect()
                portion, left = [], MAX_TOGETHER
            portion.append(message)
            left -= size
        yield portion
        gc.collect()


def _size(record: Mapping[str, Any]) -> int:
    """Return the bytes that a record may take when it is parsed, without parsing it. Never raises."""
    try:
        body, attributes = record.get("body"), sqs_attributes(record)
    except Exception:  # noqa: BLE001 (the record breaks its reader too, and there it is an outcome of its own)
        return 0
    if not isinstance(body, str):
        return 0
    if attributes.get(EVENT_ATTRIBUTE) == COMPRESSED:
        return MAX_TOGETHER
    return _PER_CHARACTER * len(body) + _PER_PART * punctuation(body)
