"""The queues on a real SQS keep the contract of every queue, and some behaviour is specific to SQS."""

import time
from typing import Any

import pytest

import boto_clients
from contracts.queue import EVENT, QueueContract
from local_aws import LocalAws
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
        """Return the numbers of visible, delayed and received messages."""
        names: Any = [f"ApproximateNumberOfMessages{which}" for which in ("", "Delayed", "NotVisible")]
        found = boto_clients.sqs().get_queue_attributes(QueueUrl=self.url, AttributeNames=names)["Attributes"]
        return {name.removeprefix("ApproximateNumberOfMessages"): int(found[name]) for name in names}


@pytest.fixture
def queues(local_stores: LocalAws) -> Queues:
    """Return separate queues."""
    return Queues(local_stores)


class TestSqsQueue(QueueContract):
    """The queue on SQS."""


def test_sqs_delays_a_parked_message(queues: Queues) -> None:
    """The message is stored, but no worker receives it."""
    queues.queue.requeue(EVENT, 2, time.time() + 600, "gathered")
    assert queues.counts() == {"": 0, "Delayed": 1, "NotVisible": 0}


def test_a_finished_message_is_deleted_from_sqs(queues: Queues) -> None:
    """It is deleted by its handle, from the queue in which it was received."""
    queues.queue.put(EVENT)
    (record,) = queues.waiting()
    queues.queue.delete([record])
    assert queues.counts() == {"": 0, "Delayed": 0, "NotVisible": 0}


def test_a_fifo_group_is_received_again_in_order_when_its_head_is_due(local_stores: LocalAws) -> None:
    """The queue is found by its ARN. All messages of the group are hidden equally long."""
    url = local_stores.queue(".fifo", FifoQueue="true", VisibilityTimeout="600")
    for name in ("a1", "a2", "a3", "b1"):
        boto_clients.sqs().send_message(
            QueueUrl=url, MessageBody=name, MessageGroupId=name[0], MessageDeduplicationId=name
        )
    adapter = SqsQueue("", "", time.time)
    first = {record["body"]: record for record in local_stores.received(url)}
    assert QueueRecord.of_sqs(first["a1"]).group == "a"
    group = [first[name] for name in ("a1", "a2", "a3")]
    adapter.delay([group[0]], 0)
    # Although the head is visible, the group waits for the visibility timeout of the others.
    assert not {record["body"] for record in local_stores.received(url)} & {"a1", "a2", "a3"}
    adapter.delay(group, 1)
    again: list[str] = []
    deadline = time.monotonic() + 60
    while len(again) < 3 and time.monotonic() < deadline:
        received = local_stores.received(url)
        again += [record["body"] for record in received]
        if received:
            adapter.delete(received)
    assert again == ["a1", "a2", "a3"]


def test_a_failing_call_of_sqs_is_an_error_of_the_relay(local_stores: LocalAws) -> None:
    """Here the queue has been deleted."""
    gone = SqsQueue(f"{local_stores.queue()}-gone", "", time.time)
    with pytest.raises(QueueUnavailable, match="the queue did not answer"):
        gone.put(EVENT)
    with pytest.raises(QueueUnavailable):
        gone.requeue(EVENT, 1, 0, "gathered")
