"""The contract of a queue: the one on SQS, and the one in memory that other tests use.

A test class inherits the contract, and a fixture `queues` makes a queue and a dead-letter queue.
"""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Protocol

import pytest

from push_relay.core.errors import PayloadTooLarge, SchemaViolation
from push_relay.core.event import Arrival, Event, Replay
from push_relay.core.inbound.envelope import unwrap_sqs
from push_relay.core.queue_format import (
    MAX_ATTRIBUTES,
    MAX_EVENT,
    MAX_MESSAGE,
    RejectedItem,
    sqs_attributes,
)
from push_relay.entrypoints.queue_record import QueueRecord

EVENT = Event("bakery", "e-1", "baked", {"words": "warm"}, 1_800_000_000.0, "i", "c-1", only=("k",))
LARGE = replace(EVENT, data={"words": "é" * MAX_MESSAGE}, replay=Replay.FAILED)
EVENTS = pytest.mark.parametrize("event", [EVENT, LARGE], ids=["plain", "compressed"])


class Queues(Protocol):
    """A queue with its dead-letter queue. `queue` has the ports of both functions."""

    queue: Any

    def now(self) -> float:
        """Return the time by the queue's clock."""
        ...

    def waiting(self) -> list[dict[str, Any]]:
        """Receive the visible messages, as Lambda hands them to the function."""
        ...

    def dead(self) -> list[dict[str, Any]]:
        """Receive the dead letters in the same way."""
        ...


