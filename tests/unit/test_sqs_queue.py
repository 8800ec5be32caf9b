"""The queue's adapter: how it calls SQS to queue, park, dead-letter, delay and delete."""

import json
import math
import random
from typing import Any

import pytest

from fake_client import FakeClient, client_error
from push_relay.adapters.queue import MAX_DELAY, MAX_VISIBILITY, SqsQueue
from push_relay.core.errors import PayloadTooLarge, QueueUnavailable
from push_relay.core.event import Event
from push_relay.core.inbound.envelope import unwrap_sqs
from push_relay.core.queue_format import MAX_MESSAGE

NOW = 1000.5
QUEUE = SqsQueue("queue", "dead", lambda: NOW)
EVENT = Event("bakery", "e-1", "baked", {"a": 1}, 1.0, "i")
RECORD = {"eventSourceARN": "arn:aws:sqs:eu-west-1:123456789012:theirs.fifo", "receiptHandle": "h"}


@pytest.fixture(name="client")
def _client(monkeypatch: pytest.MonkeyPatch) -> FakeClient:
    """Replace every AWS client."""
    return FakeClient.install(monkeypatch)


def attributes_of(message: dict[str, Any]) -> dict[str, str]:
    """Return the attributes of a message that was sent, by name."""
    return {name: value["StringValue"] for name, value in message["MessageAttributes"].items()}


def test_an_event_is_queued_with_its_attributes(client: FakeClient) -> None:
    """The attributes mark it as verified, and name its source."""
    QUEUE.put(EVENT)
    ((operation, asked),) = client.calls
    assert (operation, asked["QueueUrl"], asked["DelaySeconds"]) == ("SendMessage", "queue", 0)
    assert attributes_of(asked) == {"push-relay-event": "1", "source": "bakery"}


@pytest.mark.parametrize(
    ("due", "delay"), [(NOW - 9, 0), (NOW, 0), (NOW + 0.2, 1), (NOW + 60, 60), (NOW + 86_400, MAX_DELAY)]
)
def test_an_event_is_parked_for_as_long_as_sqs_delays(client: FakeClient, due: float, delay: int) -> None:
    """It has the number of its next attempt, and its due time, because SQS may deliver it earlier."""
    QUEUE.requeue(EVENT, 3, due, "vendor_throttled")
    ((operation, asked),) = client.calls
    assert (operation, asked["QueueUrl"], asked["DelaySeconds"]) == ("SendMessage", "queue", delay)
    ours = {"attempt": "3", "due": str(math.ceil(due)), "error_code": "vendor_throttled"}
    assert attributes_of(asked) == {"push-relay-event": "1", "source": "bakery", **ours}


def test_an_event_that_no_message_holds_is_refused(client: FakeClient) -> None:
    """Random data cannot be compressed. The event is refused before SQS would refuse it."""
    noise = random.Random(0).randbytes(2 * MAX_MESSAGE).hex()  # noqa: S311 (repeatable)
    with pytest.raises(PayloadTooLarge):
        QUEUE.put(Event("bakery", "1", "", {"a": noise}, 1.0, "i"))
    assert not client.calls


def many(count: int, words: str = "") -> list[Event]:
    """Return events."""
    return [Event("bakery", f"e-{number}", "baked", {"a": words}, 1.0, "i") for number in range(count)]


def entries(client: FakeClient) -> list[list[str]]:
    """Return the ids of the entries of each call."""
    assert {operation for operation, _ in client.calls} <= {"SendMessageBatch"}
    return [[entry["Id"] for entry in asked["Entries"]] for _, asked in client.calls]


def test_several_events_are_queued_in_calls_of_ten(client: FakeClient) -> None:
    """Each entry is one event with its attributes."""
    assert QUEUE.put_all(many(23), lambda: 60.0) == [None] * 23
    assert [len(call) for call in entries(client)] == [10, 10, 3]
    entry = client.calls[2][1]["Entries"][2]
    assert attributes_of(entry) == {"push-relay-event": "1", "source": "bakery"}
    assert json.loads(entry["MessageBody"])["id"] == "e-22"


def test_a_call_holds_a_megabyte_at_most(client: FakeClient) -> None:
    """The attributes count too."""
    assert QUEUE.put_all(many(5, "w" * 524_200), lambda: 60.0) == [None] * 5
    assert [len(call) for call in entries(client)] == [1, 1, 1, 1, 1]
    client.calls.clear()
    QUEUE.put_all(many(5, "w" * 523_000), lambda: 60.0)
    assert [len(call) for call in entries(client)] == [2, 2, 1]


def test_an_entry_that_sqs_refuses_does_not_affect_the_others(client: FakeClient) -> None:
    """SQS answers for each entry."""
    client.answer = {"Successful": [], "Failed": [{"Id": "3", "Code": "InternalError", "SenderFault": False}]}
    results = QUEUE.put_all(many(12), lambda: 60.0)
    assert [number for number, result in enumerate(results) if result] == [3]
    assert isinstance(results[3], QueueUnavailable)


