"""Keep a message that kills the function from taking other messages with it.

If the function dies, SQS hands out its whole batch again, and nothing shows which of the messages was the
cause. So each message that is received again without an answer is a suspect. An invocation that receives
suspects handles one of them and nothing else. First it replaces the other messages of its batch by copies:
new messages in the relay's queue, whose receives SQS counts from 0, with their crashes in the attribute
`push-relay-crashes`. If the function dies again, the message that it handled was the cause.

In a FIFO queue a copy would lose its place, so nothing is copied there. Records that have been received often
are handled one by one, and finished ones are deleted in between.
"""

from collections.abc import Collection, Iterator, Sequence
from itertools import groupby

from push_relay.core.clock import TimeLeft
from push_relay.core.errors import QueueUnavailable
from push_relay.core.quick_dataclass import dataclass
from push_relay.entrypoints.ports import Queues
from push_relay.entrypoints.queue_record import QueueRecord
from push_relay.telemetry import Telemetry

#: Seconds between the function's end and the next receive of a message, because clocks differ.
_GRACE_SECS = 5.0
#: Receives after which a suspect is copied instead of handled, before SQS moves it to a dead-letter queue.
_MAX_RECEIVES = 2
#: Failed copies after which no other is tried. Each may take seconds, and the rest is handled one by one.
_MAX_FAILURES = 2


@dataclass(frozen=True, slots=True)
class Isolation:
    """Keeps the records of a batch apart that may have crashed the function."""

    queues: Queues
    telemetry: Telemetry

    def isolate(self, batch: Sequence[QueueRecord]) -> list[QueueRecord]:
        """Return the records of a standard queue to handle in this invocation; replace the others by copies.

        These are one suspect, or else all records that are not suspects. Records that are only dead-lettered,
        and those that could not be copied, are handled as well.
        """
        doomed = [record for record in batch if record.is_doomed]
        left = [record for record in batch if not record.is_doomed]
        suspects = [record for record in left if record.crashes and record.receives <= _MAX_RECEIVES]
        # The suspect with the fewest crashes is the least likely cause, and a person may wait for it.
        chosen = min(suspects, key=lambda record: record.crashes, default=None)
        if chosen is None:
            handled = [record for record in left if not record.crashes]
            others = [record for record in left if record.crashes]
        else:
            handled, others = [chosen], [record for record in left if record is not chosen]
        return [*doomed, *handled, *self._not_replaced(others)]

    def _not_replaced(self, batch: Sequence[QueueRecord]) -> list[QueueRecord]:
        """Replace records by copies; return those for which it was not possible."""
        left: list[QueueRecord] = []
        failures = 0
        for record in batch:
            if not record.can_be_copied or failures == _MAX_FAILURES:
                left.append(record)
                continue
            try:
                self.queues.copy(record.content, record.crashes, record.due)
            except QueueUnavailable as exc:
                self.telemetry.trouble("a message was not copied", error_code=exc.code, detail=exc.detail)
                failures += 1
                left.append(record)
                continue
            self.delete([record])
        return left

    def delete(self, batch: Sequence[QueueRecord]) -> bool:
        """Delete records that are finished or replaced, before a step that may end the function.

        A record that cannot be deleted is acknowledged with the batch, if the function gets that far.
        Otherwise SQS hands it out again, and its pushes are duplicates.
        """
        if not batch:
            return True
        try:
            self.queues.delete([record.content for record in batch])
        except QueueUnavailable as exc:
            self.telemetry.trouble(
                "a finished message was not deleted", error_code=exc.code, detail=exc.detail
            )
            return False
        return True

    def shorten_visibility(
        self, batch: Sequence[QueueRecord], urgent_sources: Collection[str], time_left: TimeLeft
    ) -> None:
        """Let SQS hand out urgent records soon after this invocation, if the function dies on the batch.

        The queue's visibility timeout is 6 times as long as the function's timeout, as AWS advises. The call
        is only made for records with neighbours, if one of them may be urgent by the source that it names.
        """
        is_urgent = any(
            record.source in urgent_sources if record.source else bool(urgent_sources) for record in batch
        )
        if len(batch) == 1 or not is_urgent:
            return
        try:
            self.queues.delay([record.content for record in batch], time_left() + _GRACE_SECS)
        except QueueUnavailable as exc:
            self.telemetry.trouble(
                "a batch keeps its visibility timeout", error_code=exc.code, detail=exc.detail
            )


def one_by_one(batch: Sequence[QueueRecord]) -> Iterator[QueueRecord]:
    """Return a FIFO queue's records in the order in which they are handled one by one.

    A group keeps its order. The groups take turns in being first: if one of them kills the function, each
    other group is handled before it by the next time at the latest.
    """
    by_group = sorted(batch, key=lambda record: record.group or "")
    groups = [list(records) for _, records in groupby(by_group, key=lambda record: record.group)]
    is_backwards = max(record.receives for record in batch) % 2 == 1
    for group in reversed(groups) if is_backwards else groups:
        yield from group
