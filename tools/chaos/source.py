"""The queue's other end: does what Lambda's event source does, by the world's clock.

Messages are received once and kept here for as long as SQS would keep them back: until their delay has
passed, or, where nobody deleted them, until their visibility timeout ends; then SQS hands them out anew, with
its own count of receives and its own dead-letter queue.
"""

import heapq
import itertools
import json
import random
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from chaos.aws_faults import VISIBLE_AT
from chaos.stage import Stage

if TYPE_CHECKING:
    from mypy_boto3_sqs.type_defs import MessageTypeDef

#: Seconds after which a message that nobody deleted comes again, as in template.yaml.
VISIBILITY = 360.0
BATCH = 10
_LONGEST = 43_200


@dataclass(slots=True)
class EventSource:
    """Messages on their way from the queue to the workers."""

    stage: Stage
    dice: random.Random
    ready: list[dict[str, Any]] = field(default_factory=list)
    receives: Counter[str] = field(default_factory=Counter)
    handed_twice: int = 0
    _back: list[tuple[float, int, dict[str, Any]]] = field(default_factory=list)
    _again: list[tuple[float, int, str]] = field(default_factory=list)
    _finished: list[str] = field(default_factory=list)
    _sent: dict[str, float] = field(default_factory=dict)
    _number: "itertools.count[int]" = field(default_factory=itertools.count)

    def poll(self) -> int:
        """Receive what the queue has, and return how much that was."""
        received = self.stage.sqs.receive_message(
            QueueUrl=self.stage.settings.queue_url,
            MaxNumberOfMessages=BATCH,
            VisibilityTimeout=_LONGEST,
            MessageAttributeNames=["All"],
            MessageSystemAttributeNames=["All"],
        ).get("Messages", [])
        for message in received:
            self.receives[message["MessageId"]] += 1
            visible_at, record = _record(message)
            # The queue's own clock does not leap: what came on the twentieth day would be told for old.
            sent = self._sent.setdefault(message["MessageId"], self.stage.world.now())
            record["attributes"] = {**record["attributes"], "SentTimestamp": str(round(sent * 1000))}
            heapq.heappush(self._back, (visible_at, next(self._number), record))
        return len(received)

    def batch(self) -> list[dict[str, Any]]:
        """Take a batch of what is due, in any order, and now and then something a second time."""
        now = self.stage.world.now()
        while self._back and self._back[0][0] <= now:
            self.ready.append(heapq.heappop(self._back)[2])
        if not self.ready:
            return []
        self.dice.shuffle(self.ready)
        size = self.dice.choice((1, 2, 5, BATCH, BATCH))
        taken, self.ready = self.ready[:size], self.ready[size:]
        for record in taken:
            if self.dice.random() < 0.01:  # noqa: PLR2004 - SQS delivers at least once
                self.handed_twice += 1
                later = now + self.dice.choice((0.0, 0.0, 30.0, 1000.0))
                heapq.heappush(self._back, (later, next(self._number), record))
        return taken

    def finish(self, batch: list[dict[str, Any]], answer: Any) -> None:
        """Delete what an invocation has finished; all else comes again. `answer` is None if it was killed."""
        kept = {record["messageId"] for record in batch}
        if answer is not None and "batchItemFailures" in answer:
            kept = {failure["itemIdentifier"] for failure in answer["batchItemFailures"]}
        for record in batch:
            lost = self.dice.random() < 0.005  # noqa: PLR2004 - the share of lost deletions
            if record["messageId"] in kept or lost:
                again = self.stage.world.now() + VISIBILITY
                heapq.heappush(self._again, (again, next(self._number), record["receiptHandle"]))
            else:
                self._finished.append(record["receiptHandle"])
        if len(self._finished) >= BATCH:
            self.delete()

    def delete(self) -> int:
        """Delete what is finished, ten at a time as Lambda does; return how much that was."""
        finished, self._finished = self._finished, []
        for start in range(0, len(finished), BATCH):
            entries = [
                {"Id": str(n), "ReceiptHandle": h} for n, h in enumerate(finished[start : start + BATCH])
            ]
            # What fails was deleted by the other of two that had it, or by the relay itself.
            self.stage.sqs.delete_message_batch(
                QueueUrl=self.stage.settings.queue_url,
                Entries=entries,  # type: ignore[arg-type] # a narrower type of the same
            )
        return len(finished)

    def release(self) -> int:
        """Let the queue hand out what was not deleted in time; return how much that was."""
        released = 0
        while self._again and self._again[0][0] <= self.stage.world.now():
            self._show(heapq.heappop(self._again)[2])
            released += 1
        return released

    @property
    def next_moment(self) -> float | None:
        """The next moment at which a message is due."""
        moments = [heap[0][0] for heap in (self._back, self._again) if heap]
        return min(moments, default=None)

    @property
    def moment_of_a_batch(self) -> float:
        """The moment at which as many messages are due as the workers could take together."""
        return heapq.nsmallest(4 * BATCH, self._back)[-1][0] if self._back else 0.0

    @property
    def waiting(self) -> int:
        """How many messages are here."""
        return len(self.ready) + len(self._back) + len(self._again)

    def send(self, body: str, source: str | None) -> None:
        """Put a message straight into the queue."""
        named = {"source": {"DataType": "String", "StringValue": source}} if source else {}
        self.stage.sqs.send_message(
            QueueUrl=self.stage.settings.queue_url,
            MessageBody=body,
            MessageAttributes=named,  # type: ignore[arg-type] # a narrower type of the same
        )

    def bury(self, invocation: Any) -> None:
        """Put an invocation into the dead-letter queue, as Lambda does when it gives up."""
        self.stage.sqs.send_message(
            QueueUrl=self.stage.settings.dead_letter_queue_url,
            MessageBody=json.dumps(invocation),
            MessageAttributes={"ErrorCode": {"DataType": "Number", "StringValue": "200"}},
        )

    def _show(self, handle: str) -> None:
        with suppress(self.stage.sqs.exceptions.ClientError):  # deleted by the other of two that had it
            self.stage.sqs.change_message_visibility(
                QueueUrl=self.stage.settings.queue_url, ReceiptHandle=handle, VisibilityTimeout=0
            )


def _record(message: "MessageTypeDef") -> tuple[float, dict[str, Any]]:
    """Write a message as the event source hands it to Lambda, and tell when it is to be seen."""
    attributes = {
        name: {"stringValue": value.get("StringValue", ""), "dataType": value["DataType"]}
        for name, value in message.get("MessageAttributes", {}).items()
    }
    visible_at = attributes.pop(VISIBLE_AT, {"stringValue": "0"})
    record = {
        "messageId": message["MessageId"],
        "receiptHandle": message["ReceiptHandle"],
        "body": message["Body"],
        "attributes": message.get("Attributes", {}),
        "messageAttributes": attributes,
        "eventSource": "aws:sqs",
        "eventSourceARN": "arn:aws:sqs:eu-west-1:000000000000:events",
    }
    return float(visible_at["stringValue"]), record
