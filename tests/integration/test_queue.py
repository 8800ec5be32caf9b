"""The queues on a real SQS: what goes in comes out, parked, dead or hidden."""

import time
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest

from local_aws import LocalAws
from push_relay.adapters import aws
from push_relay.adapters.queue import MAX_ATTRIBUTES, SqsQueue
from push_relay.core.envelope import MAX_MESSAGE, sqs_attributes, unwrap_sqs
from push_relay.core.errors import QueueUnavailable
from push_relay.core.event import Event, Replay
from push_relay.entrypoints.message import Message

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
    message = Message.of_sqs(record)
    assert (message.attempt, message.due, message.group) == (1, 0.0, None)


@pytest.mark.parametrize("event", [EVENT, LARGE], ids=["plain", "compressed"])
def test_what_is_parked_says_its_attempt_why_it_waits_and_when_it_is_due(
    queues: Queues, event: Event
) -> None:
    """As the back door reads it."""
    due = time.time() - 1
    queues.adapter.park(event, 4, due, "quota_exhausted")
    (record,) = queues.waiting()
    assert unwrap_sqs(record) == event
    message = Message.of_sqs(record)
    assert (message.attempt, message.reason) == (4, "quota_exhausted")
    assert due <= message.due <= due + 1


def test_what_is_parked_for_later_is_not_shown(queues: Queues) -> None:
    """SQS delays it."""
    queues.adapter.park(EVENT, 2, time.time() + 600, "gathered")
    assert queues.waiting() == []
    counts = aws.sqs().get_queue_attributes(QueueUrl=queues.url, AttributeNames=["All"])["Attributes"]
    assert counts["ApproximateNumberOfMessagesDelayed"] == "1"


def test_what_is_dead_says_why_and_when(queues: Queues) -> None:
    """As it came, with its attributes, within what SQS takes."""
    needed = {"source": "bakery", "push-relay-origin-id": "m-1", "push-relay-origin-sent": "1800000000000"}
    brought = {f"a{number}": "x" for number in range(12)} | needed | {"push-relay-event": "1"}
    queues.adapter.bury("body", brought, "mapping_failed", "e-1")
    queues.adapter.bury("", {}, "malformed_request", "-")
    told = {record["body"]: sqs_attributes(record) for record in queues.dead()}
    assert set(told) == {"body", "null"}
    attributes = told["body"]
    assert len(attributes) == MAX_ATTRIBUTES
    assert (attributes["error_code"], attributes["event_id"]) == ("mapping_failed", "e-1")
    assert needed.items() | {("push-relay-event", "1")} <= attributes.items()
    assert abs(datetime.fromisoformat(attributes["failed_at"]).timestamp() - time.time()) < 60
    assert queues.waiting() == []


def test_a_fifo_record_is_hidden_and_its_group_waits_behind_it(local_stores: LocalAws) -> None:
    """In whatever queue it came from, found by its ARN; shown again, it is the first."""
    url = local_stores.queue(".fifo", FifoQueue="true", VisibilityTimeout="600")
    for name in ("a1", "a2", "b1"):
        aws.sqs().send_message(
            QueueUrl=url, MessageBody=name, MessageGroupId=name[0], MessageDeduplicationId=name
        )
    adapter = SqsQueue("", "", time.time)
    first = {record["body"]: record for record in local_stores.received(url)}
    assert Message.of_sqs(first["a1"]).group == "a"
    adapter.hide([first["a1"]], 500)
    assert not {record["body"] for record in local_stores.received(url)} & {"a1", "a2"}
    adapter.hide([*first.values()], 0)
    again = [record["body"] for record in local_stores.received(url)]
    assert next(name for name in again if name.startswith("a")) == "a1"


def test_what_is_finished_is_deleted(queues: Queues) -> None:
    """By its handle, in the queue that it came from."""
    queues.adapter.put(EVENT)
    (record,) = queues.waiting()
    queues.adapter.forget(record)
    names: Any = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    left = aws.sqs().get_queue_attributes(QueueUrl=queues.url, AttributeNames=names)["Attributes"]
    assert set(left.values()) == {"0"}


def test_what_sqs_does_not_take_is_told(local_stores: LocalAws) -> None:
    """A queue that is gone."""
    gone = SqsQueue(f"{local_stores.queue()}-gone", "", time.time)
    with pytest.raises(QueueUnavailable, match="the queue did not answer"):
        gone.put(EVENT)
    with pytest.raises(QueueUnavailable):
        gone.park(EVENT, 1, 0, "gathered")
