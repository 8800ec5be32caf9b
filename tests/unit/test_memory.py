"""Queue messages that would use too much memory together are handled in portions, and none is lost."""

import json
from collections.abc import Sequence
from typing import Any

import pytest

from fakes import World
from invocations import sqs_batch, sqs_queued, sqs_record
from push_relay.core.clock import TimeLeft
from push_relay.core.event import Event
from push_relay.core.outcomes import Outcome
from push_relay.core.push import Receipt
from push_relay.core.relay import Relay
from push_relay.entrypoints.memory import portions
from push_relay.entrypoints.queue_record import QueueRecord

BREAD = {"kind": "baked", "words": "warm"}
#: Both have half a megabyte. Parsed brackets use 60 times their size in memory, and words ten times.
BRACKETS = json.dumps(BREAD | {"more": [[]] * 120_000})
WORDS = json.dumps(BREAD | {"more": "x" * 500_000})


def compressed(number: int) -> dict[str, Any]:
    """Return the record of a queued event that had to be compressed."""
    event = Event("bakery", f"e-{number}", "baked", BREAD | {"more": "x" * 2_000_000}, 1.8e9, f"i-{number}")
    return sqs_queued(event, message_id=f"z-{number}")


def record(body: str, number: int) -> dict[str, Any]:
    """Return a record for the source `bakery`."""
    return sqs_record(body, source="bakery", message_id=f"m-{number}")


def ids(waves: Sequence[Sequence[QueueRecord]]) -> list[list[str]]:
    """Return the message ids of each portion."""
    return [[message.content["messageId"] for message in wave] for wave in waves]


def split(*records: dict[str, Any]) -> list[list[str]]:
    """Return the portions into which one wave of records is split."""
    return ids(list(portions([[QueueRecord.of_sqs(given) for given in records]])))


@pytest.mark.parametrize(
    "body", [json.dumps(BREAD), WORDS, "[" * 3_000], ids=["small", "words", "some brackets"]
)
def test_messages_that_fit_together_stay_together_and_in_order(body: str) -> None:
    """Normal events are delivered in one portion, so that all connections to the vendor are used."""
    assert split(*(record(body, number) for number in range(10))) == [[f"m-{number}" for number in range(10)]]


@pytest.mark.parametrize("length", [1_000, 12_000, 13_000, 14_000, 16_000, 20_000, 300_000])
def test_a_full_batch_of_words_stays_together(length: int) -> None:
    """Words need less memory than parts, so a full batch of them can use all connections to the vendor."""
    body = json.dumps(BREAD | {"more": "x" * length})
    assert split(*(record(body, number) for number in range(30))) == [[f"m-{number}" for number in range(30)]]


def test_messages_that_do_not_fit_together_are_split_and_the_smallest_go_first() -> None:
    """A small event must not wait for a large one."""
    records = [record(BRACKETS, 0), record(json.dumps(BREAD), 1), record(BRACKETS, 2), record(WORDS, 3)]
    assert split(*records, record(BRACKETS, 4)) == [["m-1", "m-3", "m-0"], ["m-2"], ["m-4"]]


def test_each_compressed_event_is_a_portion_of_its_own() -> None:
    """Its real size is known only after it has been decompressed."""
    assert split(compressed(0), compressed(1), record("{}", 2)) == [["m-2"], ["z-0"], ["z-1"]]


@pytest.mark.parametrize("body", [None, 7, ["{}"]])
def test_a_record_without_a_body_needs_no_memory(body: object) -> None:
    """It is rejected later, so it can share a portion with any other record."""
    assert split(record("{}", 0) | {"body": body}, record("{}", 1)) == [["m-0", "m-1"]]


def test_every_wave_is_split_separately() -> None:
    """The waves keep the order of a FIFO group, so a portion must not contain records of two waves."""
    first, second = (
        [QueueRecord.of_sqs(record(BRACKETS, number)) for number in pair] for pair in ((0, 1), (2, 3))
    )
    assert ids(list(portions([first, [], second]))) == [["m-0"], ["m-1"], [], ["m-2"], ["m-3"]]


def test_a_batch_of_large_messages_is_delivered_in_portions(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every record has an outcome, and its event is released before the next portion starts."""
    together: list[int] = []
    held: list[QueueRecord] = []
    deliver, of_sqs = Relay.deliver, QueueRecord.of_sqs

    def counted(
        relay: Relay, events: Sequence[Event], time_left: TimeLeft, feed_of: Any
    ) -> Sequence[Sequence[Receipt]]:
        together.append(sum(message.event is not None for message in held))
        return deliver(relay, events, time_left, feed_of)

    def noted(given: dict[str, Any]) -> QueueRecord:
        held.append(of_sqs(given))
        return held[-1]

    monkeypatch.setattr(Relay, "deliver", counted)
    monkeypatch.setattr(QueueRecord, "of_sqs", noted)
    world = World()
    batch = sqs_batch(*(record(BRACKETS, number) for number in range(3)), compressed(3), record("{", 4))
    assert world.deliver(batch) == {"batchItemFailures": []}
    assert sorted(world.witness.outcomes) == [*[Outcome.DELIVERED] * 4, Outcome.REJECTED]
    assert together == [1, 1, 1, 1]
