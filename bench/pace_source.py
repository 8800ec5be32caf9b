"""Lambda's event source: it takes messages from the queue in order, and hands them out in batches."""

import heapq
import random
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final, cast

from chaos.event_source import VISIBILITY_SECS, EventSource
from pace_aws import BATCH_SIZE, Aws
from push_relay.core.event import Event
from push_relay.core.queue_format import pack

if TYPE_CHECKING:
    from chaos.services import Services

EVENT_NUMBER: Final = re.compile(r"pace-(\d+)")
#: The messages that SQS takes with one call.
_MOST_SENT: Final = 10
#: The events arrive so long after each other.
ARRIVAL_SECS: Final = 0.01


class OrderedSource(EventSource):
    """The event source of the chaos run, without its faults: each message is handed out once, in order."""

    def __init__(self, aws: Aws) -> None:
        # It uses the queue, the settings and the clock of its services only, and no dice.
        super().__init__(cast("Services", aws), random.Random(0))  # noqa: S311

    def batch(self) -> list[dict[str, Any]]:
        """Take the messages of one invocation; none if none is due."""
        # SQS returns ten messages at most, and Lambda makes a larger batch of several calls.
        while self._due < BATCH_SIZE and self.poll():
            pass
        return [heapq.heappop(self._delayed)[2] for _ in range(min(self._due, BATCH_SIZE))]

    @property
    def _due(self) -> int:
        """The number of messages that can be handed out, up to a batch."""
        now = self.services.run_clock.now()
        return sum(due <= now for due, _, _ in heapq.nsmallest(BATCH_SIZE, self._delayed))

    def finish(self, batch: list[dict[str, Any]], answer: Any) -> None:
        """Delete the messages that an invocation has finished. The others become visible again later."""
        kept = {failure["itemIdentifier"] for failure in answer["batchItemFailures"]}
        for record in batch:
            if record["messageId"] in kept:
                again = self.services.run_clock.now() + VISIBILITY_SECS
                heapq.heappush(self._hidden, (again, next(self._number), record["receiptHandle"]))
            else:
                self._finished.append(record["receiptHandle"])
        self.delete()

    def queue(self, events: Sequence[Event]) -> None:
        """Send events to the queue, as `receive` does."""
        for start in range(0, len(events), _MOST_SENT):
            packed = [pack(event) for event in events[start : start + _MOST_SENT]]
            self.services.sqs.send_message_batch(
                QueueUrl=self.services.settings.queue_url,
                Entries=[
                    {
                        "Id": str(number),
                        "MessageBody": each.body,
                        "MessageAttributes": {
                            name: {"DataType": "String", "StringValue": value}
                            for name, value in each.attributes.items()
                        },
                    }
                    for number, each in enumerate(packed)
                ],
            )


def event(number: int, received_at: float, *, is_urgent: bool = False) -> Event:
    """Return an event of the source `push`. `number`: from 1, by arrival."""
    name = f"pace-{number}"
    title = f"{name} {'urgent' if is_urgent else 'plain'}"
    data = {"UserId": name, "Title": title, "Body": "The oven is hot."}
    return Event("push", name, "", data, received_at, name)


def events(count: int, now: float, *, urgent_one_in: int = 0) -> list[Event]:
    """Return events that have arrived one after the other until now."""
    return [
        event(
            number,
            now - (count - number) * ARRIVAL_SECS,
            is_urgent=bool(urgent_one_in) and number % urgent_one_in == 0,
        )
        for number in range(1, count + 1)
    ]


def number_of(sent: Event) -> int:
    """Return the number of an event that this module has made."""
    return int(sent.id.removeprefix("pace-"))


def ranks(sent: Sequence[Event], called: Sequence[int]) -> list[int]:
    """Return the place in the right order, urgent first and then by arrival, for each call of the vendor.

    called  the numbers of the calls' events
    """
    right = sorted(sent, key=lambda each: ("urgent" not in each.data["Title"], each.received_at))
    place = {number_of(each): rank for rank, each in enumerate(right)}
    return [place[number] for number in called]
