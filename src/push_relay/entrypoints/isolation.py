"""A message that kills the function takes no other message with it.

When the function dies, SQS hands out its whole batch again, and nobody knows which of the messages was the
cause. So each message that comes back without an answer is a suspect. An invocation that gets suspects
handles one of them and nothing else. First it replaces the other messages of its batch by copies: new
messages in the relay's queue, whose receives SQS counts from 0, with their crashes in the message attribute
`push-relay-crashes`. If the function dies, the one that it handled was the cause.

In a FIFO queue a copy would lose its place, so nothing is copied there. Records that have been received often
are handled one by one, and those that are finished are deleted in between.
"""

from collections.abc import Iterator, Sequence
from itertools import groupby

from push_relay.core.delivery.sender import TimeLeft
from push_relay.core.errors import QueueUnavailable
from push_relay.core.relay import Relay
from push_relay.entrypoints.ports import Queues
from push_relay.entrypoints.queue_record import QueueRecord
from push_relay.telemetry import Telemetry

#: Seconds after the function's end before which a message is not handed out again: for clocks that differ.
_GRACE_SECS = 5.0
#: Receives after which a suspect is copied instead of handled, before SQS moves it to a dead-letter queue.
_MAX_RECEIVES = 2
#: Failed copies after which no more are tried. Each may take seconds, and what is left is handled with care.
_MAX_FAILURES = 2


def isolate(batch: Sequence[QueueRecord], queue: Queues, telemetry: Telemetry) -> list[QueueRecord]:
    """Return the messages of a standard queue to handle in this invocation, and replace the others by copies.

    To be handled are one suspect, or else all messages that are no suspects; besides what is only to be
    dead-lettered, and what could not be copied.
    """
    doomed = [message for message in batch if message.is_doomed]
    left = [message for message in batch if not message.is_doomed]
    suspects = [message for message in left if message.crashes and message.receives <= _MAX_RECEIVES]
    # The suspect with the fewest crashes is the least likely cause, and somebody may wait for it.
    chosen = min(suspects, key=lambda message: message.crashes, default=None)
    if chosen is None:
        handled = [message for message in left if not message.crashes]
        others = [message for message in left if message.crashes]
    else:
        handled, others = [chosen], [message for message in left if message is not chosen]
    return [*doomed, *handled, *_not_replaced(others, queue, telemetry)]


def _not_replaced(batch: Sequence[QueueRecord], queue: Queues, telemetry: Telemetry) -> list[QueueRecord]:
    """Replace messages by copies; return those for which it was not possible."""
    left: list[QueueRecord] = []
    failures = 0
    for message in batch:
        if not message.can_be_copied or failures == _MAX_FAILURES:
            left.append(message)
            continue
        try:
            queue.copy(message.content, message.crashes, message.due)
        except QueueUnavailable as exc:
            telemetry.trouble("a message was not copied", error_code=exc.code, detail=exc.detail)
            failures += 1
            left.append(message)
            continue
        delete([message], queue, telemetry)
    return left


def one_by_one(batch: Sequence[QueueRecord]) -> Iterator[QueueRecord]:
    """Return a FIFO queue's records in the order in which they are handled one by one.

    A group keeps its order. The groups take turns in being the first: if one of them kills the function, each
    other group is through before it by the next time at the latest.
    """
    by_group = sorted(batch, key=lambda message: message.group or "")
    groups = [list(records) for _, records in groupby(by_group, key=lambda message: message.group)]
    is_backwards = max(message.receives for message in batch) % 2 == 1
    for group in reversed(groups) if is_backwards else groups:
        yield from group


def delete(batch: Sequence[QueueRecord], queue: Queues, telemetry: Telemetry) -> None:
    """Delete messages that are finished or replaced, before something is tried that may end the function.

    A message that cannot be deleted is acknowledged with the batch, if the function gets that far. Otherwise
    it comes back and is a duplicate.
    """
    for message in batch:
        try:
            queue.delete(message.content)
        except QueueUnavailable as exc:
            telemetry.trouble("a finished message was not deleted", error_code=exc.code, detail=exc.detail)


def come_back_soon(
    batch: Sequence[QueueRecord], relay: Relay, time_left: TimeLeft, queue: Queues, telemetry: Telemetry
) -> None:
    """Have urgent messages come back when this invocation must have ended, if the function dies on the batch.

    The queue's visibility timeout is 6 times as long as the function's timeout, as AWS advises. The call is
    only made for messages that have neighbours, and of which one may be urgent, by the source that it names.
    """
    urgent = relay.routing.urgent_sources()
    if len(batch) > 1 and any(message.source in urgent if message.source else urgent for message in batch):
        try:
            queue.delay([message.content for message in batch], time_left() + _GRACE_SECS)
        except QueueUnavailable as exc:
            telemetry.trouble("a batch keeps its visibility timeout", error_code=exc.code, detail=exc.detail)
