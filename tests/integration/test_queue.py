"""The queues on a real SQS: the contract of every queue, and what is SQS's own."""

import time
from typing import Any

import pytest

from contracts.queue import EVENT, QueueContract
from local_aws import LocalAws
from push_relay.adapters import aws
from push_relay.adapters.queue import SqsQueue
from push_relay.core.errors import QueueUnavailable
from push_relay.entrypoints.queue_record import QueueRecord


class Queues:
    """The queue and the dead-letter queue."""

    def __init__(self, local: LocalAws) -> None:
        """Make both."""
        self._local = local
        self.url, self.dead_url = local.queue(), local.queue("-dead")
        self.queue = SqsQueue(self.url, self.dead_url, time.time)

    def now(self) -> float:
        """Return the time."""
        return time.time()

    def waiting(self) -> list[dict[str, Any]]:
        """Receive the visible messages."""
        return self._local.received(self.url)

    def dead(self) -> list[dict[str, Any]]:
        """Receive the dead letters."""
        return self._local.received(self.dead_url)

    def size(self) -> int:
        """Return how many messages are in the queue."""
        return sum(self.counts().values())

    def counts(self) -> dict[str, int]:
        """Return how many messages SQS has: visible, delayed and received."""
        names: Any = [f"ApproximateNumberOfMessages{which}" for which in ("", "Delayed", "NotVisible")]
        found = aws.sqs().get_queue_attributes(QueueUrl=self.url, AttributeNames=names)["Attributes"]
        return {name.removeprefix("ApproximateNumberOfMessages"): int(found[name]) for name in names}


@pytest.fixture
def queues(local_stores: LocalAws) -> Queues:
    """Return queues of this test's own."""
    return Queues(local_stores)


class TestSqsQueue(QueueContract):
    """The queue on SQS."""


def test_sqs_delays_what_is_parked_for_later(queues: Queues) -> None:
    """The message is there, and no worker receives it."""
    queues.queue.requeue(EVENT, 2, time.time() + 600, "gathered")
    assert queues.counts() == {"": 0, "Delayed": 1, "NotVisible": 0}


def test_sqs_has_nothing_left_of_a_deleted_message(queues: Queues) -> None:
    """By its handle, in the queue that it was received from."""
    queues.queue.put(EVENT)
    (record,) = queues.waiting()
    queues.queue.delete(record)
    assert queues.counts() == {"": 0, "Delayed": 0, "NotVisible": 0}


def test_a_fifo_group_comes_back_in_order_when_its_head_is_due(local_stores: LocalAws) -> None:
    """In whatever queue it came from, found by its ARN. Those behind the head are as long out of sight."""
    url = local_stores.queue(".fifo", FifoQueue="true", VisibilityTimeout="600")
    for name in ("a1", "a2", "a3", "b1"):
        aws.sqs().send_message(
            QueueUrl=url, MessageBody=name, MessageGroupId=name[0], MessageDeduplicationId=name
        )
    adapter = SqsQueue("", "", time.time)
    first = {record["body"]: record for record in local_stores.received(url)}
    assert QueueRecord.of_sqs(first["a1"]).group == "a"
    group = [first[name] for name in ("a1", "a2", "a3")]
    adapter.delay([group[0]], 0)
    # Although the head is in sight, the group waits for the visibility timeout of those behind it.
    assert not {record["body"] for record in local_stores.received(url)} & {"a1", "a2", "a3"}
    adapter.delay(group, 1)
    again: list[str] = []
    deadline = time.monotonic() + 60
    while len(again) < 3 and time.monotonic() < deadline:
        received = local_stores.received(url)
        again += [record["body"] for record in received]
        for record in received:
            adapter.delete(record)
    assert again == ["a1", "a2", "a3"]


def test_what_sqs_does_not_take_is_told(local_stores: LocalAws) -> None:
    """A queue that is gone."""
    gone = SqsQueue(f"{local_stores.queue()}-gone", "", time.time)
    with pytest.raises(QueueUnavailable, match="the queue did not answer"):
        gone.put(EVENT)
    with pytest.raises(QueueUnavailable):
        gone.requeue(EVENT, 1, 0, "gathered")
