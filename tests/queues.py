"""The queue and the dead-letter queue in memory. Their contract with SQS is in tests/contracts/queue.py."""

import itertools
import math
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from push_relay.adapters.queue import MAX_DELAY, MAX_VISIBILITY
from push_relay.core import queue_format
from push_relay.core.clock import TimeLeft
from push_relay.core.delivery.wake_up import wake_up
from push_relay.core.errors import QueueUnavailable, RelayError
from push_relay.core.event import Event
from push_relay.core.queue_format import Packed, RejectedItem, pack

#: Seconds for which a received message is not received again.
VISIBILITY_SECS = 30.0
_ARN = "arn:aws:sqs:eu-west-1:123456789012:events"


@dataclass
class DeadLettered:
    """The arguments of one call that dead-letters a message."""

    body: str
    attributes: dict[str, str]
    error_code: str
    event_id: str


@dataclass
class _Message:
    id: str
    packed: Packed
    sent_at: float
    visible_at: float
    handle: str = ""
    receives: int = 0

    def record(self) -> dict[str, Any]:
        """Return the message as Lambda hands it to the function."""
        return {
            "messageId": self.id,
            "receiptHandle": self.handle,
            "body": self.packed.body,
            "attributes": {
                "SentTimestamp": str(int(self.sent_at * 1000)),
                "ApproximateReceiveCount": str(self.receives),
            },
            "messageAttributes": {
                name: {"stringValue": value, "dataType": "String"}
                for name, value in self.packed.attributes.items()
                if value
            },
            "eventSource": "aws:sqs",
            "eventSourceARN": _ARN,
        }


def _handle(record: Mapping[str, Any]) -> str:
    """Return a record's handle, as the adapter reads it."""
    return str(record.get("receiptHandle"))


class Messages:
    """The queue and the dead-letter queue. Their calls are recorded in lists, for assertions.

    queued        events, each with its delay
    parked        events for a later attempt, each with the attempt's number and the moment that it is due
    reasons       why each of these waits
    dead_letters  dead-lettered messages
    copied        handles of copied records, each with its crashes and the moment that the copy is due
    woken         wake-ups, each with its account and the moment that it is due
    delayed       handles of delayed records, each with the seconds
    deleted       handles of deleted records
    kept          items that are not valid
    error         raised by every call, if it is set
    refused       returns the error of one of several messages, if it has one
    """

    def __init__(self, now: Callable[[], float] = lambda: 0.0) -> None:
        self._now = now
        self._lock = threading.Lock()
        self._numbers = itertools.count(1)
        self._waiting: list[_Message] = []
        self._dead: list[_Message] = []
        self.queued: list[tuple[Event, float]] = []
        self.parked: list[tuple[Event, int, float]] = []
        self.reasons: list[str] = []
        self.dead_letters: list[DeadLettered] = []
        self.copied: list[tuple[str, int, float]] = []
        self.woken: list[tuple[str, float]] = []
        self.delayed: list[tuple[str, float]] = []
        self.deleted: list[str] = []
        self.kept: list[RejectedItem] = []
        self.error: Exception | None = None
        self.refused: Callable[[Event | RejectedItem], RelayError | None] = lambda _: None

    # --- the ports ----------------------------------------------------------------------------------

    def put(self, event: Event) -> None:
        """Queue an event."""
        self._send(self._waiting, pack(event))
        self.queued.append((event, 0.0))

    def put_all(
        self, contents: Sequence[Event | RejectedItem], _time_left: TimeLeft
    ) -> Sequence[RelayError | None]:
        """Queue events, and items that are not valid."""
        return [self._put(content) for content in contents]

    def _put(self, content: Event | RejectedItem) -> RelayError | None:
        try:
            if error := self.refused(content):
                raise error
            if isinstance(content, Event):
                self.put(content)
            else:
                self._send(self._waiting, queue_format.bare(content))
                self.kept.append(content)
        except RelayError as exc:
            return exc
        return None

    def requeue(self, event: Event, attempt: int, due: float, error_code: str) -> None:
        """Queue an event for its next attempt."""
        self._send(self._waiting, queue_format.parked(event, attempt, due, error_code), due)
        self.reasons.append(error_code)
        self.parked.append((event, attempt, due))

    def dead_letter(self, body: str, attributes: Mapping[str, str], error_code: str, event_id: str) -> None:
        """Dead-letter a message."""
        failed_at = datetime.now(UTC).isoformat(timespec="seconds")
        packed = queue_format.dead_letter(Packed(body, attributes), error_code, event_id, failed_at)
        self._send(self._dead, packed)
        self.dead_letters.append(DeadLettered(body, dict(attributes), error_code, event_id))

    def copy(self, record: Mapping[str, Any], crashes: int, due: float) -> None:
        """Queue a copy of a record."""
        self._send(self._waiting, queue_format.copy(record, crashes), due)
        self.copied.append((_handle(record), crashes, due))

    def delay(self, records: Sequence[Mapping[str, Any]], delay: float) -> None:
        """Hide records for some seconds."""
        self._check()
        handles = [_handle(record) for record in records]
        with self._lock:
            for message in self._waiting:
                if message.handle in handles:
                    message.visible_at = self._now() + max(0, min(MAX_VISIBILITY, math.ceil(delay)))
        self.delayed += [(handle, delay) for handle in handles]

    def delete(self, records: Sequence[Mapping[str, Any]]) -> None:
        """Delete records."""
        self._check()
        handles = [_handle(record) for record in records]
        with self._lock:
            self._waiting[:] = [each for each in self._waiting if each.handle not in handles]
        self.deleted += handles

    def wake(self, account: str, due: float) -> None:
        """Queue a wake-up."""
        self._check()
        self._send(self._waiting, pack(wake_up(account, self._now())), due)
        self.woken.append((account, due))

    # --- for tests ----------------------------------------------------------------------------------

    def received(self) -> list[dict[str, Any]]:
        """Receive the visible messages."""
        return self._received(self._waiting)

    def received_dead(self) -> list[dict[str, Any]]:
        """Receive the visible dead letters."""
        return self._received(self._dead)

    def next_visible(self) -> float:
        """Return when the next message is visible; infinity if there is none."""
        return min((message.visible_at for message in self._waiting), default=math.inf)

    def size(self) -> int:
        """Return how many messages are in the queue, visible or not."""
        return len(self._waiting)

    def clear(self) -> None:
        """Remove every message and every recorded call."""
        for kept in vars(self).values():
            if isinstance(kept, list):
                kept.clear()

    def break_down(self) -> None:
        """Fail from now on, as the adapter would if SQS failed."""
        self.error = QueueUnavailable("the queue did not answer (Fake)")

    def _received(self, queue: list[_Message]) -> list[dict[str, Any]]:
        with self._lock:
            visible = [message for message in queue if message.visible_at <= self._now()]
            for message in visible:
                message.receives += 1
                message.handle = f"{message.id}#{message.receives}"
                message.visible_at = self._now() + VISIBILITY_SECS
            return [message.record() for message in visible]

    def _send(self, queue: list[_Message], packed: Packed, due: float = 0.0) -> None:
        self._check()
        now = self._now()
        delay = max(0, min(MAX_DELAY, math.ceil(due - now)))
        with self._lock:
            queue.append(_Message(f"m-{next(self._numbers)}", packed, now, now + delay))

    def _check(self) -> None:
        if self.error:
            raise self.error
