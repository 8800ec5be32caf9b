"""Put the events that wait back into the relay's queue, where the version before looks for them.

An event is sent to the queue first and removed from the backlog afterwards. If the program is killed between
the two, the event is in both places, and the ledger makes one push of the two. So a second run can finish the
first. An event that a worker has stored again at the same place meanwhile, after it had the message, stays
there.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from threading import Event as Flag
from typing import Final, Protocol

from push_relay.core.delivery.backlog import Backlog, Shelf, Unreadable, Waiting
from push_relay.core.errors import LedgerUnavailable, PayloadTooLarge, QueueUnavailable
from push_relay.core.event import Event

#: Events that are read at a time, and removed together: DynamoDB deletes 25 items in one call.
_PORTION: Final = 25
#: A time that is after every due time.
_END_OF_TIME: Final = 9e10


class Queue(Protocol):
    """The relay's queue."""

    def requeue(self, event: Event, attempt: int, due: float, error_code: str) -> None:
        """Queue an event for its next attempt. Raises QueueUnavailable, PayloadTooLarge."""
        ...


@dataclass(slots=True)
class RequeueResult:
    """How far a requeuing has got.

    requeued      number of events that were sent to the queue and removed
    in_both       number of events that were sent and are in the backlog too
    unreadable    number of events that cannot be read and stay in the backlog
    stopped_by    why it ended early; empty if it did not
    """

    requeued: int = 0
    in_both: int = 0
    unreadable: int = 0
    stopped_by: str = ""


@dataclass(frozen=True, slots=True)
class Requeuer:
    """Puts events back into the queue, each with its due time, its attempt and its reason.

    stop  ends it between two events
    """

    backlog: Backlog
    queue: Queue
    stop: Flag
    on_progress: Callable[[RequeueResult], None] = field(default=lambda _result: None)

    def requeue(self, shelves: Sequence[Shelf], most: int) -> RequeueResult:
        """Requeue at most so many events. Without a limit, it would follow a relay that stores them again."""
        result = RequeueResult()
        try:
            for shelf in shelves:
                self._empty(shelf, result, most)
        except (LedgerUnavailable, QueueUnavailable) as exc:
            result.stopped_by = exc.detail
        if self.stop.is_set():
            result.stopped_by = "interrupted"
        return result

    def _empty(self, shelf: Shelf, result: RequeueResult, most: int) -> None:
        stuck = 0  # events at the front of the shelf that stay there
        while result.requeued < most and not self.stop.is_set():
            found = self.backlog.due(shelf, stuck + min(_PORTION, most - result.requeued), _END_OF_TIME)[
                stuck:
            ]
            if not found:
                return
            stuck += self._requeue(found, result)

    def _requeue(self, found: Sequence[Waiting | Unreadable], result: RequeueResult) -> int:
        """Requeue events and remove them; return how many stay because they cannot be read."""
        sent: list[Waiting] = []
        try:
            for waiting in found:
                if self.stop.is_set():
                    break
                if isinstance(waiting, Waiting) and self._sent(waiting):
                    sent.append(waiting)
                else:
                    result.unreadable += 1
        finally:
            result.in_both += len(sent)
            self.backlog.remove_unchanged(sent)
            result.in_both -= len(sent)
            result.requeued += len(sent)
            self.on_progress(result)
        return len(found) - len(sent)

    def _sent(self, waiting: Waiting) -> bool:
        try:
            self.queue.requeue(waiting.event, waiting.attempt, waiting.due, waiting.reason)
        except PayloadTooLarge:
            return False
        return True