def test_after_a_call_that_fails_no_other_is_made(client: FakeClient) -> None:
    """Each could take nine seconds, and the sender is waiting."""
    client.error = client_error("Throttled")
    results = QUEUE.put_all(many(23), lambda: 60.0)
    assert len(client.calls) == 1
    assert all(isinstance(result, QueueUnavailable) for result in results)
    assert "Throttled" in results[22].detail


def test_no_call_begins_that_could_not_end(client: FakeClient) -> None:
    """The function would be ended without an answer to the sender."""
    left = iter([60.0, 8.0])
    results = QUEUE.put_all(many(13), lambda: next(left))
    assert len(client.calls) == 1
    assert [bool(result) for result in results] == [False] * 10 + [True] * 3


def test_an_event_that_fits_only_compressed_is_compressed(client: FakeClient) -> None:
    """The event that is read from the message equals the one that was queued."""
    event = Event("bakery", "1", "", {"a": "é" * MAX_MESSAGE}, 1.0, "i")
    QUEUE.put(event)
    ((_, asked),) = client.calls
    assert len(asked["MessageBody"]) < MAX_MESSAGE
    named = {
        name: {"stringValue": value["StringValue"]} for name, value in asked["MessageAttributes"].items()
    }
    assert unwrap_sqs({"body": asked["MessageBody"], "messageAttributes": named, "messageId": "m"}) == event


def test_a_dead_letter_has_its_reason_and_its_time(client: FakeClient) -> None:
    """It keeps its own attributes. SQS refuses an empty body, so `null` replaces it."""
    QUEUE.dead_letter("", {"source": "bakery", "empty": ""}, "mapping_failed", "e-1")
    ((_, asked),) = client.calls
    attributes = attributes_of(asked)
    assert (asked["QueueUrl"], asked["MessageBody"]) == ("dead", "null")
    assert attributes.pop("failed_at").endswith("+00:00")
    assert attributes == {"source": "bakery", "error_code": "mapping_failed", "event_id": "e-1"}


def test_a_dead_letter_keeps_to_the_limit_of_attributes(client: FakeClient) -> None:
    """SQS accepts ten attributes. The relay's own go before the sender's."""
    QUEUE.dead_letter("b", {f"a{i}": "x" for i in range(10)} | {"source": "s"}, "mapping_failed", "e-1")
    attributes = client.calls[0][1]["MessageAttributes"]
    assert len(attributes) <= 10
    assert {"error_code", "event_id", "failed_at", "source"} <= set(attributes)


@pytest.mark.parametrize(("delay", "timeout"), [(0.4, 1), (-5, 0), (90.6, 91), (10**9, MAX_VISIBILITY)])
def test_a_message_is_delayed_for_at_most_as_long_as_sqs_allows(
    client: FakeClient, delay: float, timeout: int
) -> None:
    """SQS can hide a message for twelve hours after it was received."""
    QUEUE.delay([RECORD], delay)
    assert [entry["VisibilityTimeout"] for entry in client.calls[0][1]["Entries"]] == [timeout]


def test_many_messages_are_delayed_in_several_calls(client: FakeClient) -> None:
    """SQS accepts ten entries in a call, each with an id of its own."""
    QUEUE.delay([{**RECORD, "receiptHandle": str(number)} for number in range(11)], 5)
    entries = [asked["Entries"] for _, asked in client.calls]
    assert [len(each) for each in entries] == [10, 1]
    assert [entry["ReceiptHandle"] for each in entries for entry in each] == [str(n) for n in range(11)]
    assert len({entry["Id"] for entry in entries[0]}) == 10


def test_a_message_that_could_not_be_delayed_is_an_error(client: FakeClient) -> None:
    """A batch call succeeds although single entries fail."""
    client.answer = {"Failed": [{"Id": "0", "Code": "ReceiptHandleIsInvalid", "SenderFault": True}]}
    with pytest.raises(QueueUnavailable, match="did not hide all"):
        QUEUE.delay([RECORD], 1)


@pytest.mark.parametrize(
    ("arn", "url"),
    [
        (RECORD["eventSourceARN"], "https://sqs.eu-west-1.amazonaws.com/123456789012/theirs.fifo"),
        ("arn:aws-cn:sqs:cn-north-1:1:q", "https://sqs.cn-north-1.amazonaws.com.cn/1/q"),
        ("arn:aws-us-gov:sqs:us-gov-west-1:1:q", "https://sqs.us-gov-west-1.amazonaws.com/1/q"),
    ],
)
def test_a_message_is_delayed_and_deleted_in_its_own_queue(client: FakeClient, arn: str, url: str) -> None:
    """The queue may be the deployer's own. A record contains only its ARN, and the calls need its URL."""
    QUEUE.delay([{**RECORD, "eventSourceARN": arn}], 1)
    QUEUE.delete([{**RECORD, "eventSourceARN": arn}])
    assert client.calls == [
        (
            "ChangeMessageVisibilityBatch",
            {"QueueUrl": url, "Entries": [{"Id": "0", "ReceiptHandle": "h", "VisibilityTimeout": 1}]},
        ),
        ("DeleteMessageBatch", {"QueueUrl": url, "Entries": [{"Id": "0", "ReceiptHandle": "h"}]}),
    ]