class QueueContract:
    """The cases that each queue has to pass."""

    @EVENTS
    def test_an_event_comes_out_as_it_went_in(self, queues: Queues, event: Event) -> None:
        """A large event is compressed on its way."""
        queues.queue.put(event)
        (record,) = queues.waiting()
        assert unwrap_sqs(record) == event
        message = QueueRecord.of_sqs(record)
        assert (message.attempt, message.due, message.group) == (1, 0.0, None)

    def test_the_events_of_one_request_are_queued_together(self, queues: Queues) -> None:
        """There may be more than one call takes. One that no message can hold does not affect the others."""
        events = [replace(EVENT, id=f"e-{number}") for number in range(23)]
        huge = replace(EVENT, data={"words": "é" * MAX_EVENT})
        results = queues.queue.put_all([events[0], huge, *events[1:]], lambda: 60.0)
        assert [type(result) for result in results] == [type(None), PayloadTooLarge, *[type(None)] * 22]
        assert sorted(unwrap_sqs(record).id for record in self._all(queues)) == sorted(e.id for e in events)

    def _all(self, queues: Queues) -> list[dict[str, Any]]:
        records: list[dict[str, Any]] = []
        while found := queues.waiting():
            records += found
        return records

    def test_large_events_are_queued_in_several_calls(self, queues: Queues) -> None:
        """SQS accepts a megabyte in one call."""
        events = [replace(EVENT, id=f"e-{n}", data={"words": "w" * 400_000}) for n in range(4)]
        assert queues.queue.put_all(events, lambda: 60.0) == [None] * 4
        assert len(self._all(queues)) == 4

    def test_an_item_that_is_not_valid_is_queued_as_another_programs_message(self, queues: Queues) -> None:
        """Its id and its time are those of the request, so that each attempt makes the same message."""
        item = RejectedItem("bakery", '{"words": 7}', "e-1", 1_700_000_000.0, "c-1", SchemaViolation(()))
        assert queues.queue.put_all([item], lambda: 60.0) == [None]
        (record,) = queues.waiting()
        arrival = unwrap_sqs(record)
        assert isinstance(arrival, Arrival)
        assert (arrival.source, arrival.data, arrival.received_at) == (
            "bakery",
            {"words": 7},
            1_700_000_000.0,
        )
        assert arrival.fallback_id == "e-1"

    def test_an_event_that_no_message_can_hold_is_refused(self, queues: Queues) -> None:
        """`receive` must not accept it."""
        huge = replace(EVENT, data={"words": "é" * MAX_EVENT})
        with pytest.raises(PayloadTooLarge):
            queues.queue.put(huge)
        with pytest.raises(PayloadTooLarge):
            queues.queue.requeue(huge, 2, queues.now(), "vendor_throttled")
        assert queues.waiting() == []

    @EVENTS
    def test_a_parked_event_has_its_attempt_its_reason_and_when_it_is_due(
        self, queues: Queues, event: Event
    ) -> None:
        """SQS may show it too early, so `deliver` has to know when it is due."""
        due = queues.now() - 1
        queues.queue.requeue(event, 4, due, "quota_exhausted")
        (record,) = queues.waiting()
        assert unwrap_sqs(record) == event
        message = QueueRecord.of_sqs(record)
        assert (message.attempt, message.reason) == (4, "quota_exhausted")
        assert due <= message.due <= due + 1

    def test_an_event_that_is_parked_for_later_is_not_visible(self, queues: Queues) -> None:
        """A visible message would cost an invocation each time."""
        queues.queue.requeue(EVENT, 2, queues.now() + 600, "gathered")
        assert queues.waiting() == []

    def test_a_message_that_was_received_is_not_visible_to_another_worker(self, queues: Queues) -> None:
        """It is delayed or deleted by the worker that has it."""
        queues.queue.put(EVENT)
        assert len(queues.waiting()) == 1
        assert queues.waiting() == []

    def test_a_dead_letter_has_its_error_and_the_time(self, queues: Queues) -> None:
        """Otherwise it is unchanged, within the number of attributes that SQS accepts."""
        needed = {
            "source": "bakery",
            "push-relay-origin-id": "m-1",
            "push-relay-origin-sent": "1800000000000",
        }
        brought = {f"a{number}": "x" for number in range(12)} | needed | {"push-relay-event": "1"}
        queues.queue.dead_letter("body", brought, "mapping_failed", "e-1")
        queues.queue.dead_letter("", {}, "malformed_request", "-")
        dead_letters = {record["body"]: sqs_attributes(record) for record in queues.dead()}
        assert set(dead_letters) == {"body", "null"}
        attributes = dead_letters["body"]
        assert len(attributes) == MAX_ATTRIBUTES
        assert (attributes["error_code"], attributes["event_id"]) == ("mapping_failed", "e-1")
        assert needed.items() | {("push-relay-event", "1")} <= attributes.items()
        failed_at = datetime.fromisoformat(attributes["failed_at"])
        assert abs((failed_at - datetime.now(UTC)).total_seconds()) < 60
        assert queues.waiting() == []

    def test_a_copy_is_the_same_event_with_its_crashes_and_no_receives(self, queues: Queues) -> None:
        """A message of the relay keeps its attempt number, which includes the crashes."""
        queues.queue.requeue(EVENT, 4, queues.now() - 1, "quota_exhausted")
        (parked,) = queues.waiting()
        queues.queue.copy(parked, 2, 0.0)
        queues.queue.delete([parked])
        (copied,) = queues.waiting()
        assert unwrap_sqs(copied) == EVENT
        message = QueueRecord.of_sqs(copied)
        assert (message.attempt, message.receives, message.crashes) == (6, 1, 2)

    def test_a_copy_of_another_programs_message_is_the_same_event(self, queues: Queues) -> None:
        """It keeps the id and the time of the message that it replaces."""
        record = {
            "messageId": "m-1",
            "receiptHandle": "h-1",
            "body": '{"words": "hot"}',
            "attributes": {"SentTimestamp": "1700000000000", "ApproximateReceiveCount": "1"},
            "messageAttributes": {
                name: {"stringValue": value, "dataType": "String"}
                for name, value in ({"source": "bakery"} | {f"a{number}": "x" for number in range(8)}).items()
            },
            "eventSource": "aws:sqs",
            "eventSourceARN": "arn:aws:sqs:eu-west-1:123456789012:theirs",
        }
        queues.queue.copy(record, 1, 0.0)
        (copied,) = queues.waiting()
        assert unwrap_sqs(copied) == unwrap_sqs(record)
        assert len(sqs_attributes(copied)) == MAX_ATTRIBUTES
        assert QueueRecord.of_sqs(copied).crashes == 1

    def test_a_deleted_message_is_gone(self, queues: Queues) -> None:
        """The other messages of the batch are not affected."""
        queues.queue.put(EVENT)
        queues.queue.put(replace(EVENT, id="e-2"))
        first, second = queues.waiting()
        queues.queue.delete([first])
        assert queues.size() == 1
        queues.queue.delay([second], 0)
        (left,) = queues.waiting()
        assert unwrap_sqs(left) == unwrap_sqs(second)

    def test_delayed_messages_are_visible_again_after_the_delay(self, queues: Queues) -> None:
        """Each receive is counted, because a standard queue shows by it that the function did not answer."""
        queues.queue.put(EVENT)
        (record,) = queues.waiting()
        queues.queue.delay([record], 600)
        assert queues.waiting() == []
        queues.queue.delay([record], 0)
        (again,) = queues.waiting()
        assert QueueRecord.of_sqs(again).receives == 2
