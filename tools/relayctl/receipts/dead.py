"""Look for the dead letters of events, if the dead-letter queue is small enough to be read as a whole."""

from collections.abc import Collection
from threading import Event as Flag
from typing import Any, Final

from relayctl.deadletters.dead_letter import DeadLetterSummary, Filter
from relayctl.deadletters.queue import DeadLetterQueue
from relayctl.deadletters.scan import scan_queue

#: Messages that are read at most. SQS can be listed only by receiving, ten messages a call.
MOST_MESSAGES: Final = 500


def dead_letters_of(
    sqs: Any, url: str, wanted: Collection[str], stop: Flag
) -> list[DeadLetterSummary] | None:
    """Return the dead letters whose event or message has one of several ids, oldest first.

    None if the queue has too many messages to look. They are hidden from other readers for a moment.
    Raises boto3's errors.
    """
    queue = DeadLetterQueue(sqs, url)
    if queue.counts().visible > MOST_MESSAGES:
        return None
    found = scan_queue(queue, Filter(), lambda: 0.0, stop)
    return [summary for summary in found if summary.id in wanted or summary.event_id in wanted]
