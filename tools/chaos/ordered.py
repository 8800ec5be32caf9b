"""A FIFO queue of the deployer's own, and the event source that reads it: both in memory, by the run's clock.

SQS blocks a message group while one of its messages is in flight or hidden, and gives a batch the group's
messages in order:
https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/FIFO-queues-understanding-logic.html
What the relay hides or deletes itself comes back with its answer.
"""

import random
from collections import Counter, deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from chaos.plan import FIFO_ARN, fifo_group
from chaos.source import BATCH, VISIBILITY
from chaos.stage import MAX_RECEIVES, Stage


@dataclass(slots=True)
class _Queued:
    """A message: since when it may be seen, and how often it was received."""

    body: str
    message_id: str
    group: str
    sent: float
    visible_at: float = 0.0
    receives: int = 0

    def record(self) -> dict[str, Any]:
        """Write it as the event source hands it to Lambda."""
        return {
            "messageId": self.message_id,
            "receiptHandle": self.message_id,
            "body": self.body,
            "attributes": {
                "ApproximateReceiveCount": str(self.receives),
                "SentTimestamp": str(round(self.sent * 1000)),
                "MessageGroupId": self.group,
            },
            "messageAttributes": {"source": {"stringValue": "push", "dataType": "String"}},
            "eventSource": "aws:sqs",
            "eventSourceARN": FIFO_ARN,
        }


@dataclass(slots=True)
class OrderedSource:
    """The queue's groups, each in order, and the messages of each that a worker has."""

    stage: Stage
    dice: random.Random
    moved: int = 0
    _groups: dict[str, deque[_Queued]] = field(default_factory=dict)
    _in_flight: Counter[str] = field(default_factory=Counter)

    def send(self, marker: str, body: str) -> None:
        """Put a message into its group. A copy has the same deduplication id, so it is no second message."""
        group = f"group-{fifo_group(marker)}"
        queue = self._groups.setdefault(group, deque())
        if all(queued.message_id != f"fifo-{marker}" for queued in queue):
            queue.append(_Queued(body, f"fifo-{marker}", group, self.stage.world.now()))

    def batch(self) -> list[dict[str, Any]]:
        """Take a batch: of each group that nobody has, the messages at its head that may be seen."""
        now = self.stage.world.now()
        taken: list[_Queued] = []
        names = [name for name in self._groups if not self._in_flight[name]]
        self.dice.shuffle(names)
        size = self.dice.choice((1, 3, BATCH, BATCH))
        for name in names:
            for queued in list(self._groups[name]):
                if queued.visible_at > now or len(taken) >= size:
                    break
                if queued.receives >= MAX_RECEIVES:
                    self._move(queued)
                    continue
                queued.receives += 1
                self._in_flight[name] += 1
                taken.append(queued)
        return [queued.record() for queued in taken]

    def finish(self, batch: list[dict[str, Any]], answer: Any) -> None:
        """Delete what an invocation has finished; hide the rest. `answer` is None if the worker died."""
        now = self.stage.world.now()
        kept = {record["messageId"] for record in batch}
        hidden: Mapping[str, float] = {}
        if answer is not None and "batchItemFailures" in answer:
            kept = {failure["itemIdentifier"] for failure in answer["batchItemFailures"]}
            kept -= set(answer["deleted"])
            hidden = answer["hidden"]
        for record in batch:
            group = record["attributes"]["MessageGroupId"]
            self._in_flight[group] -= 1
            queued = next(each for each in self._groups[group] if each.message_id == record["messageId"])
            if queued.message_id in kept:
                queued.visible_at = now + hidden.get(queued.message_id, VISIBILITY)
            else:
                self._groups[group].remove(queued)

    @property
    def next_moment(self) -> float | None:
        """The next moment at which a group's head may be seen."""
        free = (queue for name, queue in self._groups.items() if queue and not self._in_flight[name])
        return min((queue[0].visible_at for queue in free), default=None)

    @property
    def waiting(self) -> int:
        """How many messages are here."""
        return sum(map(len, self._groups.values()))

    def queued(self) -> Iterator[str]:
        """Yield the id of each message that is left."""
        return (queued.message_id for queue in self._groups.values() for queued in queue)

    def _move(self, queued: _Queued) -> None:
        """Move a message to the dead-letter queue, as SQS does after MAX_RECEIVES receives."""
        self._groups[queued.group].remove(queued)
        self.moved += 1
        self.stage.sqs.send_message(
            QueueUrl=self.stage.settings.dead_letter_queue_url,
            MessageBody=queued.body,
            MessageAttributes={"source": {"DataType": "String", "StringValue": "push"}},
        )
