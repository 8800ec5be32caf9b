"""Lambda's event source for the relay's queue, with the run's clock.

A message is received from the local SQS at once, and held here for as long as the real SQS would hold it:
until its delay has passed or, if nobody has deleted it, until its visibility timeout ends. Then the local SQS
delivers it again. So the count of receives and the move to the dead-letter queue are the local SQS's own.
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
from chaos.plan import MARKER
from chaos.services import Services

if TYPE_CHECKING:
    from mypy_boto3_sqs.type_defs import MessageTypeDef

#: The visibility timeout, as in template.yaml.
VISIBILITY_SECS = 360.0
BATCH_SIZE = 10
#: SQS's limit of a visibility timeout. The local SQS must not make a message visible by its own clock.
_MAX_HIDDEN_SECS = 43_200
#: SQS delivers at least once: this share of the messages is handed out a second time.
_SECOND_DELIVERY_PROBABILITY = 0.01
_LOST_DELETION_PROBABILITY = 0.005


@dataclass(slots=True)
class EventSource:
    """The messages between the queue and the workers.

    ready         records that can be handed out
    receives      how often each message was received, by its id
    handed_twice  how many messages were handed out a second time
    again         how often a message of each event was handed out twice, or its deletion lost, by marker
    _delayed      records by the time at which they are due
    _hidden       receipt handles by the time at which their visibility timeout ends
    _finished     receipt handles of messages to delete
    _sent_at      when each message was received first, by its id
    """

    services: Services
    dice: random.Random
    ready: list[dict[str, Any]] = field(default_factory=list)
    receives: Counter[str] = field(default_factory=Counter)
    handed_twice: int = 0
    again: Counter[str] = field(default_factory=Counter)
    _delayed: list[tuple[float, int, dict[str, Any]]] = field(default_factory=list)
    _hidden: list[tuple[float, int, str]] = field(default_factory=list)
    _finished: list[str] = field(default_factory=list)
    _sent_at: dict[str, float] = field(default_factory=dict)
    _number: "itertools.count[int]" = field(default_factory=itertools.count)

    def poll(self) -> int:
        """Receive messages from the queue, and return their number."""
        received = self.services.sqs.receive_message(
            QueueUrl=self.services.settings.queue_url,
            MaxNumberOfMessages=BATCH_SIZE,
            VisibilityTimeout=_MAX_HIDDEN_SECS,
            MessageAttributeNames=["All"],
            MessageSystemAttributeNames=["All"],
        ).get("Messages", [])
        for message in received:
            self.receives[message["MessageId"]] += 1
            visible_at, record = _record(message, self.services.settings.queue_url)
            # The local SQS's clock does not jump, so its timestamp would make the message too old.
            sent_at = self._sent_at.setdefault(message["MessageId"], self.services.run_clock.now())
            record["attributes"] = {**record["attributes"], "SentTimestamp": str(round(sent_at * 1000))}
            heapq.heappush(self._delayed, (visible_at, next(self._number), record))
        return len(received)

    def batch(self) -> list[dict[str, Any]]:
        """Take a batch of due messages in any order.

        Sometimes a message is handed out a second time later.
        """
        now = self.services.run_clock.now()
        while self._delayed and self._delayed[0][0] <= now:
            self.ready.append(heapq.heappop(self._delayed)[2])
        if not self.ready:
            return []
        self.dice.shuffle(self.ready)
        size = self.dice.choice((1, 2, 5, BATCH_SIZE, BATCH_SIZE))
        taken, self.ready = self.ready[:size], self.ready[size:]
        for record in taken:
            if self.dice.random() < _SECOND_DELIVERY_PROBABILITY:
                self.handed_twice += 1
                self.again.update(set(MARKER.findall(record["body"])))
                later = now + self.dice.choice((0.0, 0.0, 30.0, 1000.0))
                heapq.heappush(self._delayed, (later, next(self._number), record))
        return taken

    def finish(self, batch: list[dict[str, Any]], answer: Any) -> None:
        """Delete the messages that an invocation has finished. The others become visible again later.

        answer  the worker's answer; None if the worker was killed
        """
        unfinished = {record["messageId"] for record in batch}
        if answer is not None and "batchItemFailures" in answer:
            unfinished = {failure["itemIdentifier"] for failure in answer["batchItemFailures"]}
        for record in batch:
            is_lost = self.dice.random() < _LOST_DELETION_PROBABILITY
            if is_lost:
                self.again.update(set(MARKER.findall(record["body"])))
            if record["messageId"] in unfinished or is_lost:
                visible_at = self.services.run_clock.now() + VISIBILITY_SECS
                heapq.heappush(self._hidden, (visible_at, next(self._number), record["receiptHandle"]))
            else:
                self._finished.append(record["receiptHandle"])
        if len(self._finished) >= BATCH_SIZE:
            self.delete()

    def delete(self) -> int:
        """Delete the finished messages, ten with each call as Lambda does, and return their number."""
        finished, self._finished = self._finished, []
        for start in range(0, len(finished), BATCH_SIZE):
            entries = [
                {"Id": str(n), "ReceiptHandle": h} for n, h in enumerate(finished[start : start + BATCH_SIZE])
            ]
            # A deletion fails if the message is deleted already: it was handed out twice, or the relay
            # deleted it.
            self.services.sqs.delete_message_batch(
                QueueUrl=self.services.settings.queue_url,
                Entries=entries,  # type: ignore[arg-type] # boto3's stubs want their own typed dict
            )
        return len(finished)

    def release(self) -> int:
        """Make the messages visible whose visibility timeout has passed, and return their number."""
        released = 0
        while self._hidden and self._hidden[0][0] <= self.services.run_clock.now():
            self._make_visible(heapq.heappop(self._hidden)[2])
            released += 1
        return released

    @property
    def next_due(self) -> float | None:
        """The next time at which a message is due; None if no message is."""
        due_times = [heap[0][0] for heap in (self._delayed, self._hidden) if heap]
        return min(due_times, default=None)

    @property
    def batch_due(self) -> float:
        """The time at which as many messages are due as the workers can take together; 0 if none is."""
        return heapq.nsmallest(4 * BATCH_SIZE, self._delayed)[-1][0] if self._delayed else 0.0

    @property
    def waiting(self) -> int:
        """The number of messages that are held here."""
        return len(self.ready) + len(self._delayed) + len(self._hidden)

    def send(self, body: str, source: str | None) -> None:
        """Send a message to the relay's queue. `source`: the value of its attribute, or None for none."""
        attributes = {"source": {"DataType": "String", "StringValue": source}} if source else {}
        self.services.sqs.send_message(
            QueueUrl=self.services.settings.queue_url,
            MessageBody=body,
            MessageAttributes=attributes,  # type: ignore[arg-type] # boto3's stubs want their own typed dict
        )

    def dead_letter(self, invocation: Any) -> None:
        """Send an invocation to the dead-letter queue, as Lambda does after its last attempt."""
        self.services.sqs.send_message(
            QueueUrl=self.services.settings.dead_letter_queue_url,
            MessageBody=json.dumps(invocation),
            MessageAttributes={"ErrorCode": {"DataType": "Number", "StringValue": "200"}},
        )

    def _make_visible(self, handle: str) -> None:
        # The call fails if the message was handed out twice and is deleted already.
        with suppress(self.services.sqs.exceptions.ClientError):
            self.services.sqs.change_message_visibility(
                QueueUrl=self.services.settings.queue_url, ReceiptHandle=handle, VisibilityTimeout=0
            )


def _record(message: "MessageTypeDef", queue_url: str) -> tuple[float, dict[str, Any]]:
    """Return the time at which a message is due, and the record that the event source passes to Lambda."""
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
        "eventSourceARN": f"arn:aws:sqs:eu-west-1:000000000000:{queue_url.rpartition('/')[2]}",
    }
    return float(visible_at["stringValue"]), record
