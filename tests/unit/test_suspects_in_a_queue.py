"""A queue with messages that kill the function: they are dead-lettered, and the others are delivered."""

import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from event_source import (
    ARN,
    DEAD,
    EVENTS,
    READS,
    SENDS,
    TIMEOUT,
    URGENT_ROUTES,
    URL,
    VISIBILITY,
    EventSource,
    bakery_record,
    words,
)
from fakes import World
from invocations import bus_event, notification, sqs_batch, sqs_queued, sqs_record
from push_relay.adapters import aws
from push_relay.core.event import Event
from push_relay.core.inbound.envelope import unwrap_sqs
from push_relay.core.outcomes import Outcome
from push_relay.entrypoints.queue_record import QueueRecord


@pytest.fixture(autouse=True)
def _own_clients(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give each test AWS clients of its own."""
    monkeypatch.setattr(aws, "_clients", {})


def fill(
    source: EventSource, poisons: int, innocents: int, *, url: str = EVENTS, spread: float = 0.0
) -> None:
    """Put events into a queue in random order: the relay's own, other senders', and poison."""
    names = [
        f"{kind} {number}"
        for kind, count in (("bad", poisons), ("good", innocents))
        for number in range(count)
    ]
    source.dice.shuffle(names)
    for name in names:
        kill = f" {source.dice.choice((READS, SENDS))}" if name.startswith("bad") else ""
        content = {"kind": "baked", "id": name, "words": name + kill}
        made = sqs_record(content, source="bakery")
        if source.dice.random() < 0.5:
            event = Event("bakery", name, "baked", content, source.sqs.now, f"i {name}", "c")
            made = sqs_queued(event)
        attributes = {key: value["stringValue"] for key, value in made["messageAttributes"].items()}
        source.sqs.put(url, made["body"], **attributes)
        source.sqs.queues[url][-1].visible_at += source.dice.uniform(0, spread)


def check(source: EventSource, poisons: int, innocents: int) -> float:
    """Check that each innocent was delivered once and each poison dead-lettered; return the longest wait."""
    began = 1_800_000_000.0
    sent = sorted(words(call) for call in source.world.vendor.calls if SENDS not in words(call))
    assert sent == sorted(f"good {number}" for number in range(innocents))
    dead = source.sqs.queues.get(DEAD, [])
    assert sorted("bad" in message.body for message in dead) == [True] * poisons
    for message in dead:
        attributes = {name: value["StringValue"] for name, value in message.attributes.items()}
        assert attributes["error_code"] == "crashed"
        assert attributes["failed_at"]
        assert "push-relay-crashes" not in attributes
    return max(source.first_at.values()) - began


@pytest.mark.parametrize("seed", range(25))
@pytest.mark.parametrize("poisons", [1, 2, 3, 5])
def test_innocents_are_delivered_beside_any_number_of_poisons(seed: int, poisons: int) -> None:
    """An innocent message waits for at most one visibility timeout, because it meets a poison only once."""
    source = EventSource(World(), random.Random(f"{seed}/{poisons}"))  # noqa: S311 (repeatable)
    fill(source, poisons, 10 - poisons)
    source.run()
    assert check(source, poisons, 10 - poisons) < VISIBILITY + 60
    assert source.deaths <= 5 * poisons


@pytest.mark.parametrize("seed", range(10))
def test_innocents_are_delivered_while_new_poisons_arrive(seed: int) -> None:
    """New poison meets messages that were copied before. A hundred events arrive within ten minutes."""
    source = EventSource(World(), random.Random(seed))  # noqa: S311 (repeatable)
    fill(source, 20, 80, spread=600)
    source.run()
    assert check(source, 20, 80) < 600 + VISIBILITY + 120


@pytest.mark.parametrize("seed", range(5))
def test_a_batch_of_poisons_only_is_dead_lettered(seed: int) -> None:
    """No push is sent."""
    source = EventSource(World(), random.Random(seed))  # noqa: S311 (repeatable)
    fill(source, 10, 0)
    source.run()
    assert len(source.sqs.queues[DEAD]) == 10
    assert not source.first_at


@pytest.mark.parametrize("seed", range(10))
def test_urgent_innocents_wait_only_for_the_functions_timeout(seed: int, tmp_path: Path) -> None:
    """The visibility timeout would be six times as long."""
    routes = tmp_path / "relay.toml"
    routes.write_text(URGENT_ROUTES)
    source = EventSource(World(routes=routes), random.Random(seed))  # noqa: S311 (repeatable)
    fill(source, 1, 9)
    source.run()
    assert check(source, 1, 9) < TIMEOUT + 20


@pytest.mark.parametrize("seed", range(10))
def test_a_function_that_hangs_counts_as_a_crash(seed: int) -> None:
    """Each crash takes the function's whole timeout, and the two workers run one after the other here."""
    source = EventSource(World(), random.Random(seed), dies_after=TIMEOUT)  # noqa: S311 (repeatable)
    fill(source, 2, 8)
    source.run()
    assert check(source, 2, 8) < 2 * VISIBILITY


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("most", [3, 5])
def test_a_standard_queue_of_the_deployers_own_is_as_safe(seed: int, most: int) -> None:
    """A message that is received again moves to the relay's queue, so a limit of three receives is enough."""
    source = EventSource(World(), random.Random(seed))  # noqa: S311 (repeatable)
    theirs = URL + "theirs"
    source.sqs.max_receives[theirs] = most
    fill(source, 3, 17, url=theirs)
    source.run(theirs)
    source.run()
    sent = sorted(words(call) for call in source.world.vendor.calls if SENDS not in words(call))
    assert sent == sorted(f"good {number}" for number in range(17))
    assert all("bad" in message.body for message in source.sqs.queues[DEAD])
    assert len(source.sqs.queues[DEAD]) == 3


@pytest.mark.parametrize("seed", range(5))
def test_a_lost_answer_makes_only_duplicates(seed: int) -> None:
    """Delivered messages are received again as suspects, and each of them is a duplicate."""
    source = EventSource(World(), random.Random(seed))  # noqa: S311 (repeatable)
    fill(source, 0, 10)
    delete, source.sqs.delete_message = source.sqs.delete_message, lambda **_: None  # type: ignore[method-assign]
    source.run(until=lambda: len(source.world.vendor.calls) == 10)
    source.sqs.delete_message = delete  # type: ignore[method-assign]
    source.run()
    assert check(source, 0, 10) < 60
    assert source.world.witness.outcomes.count(Outcome.DUPLICATE) == 10


def test_a_copy_is_the_same_event_with_the_same_age() -> None:
    """Its push has the same key: if both messages are handled, one is a duplicate."""
    source = EventSource(World(), random.Random(0))  # noqa: S311 (repeatable)
    given = bakery_record("s", 1)
    source.sqs.put(EVENTS, given["body"], source="bakery", theirs="x")
    source.world.deliver(sqs_batch(*(each := source._poll(EVENTS))))
    source.world.messages.copy(each[0], 1, 0.0)
    source.sqs.now += 1000
    (copied,) = [m for m in source.sqs.queues[EVENTS] if m.receives == 0]
    attributes = {name: value["StringValue"] for name, value in copied.attributes.items()}
    assert attributes == {
        "source": "bakery",
        "theirs": "x",
        "push-relay-origin-id": each[0]["messageId"],
        "push-relay-origin-sent": "1800000000000",
        "push-relay-origin-queue": f"{ARN}events",
        "push-relay-crashes": "1",
    }
    source.run()
    assert len(source.world.vendor.calls) == 1
    assert replace(source.world.witness.receipts[0], outcome=Outcome.DUPLICATE, push=None).event_id == "s"


BINARY = {"stringValue": None, "dataType": "Binary"}


@pytest.mark.parametrize(
    ("body", "given"),
    [
        ({"words": "hot"}, {}),
        ({"words": "hot"}, {"source": "bakery"}),
        (notification({"degrees": 451}), {}),
        (notification({"degrees": 451}), {"colour": "red"}),
        (bus_event({"degrees": 451}), {}),
        (bus_event({"degrees": 451}), {"picture": BINARY}),
        (bus_event({"degrees": 451}), {f"a{number}": "x" for number in range(10)}),
    ],
    ids=["plain", "named", "SNS", "data like SNS", "EB", "binary attribute", "ten attributes"],
)
def test_a_copy_is_read_like_its_original(body: dict[str, Any], given: dict[str, Any]) -> None:
    """A match rule that fits the original fits the copy, and both are one event of the same age."""
    source = EventSource(World(), random.Random(0))  # noqa: S311 (repeatable)
    original = sqs_record(body) | {"eventSourceARN": f"{ARN}theirs"}
    original["messageAttributes"] = {
        name: value if isinstance(value, dict) else {"stringValue": value, "dataType": "String"}
        for name, value in given.items()
    }
    source.world.messages.copy(original, 2, 0.0)
    source.sqs.now += 1000
    (copied,) = source._poll(EVENTS)
    assert copied["messageId"] != original["messageId"]
    assert unwrap_sqs(copied) == unwrap_sqs(original)
    source.world.messages.copy(copied, 3, 0.0)
    (twice,) = source._poll(EVENTS)
    assert unwrap_sqs(twice) == unwrap_sqs(original)
    assert QueueRecord.of_sqs(twice).crashes == 3
