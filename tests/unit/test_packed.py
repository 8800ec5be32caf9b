"""A queued event is read exactly as it was packed, also if another version of the relay packed it."""

import json
from dataclasses import asdict, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakes import World
from invocations import sqs_batch, sqs_queued, sqs_record
from push_relay.core.errors import MalformedRequest
from push_relay.core.event import Arrival, Event, Replay
from push_relay.core.inbound.envelope import unwrap_sqs
from push_relay.core.queue_format import MAX_MESSAGE, pack

EVENT = Event("bakery", "e-1", "baked", {"kind": "baked"}, 1_800_000_000.5, "i", "c-1")


def queued(body: str) -> dict[str, Any]:
    """Return a record with the relay's attribute."""
    return {**sqs_queued(EVENT), "body": body}


def changed(**fields: Any) -> dict[str, Any]:
    """Return the record of the event with other fields. A field that is None is left out."""
    document = {**asdict(EVENT), **fields}
    return queued(json.dumps({name: value for name, value in document.items() if value is not None}))


@given(st.lists(st.text(), max_size=3), st.sampled_from(Replay), st.sampled_from(["é", "x" * MAX_MESSAGE]))
def test_the_fields_of_remaining_and_replayed_pushes_survive_the_queue(
    only: list[str], replay: Replay, words: str
) -> None:
    """Compressed or not, the fields keep their types."""
    keys = tuple(only)
    event = Event("bakery", "e", None, {"words": words}, 1.0, "i", only=keys, skip=keys[::-1], replay=replay)
    packed = pack(event)
    assert len(packed.body) <= MAX_MESSAGE
    attributes = {name: {"stringValue": value} for name, value in packed.attributes.items()}
    unwrapped = unwrap_sqs({"body": packed.body, "messageAttributes": attributes, "messageId": "m"})
    assert unwrapped == event
    assert isinstance(unwrapped, Event)
    assert isinstance(unwrapped.replay, Replay)


def test_an_event_that_an_older_version_queued_is_read() -> None:
    """An older version did not write these fields: the event is for all its pushes, and is not a replay."""
    assert unwrap_sqs(changed(only=None, skip=None, replay=None)) == EVENT


def test_an_older_version_can_read_an_event_that_is_queued_now() -> None:
    """Both versions run during a deployment, and after a rollback the older one reads what was parked."""
    known = {"source", "id", "type", "data", "received_at", "identity", "correlation_id", "headers", "query"}
    assert json.loads(pack(EVENT).body).keys() == known
    replayed = replace(EVENT, only=("k",), replay=Replay.FAILED, replay_id="r")
    assert json.loads(pack(replayed).body).keys() == known | {"only", "replay", "replay_id"}


@pytest.mark.parametrize(
    "fields",
    [
        {"only": "key"},
        {"only": [1]},
        {"only": {}},
        {"only": 7},
        {"skip": "key"},
        {"skip": [1]},
        {"skip": 7},
        {"replay": "some"},
        {"replay": []},
        {"received_at": "now"},
        {"received_at": 10**300},
        {"received_at": -(10**300)},
        {"identity": 1},
        {"data": []},
        {"more": 1},
    ],
    ids=str,
)
def test_an_event_that_the_relay_would_not_write_is_malformed(fields: dict[str, Any]) -> None:
    """A person has to look at it, and the other messages of the batch are not affected."""
    with pytest.raises(MalformedRequest):
        unwrap_sqs(changed(**fields))
    world = World()
    assert world.deliver(sqs_batch(changed(**fields))) == {"batchItemFailures": []}
    assert [dead_letter.error_code for dead_letter in world.messages.dead_letters] == ["malformed_request"]


def packed(body: str, version: str = "1") -> dict[str, Any]:
    """Return a record whose only attribute is the one for packed events."""
    attributes = {"push-relay-event": {"stringValue": version, "dataType": "String"}}
    return sqs_record(body) | {"messageAttributes": attributes}


def test_a_packed_event_comes_back_as_it_was() -> None:
    """It was verified and validated by `receive`. Its body is ASCII, because SQS refuses some characters."""
    event = Event("bakery", "e-1", "baked", {"a": "\u2028é\ufffe"}, 1.5, "i", "c-1", {"x": "y"}, {"q": "z"})
    body = pack(event).body
    assert body.isascii()
    assert unwrap_sqs(packed(body)) == event


@pytest.mark.parametrize(
    "change",
    [
        {"source": None},
        {"id": 7},
        {"data": []},
        {"headers": None},
        {"received_at": "now"},
        {"unknown": 1},
        {"identity": {}},
    ],
    ids=str,
)
def test_a_forged_packed_event_is_malformed(change: dict[str, Any]) -> None:
    """A program that may send to the queue can write the attribute."""
    fields = json.loads(pack(Event("bakery", "e-1", "baked", {}, 1.5, "i")).body)
    with pytest.raises(MalformedRequest):
        unwrap_sqs(packed(json.dumps(fields | change)))
    with pytest.raises(MalformedRequest):
        unwrap_sqs(packed("{}"))


def test_a_packed_events_ids_are_made_safe_to_log() -> None:
    """A program that may send to the queue can write any id, such as a person's address."""
    event = Event("bakery", "ada@example.com", "t", {}, 1.5, "i", "a\nb")
    made = unwrap_sqs(packed(pack(event).body))
    assert isinstance(made, Event)
    assert made.id.startswith("sha256:")
    assert made.correlation_id.startswith("sha256:")


def test_an_unknown_version_of_the_attribute_is_not_trusted() -> None:
    """The message is validated like any other sender's."""
    body = pack(Event("bakery", "e-1", "baked", {}, 1.5, "i")).body
    assert isinstance(unwrap_sqs(packed(body, "2")), Arrival)
