"""The queues on a real SQS: what goes in comes out, parked, dead or hidden."""

import time
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest

from local_aws import LocalAws
from push_relay.adapters import aws
from push_relay.adapters.queue import SqsQueue
from push_relay.core.errors import QueueUnavailable
from push_relay.core.event import Event, Replay
from push_relay.core.inbound.envelope import unwrap_sqs
from push_relay.core.queue_format import MAX_ATTRIBUTES, MAX_MESSAGE, sqs_attributes
from push_relay.entrypoints.queue_record import QueueRecord

EVENT = Event("bakery", "e-1", "baked", {"words": "warm"}, 1_800_000_000.0, "i", "c-1", only=("k",))


class Queues:
    """The queue and the dead-letter queue."""

    def __init__(self, local: LocalAws) -> None:
        """Make both."""
        self.local = local
        self.url, self.dead_url = local.queue(), local.queue("-dead")
        self.adapter = SqsQueue(self.url, self.dead_url, time.time)

    def waiting(self) -> list[dict[str, Any]]:
        """Receive what is to be delivered."""
        return self.local.received(self.url)

    def dead(self) -> list[dict[str, Any]]:
        """Receive what is dead."""
        return self.local.received(self.dead_url)


@pytest.fixture
def queues(local_stores: LocalAws) -> Queues:
    """Return queues of this test's own."""
    return Queues(local_stores)


LARGE = replace(EVENT, data={"words": "é" * MAX_MESSAGE}, replay=Replay.FAILED)


@pytest.mark.parametrize("event", [EVENT, LARGE], ids=["plain", "compressed"])
def test_what_is_queued_comes_out_as_it_went_in(queues: Queues, event: Event) -> None:
    """Compressed where it would not fit."""
    queues.adapter.put(event)
    (record,) = queues.waiting()
    assert unwrap_sqs(record) == event
    message = QueueRecord.of_sqs(record)
    assert (message.attempt, message.due, message.group) == (1, 0.0, None)


@pytest.mark.parametrize("event", [EVENT, LARGE], ids=["plain", "compressed"])
def test_what_is_parked_says_its_attempt_why_it_waits_and_when_it_is_due(
    queues: Queues, event: Event
) -> None:
    """As the back door reads it."""
    due = time.time() - 1
    queues.adapter.requeue(event, 4, due, "quota_exhausted")
    (record,) = queues.waiting()
    assert unwrap_sqs(record) == event
    message = QueueRecord.of_sqs(record)
    assert (message.attempt, message.reason) == (4, "quota_exhausted")
    assert due <= message.due <= due + 1


def test_what_is_parked_for_later_is_not_shown(queues: Queues) -> None:
    """SQS delays it."""
    queues.adapter.requeue(EVENT, 2, time.time() + 600, "gathered")
    assert queues.waiting() == []
    counts = aws.sqs().get_queue_attributes(QueueUrl=queues.url, AttributeNames=["All"])["Attributes"]
    assert counts["ApproximateNumberOfMessagesDelayed"] == "1"


def test_what_is_dead_says_why_and_when(queues: Queues) -> None:
    """As it came, with its attributes, within what SQS takes."""
    needed = {"source": "bakery", "push-relay-origin-id": "m-1", "push-relay-origin-sent": "1800000000000"}
    brought = {f"a{number}": "x" for number in range(12)} | needed | {"push-relay-event": "1"}
    queues.adapter.dead_letter("body", brought, "mapping_failed", "e-1")
    queues.adapter.dead_letter("", {}, "malformed_request", "-")
    told = {record["body"]: sqs_attributes(record) for record in queues.dead()}
    assert set(told) == {"body", "null"}
    attributes = told["body"]
    assert len(attributes) == MAX_ATTRIBUTES
    assert (attributes["error_code"], attributes["event_id"]) == ("mapping_failed", "e-1")
    assert needed.items() | {("push-relay-event", "1")} <= attributes.items()
    assert abs(datetime.fromisoformat(attributes["failed_at"]).timestamp() - time.time()) < 60
    assert queues.waiting() == []


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


def test_a_copy_is_the_same_event_with_its_crashes_and_no_receives(queues: Queues) -> None:
    """What `receive` has queued keeps its attempt; a foreign message keeps its id and its attributes."""
    queues.adapter.requeue(EVENT, 4, time.time() - 1, "quota_exhausted")
    (parked,) = queues.waiting()
    queues.adapter.copy(parked, 2, 0.0)
    queues.adapter.delete(parked)
    (copied,) = queues.waiting()
    assert unwrap_sqs(copied) == EVENT
    message = QueueRecord.of_sqs(copied)
    assert (message.attempt, message.receives, message.crashes) == (6, 1, 2)
    queues.adapter.delete(copied)
    theirs = {"source": "bakery"} | {f"a{number}": "x" for number in range(8)}
    given: Any = {name: {"DataType": "String", "StringValue": value} for name, value in theirs.items()}
    aws.sqs().send_message(QueueUrl=queues.url, MessageBody='{"words": "hot"}', MessageAttributes=given)
    (record,) = queues.waiting()
    queues.adapter.copy(record, 1, 0.0)
    queues.adapter.delete(record)
    (copied,) = queues.waiting()
    first, second = unwrap_sqs(record), unwrap_sqs(copied)
    assert first == second
    assert len(sqs_attributes(copied)) == MAX_ATTRIBUTES
    assert QueueRecord.of_sqs(copied).crashes == 1


def test_what_is_finished_is_deleted(queues: Queues) -> None:
    """By its handle, in the queue that it came from."""
    queues.adapter.put(EVENT)
    (record,) = queues.waiting()
    queues.adapter.delete(record)
    names: Any = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    left = aws.sqs().get_queue_attributes(QueueUrl=queues.url, AttributeNames=names)["Attributes"]
    assert set(left.values()) == {"0"}


def test_what_sqs_does_not_take_is_told(local_stores: LocalAws) -> None:
    """A queue that is gone."""
    gone = SqsQueue(f"{local_stores.queue()}-gone", "", time.time)
    with pytest.raises(QueueUnavailable, match="the queue did not answer"):
        gone.put(EVENT)
    with pytest.raises(QueueUnavailable):
        gone.requeue(EVENT, 1, 0, "gathered")
