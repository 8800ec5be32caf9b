"""A FIFO queue of the deployer, and the event source that reads it.

Both are in memory and use the run's clock.

SQS blocks a message group while one of its messages is in flight or hidden, and a batch contains the group's
messages in order:
https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/FIFO-queues-understanding-logic.html
The worker's answer lists the messages that the relay itself has hidden or deleted.
"""

import random
from collections import Counter, deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from chaos.event_source import BATCH_SIZE, VISIBILITY_SECS
from chaos.plan import FIFO_ARN, fifo_group
from chaos.services import MAX_RECEIVES, Services


@dataclass(slots=True)
class _Queued:
    """A message. `sent_at` and `visible_at`: seconds since the epoch."""

    body: str
    message_id: str
    group: str
    sent_at: float
    visible_at: float = 0.0
    receives: int = 0

    def record(self) -> dict[str, Any]:
        """Return the message in the form in which the event source passes it to Lambda."""
        return {
            "messageId": self.message_id,
            "receiptHandle": self.message_id,
            "body": self.body,
            "attributes": {
                "ApproximateReceiveCount": str(self.receives),
                "SentTimestamp": str(round(self.sent_at * 1000)),
                "MessageGroupId": self.group,
            },
            "messageAttributes": {"source": {"stringValue": "push", "dataType": "String"}},
            "eventSource": "aws:sqs",
            "eventSourceARN": FIFO_ARN,
        }


@dataclass(slots=True)
class FifoSource:
    """The queue's groups, each in order, and the number of each group's messages that a worker has.

    given_up  the markers of events that the queue has dead-lettered after MAX_RECEIVES receives
    """

    services: Services
    dice: random.Random
    given_up: set[str] = field(default_factory=set)
    _groups: dict[str, deque[_Queued]] = field(default_factory=dict)
    _in_flight: Counter[str] = field(default_factory=Counter)

    def send(self, marker: str, body: str) -> None:
        """Put a message into its group. A copy has the same deduplication id, so SQS ignores it."""
        group = f"group-{fifo_group(marker)}"
        queue = self._groups.setdefault(group, deque())
        if all(queued.message_id != f"fifo-{marker}" for queued in queue):
            queue.append(_Queued(body, f"fifo-{marker}", group, self.services.run_clock.now()))

    def batch(self) -> list[dict[str, Any]]:
        """Take a batch: the visible messages at the head of the groups of which no worker has a message."""
        now = self.services.run_clock.now()
        taken: list[_Queued] = []
        names = [name for name in self._groups if not self._in_flight[name]]
        self.dice.shuffle(names)
        size = self.dice.choice((1, 3, BATCH_SIZE, BATCH_SIZE))
        for name in names:
            for queued in list(self._groups[name]):
                if queued.visible_at > now or len(taken) >= size:
                    break
                if queued.receives >= MAX_RECEIVES:
                    self._dead_letter(queued)
                    continue
                queued.receives += 1
                self._in_flight[name] += 1
                taken.append(queued)
        return [queued.record() for queued in taken]

    def finish(self, batch: list[dict[str, Any]], answer: Any) -> None:
        """Delete the messages that an invocation has finished, and hide the others.

        answer  the worker's answer; None if the worker was killed
        """
        now = self.services.run_clock.now()
        unfinished = {record["messageId"] for record in batch}
        hidden_secs: Mapping[str, float] = {}
        if answer is not None and "batchItemFailures" in answer:
            unfinished = {failure["itemIdentifier"] for failure in answer["batchItemFailures"]}
            unfinished -= set(answer["deleted"])
            hidden_secs = answer["hidden_secs"]
        for record in batch:
            group = record["attributes"]["MessageGroupId"]
            self._in_flight[group] -= 1
            queued = next(each for each in self._groups[group] if each.message_id == record["messageId"])
            if queued.message_id in unfinished:
                queued.visible_at = now + hidden_secs.get(queued.message_id, VISIBILITY_SECS)
            else:
                self._groups[group].remove(queued)

    @property
    def next_due(self) -> float | None:
        """The next time at which the head of a group is visible; None if no group has one."""
        free = (queue for name, queue in self._groups.items() if queue and not self._in_flight[name])
        return min((queue[0].visible_at for queue in free), default=None)

    @property
    def waiting(self) -> int:
        """The number of messages in the queue."""
        return sum(map(len, self._groups.values()))

    def queued(self) -> Iterator[str]:
        """Yield the ids of the messages in the queue."""
        return (queued.message_id for queue in self._groups.values() for queued in queue)

    def _dead_letter(self, queued: _Queued) -> None:
        """Move a message to the dead-letter queue, as SQS does after MAX_RECEIVES receives."""
        self._groups[queued.group].remove(queued)
        self.given_up.add(queued.message_id.removeprefix("fifo-"))
        self.services.sqs.send_message(
            QueueUrl=self.services.settings.dead_letter_queue_url,
            MessageBody=queued.body,
            MessageAttributes={"source": {"DataType": "String", "StringValue": "push"}},
        )
