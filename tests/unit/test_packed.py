"""A queued event comes out of the queue as it went in, also what an older version put there."""

import json
from dataclasses import asdict, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakes import World
from invocations import sqs_batch, sqs_queued
from push_relay.core.errors import MalformedRequest
from push_relay.core.event import Event, Replay
from push_relay.core.inbound.envelope import unwrap_sqs
from push_relay.core.queue_format import MAX_MESSAGE, pack

EVENT = Event("bakery", "e-1", "baked", {"kind": "baked"}, 1_800_000_000.5, "i", "c-1")


def queued(body: str) -> dict[str, Any]:
    """Return a record that bears the relay's attribute."""
    return {**sqs_queued(EVENT), "body": body}


def changed(**fields: Any) -> dict[str, Any]:
    """Return the record of the event with other fields; None leaves one out."""
    document = {**asdict(EVENT), **fields}
    return queued(json.dumps({name: value for name, value in document.items() if value is not None}))


@given(st.lists(st.text(), max_size=3), st.sampled_from(Replay), st.sampled_from(["é", "x" * MAX_MESSAGE]))
def test_what_is_left_and_what_is_replayed_come_through(only: list[str], replay: Replay, words: str) -> None:
    """Compressed or not, as the types that they were."""
    keys = tuple(only)
    event = Event("bakery", "e", None, {"words": words}, 1.0, "i", only=keys, skip=keys[::-1], replay=replay)
    packed = pack(event)
    assert len(packed.body) <= MAX_MESSAGE
    attributes = {name: {"stringValue": value} for name, value in packed.attributes.items()}
    unwrapped = unwrap_sqs({"body": packed.body, "messageAttributes": attributes, "messageId": "m"})
    assert unwrapped == event
    assert isinstance(unwrapped, Event)
    assert isinstance(unwrapped.replay, Replay)


def test_what_an_older_version_has_queued_is_read() -> None:
    """It knew neither of them: all pushes, and no replay."""
    assert unwrap_sqs(changed(only=None, skip=None, replay=None)) == EVENT


def test_an_older_version_reads_what_is_queued_now() -> None:
    """While a new one is deployed both run; after one was taken back, what it had parked waits for days."""
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
def test_what_the_relay_never_queues_is_malformed(fields: dict[str, Any]) -> None:
    """It is dead-lettered, and takes nobody down."""
    with pytest.raises(MalformedRequest):
        unwrap_sqs(changed(**fields))
    world = World()
    assert world.deliver(sqs_batch(changed(**fields))) == {"batchItemFailures": []}
    assert [buried.error_code for buried in world.messages.dead_letters] == ["malformed_request"]
