"""Digests: a storm becomes one push for each recipient, and every event of it has its outcome."""

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fakes import World
from invocations import sqs_batch, sqs_queued, sqs_record
from push_relay.core.digest import SOURCE, summary
from push_relay.core.errors import LedgerUnavailable, QueueUnavailable, VendorRejected, VendorThrottled
from push_relay.core.event import Event
from push_relay.core.outcomes import Outcome
from push_relay.core.push import GATHERED, Message

ROUTES = """
[[route]]
source = "bakery"
to = ["user:u-1"]
digest = "5m"
"""


@pytest.fixture
def world(tmp_path: Path) -> World:
    """Return a world whose only route gathers."""
    routes = tmp_path / "relay.toml"
    routes.write_text(ROUTES)
    return World(routes=routes)


def tell(world: World, *words: str, start: int = 0) -> dict[str, Any]:
    """Have events delivered that say these words."""
    records = [
        sqs_record({"kind": "baked", "words": text}, source="bakery", message_id=f"m-{start + i}")
        for i, text in enumerate(words)
    ]
    return world.deliver(sqs_batch(*records))


def due(world: World) -> list[Event]:
    """Return the relay's own events that wait for a window's end."""
    return [event for event, _, _ in world.messages.parked if event.source == SOURCE]


def end(world: World) -> dict[str, Any]:
    """Let the windows end."""
    world.clock.time += 600
    return world.deliver(sqs_batch(*(sqs_queued(event, message_id=event.id) for event in due(world))))


def test_a_storm_is_one_call(world: World) -> None:
    """Each event waits in the window; its end is scheduled once."""
    assert tell(world, *("warm",) * 7) == {"batchItemFailures": []}
    assert not world.vendor.calls
    ((event, attempt, moment),) = world.messages.parked
    assert (event.source, attempt, world.messages.reasons) == (SOURCE, 1, [GATHERED])
    assert world.clock.now() < moment <= world.clock.now() + 300
    end(world)
    assert len(world.vendor.calls) == 1
    assert world.vendor.calls[0].push.message.title == "7 new alerts"


def test_every_event_of_it_has_its_outcome(world: World) -> None:
    """Parked while it waits, then delivered: seven of each, with their own ids."""
    tell(world, *("warm",) * 7)
    end(world)
    assert Counter(world.witness.outcomes) == {Outcome.PARKED: 7, Outcome.DELIVERED: 7}
    delivered = [r for r in world.witness.receipts if r.outcome is Outcome.DELIVERED]
    assert len({receipt.event_id for receipt in delivered}) == 7
    assert {receipt.source for receipt in delivered} == {"bakery"}


def test_the_same_event_again_is_gathered_once(world: World) -> None:
    """While the window is open, and after it has been delivered."""
    tell(world, "warm")
    tell(world, "warm")
    end(world)
    tell(world, "warm")
    assert Counter(world.witness.outcomes) == {
        Outcome.PARKED: 1,
        Outcome.DELIVERED: 1,
        Outcome.DUPLICATE: 2,
    }


def test_a_lone_push_is_told_as_it_is(world: World) -> None:
    """Nobody wants to read `1 new alerts`."""
    tell(world, "warm")
    end(world)
    assert "alerts" not in world.vendor.calls[0].push.message.title


def test_a_window_that_cannot_be_delivered_waits_as_one(world: World) -> None:
    """And then every event of it is delivered."""
    tell(world, "warm", "hot")
    world.vendor.errors = [VendorThrottled("slow", retry_after=60)]
    assert end(world) == {"batchItemFailures": []}
    again, attempt, _ = world.messages.parked[-1]
    assert (again.source, attempt) == (SOURCE, 2)
    world.deliver(sqs_batch(sqs_queued(again)))
    assert Counter(world.witness.outcomes)[Outcome.DELIVERED] == 2


def test_a_window_that_is_refused_is_dead_lettered_whole(world: World) -> None:
    """Once, and every event of it has failed."""
    tell(world, "warm", "hot")
    world.vendor.errors = [VendorRejected("no")]
    end(world)
    assert Counter(world.witness.outcomes)[Outcome.FAILED] == 2
    assert [buried.error_code for buried in world.messages.buried] == ["vendor_rejected"]


def test_what_comes_after_the_window_has_closed_goes_into_the_next(world: World) -> None:
    """A worker with a slow clock loses nothing."""
    tell(world, "warm")
    (first,) = due(world)
    world.deliver(sqs_batch(sqs_queued(first)))
    tell(world, "late", start=7)
    assert len(due(world)) == 2
    end(world)
    assert len(world.vendor.calls) == 2


@pytest.mark.parametrize("breaking", ["digests", "queue"])
def test_an_event_that_cannot_be_gathered_is_parked(world: World, breaking: str) -> None:
    """Nothing is lost where the window or its schedule cannot be written."""
    world.digests.down = LedgerUnavailable("down") if breaking == "digests" else None
    world.messages.down = QueueUnavailable("down") if breaking == "queue" else None
    answer = tell(world, "warm")
    (receipt,) = world.witness.receipts
    assert (receipt.outcome, receipt.error_code == GATHERED) == (Outcome.PARKED, False)
    assert len(answer["batchItemFailures"]) + len(world.messages.parked) == 1
    world.digests.down = world.messages.down = None
    tell(world, "warm")
    end(world)
    assert Counter(world.witness.outcomes)[Outcome.DELIVERED] == 1


def test_a_worker_that_dies_before_the_end_is_scheduled_leaves_it_to_the_next(world: World) -> None:
    """The entry lies in the window; whoever comes again schedules the end."""
    world.messages.down = QueueUnavailable("down")
    tell(world, "warm")
    world.messages.down = None
    tell(world, "hot", start=7)
    assert len(due(world)) == 1
    end(world)
    assert world.vendor.calls[0].push.message.title == "2 new alerts"


def test_titles_are_told_once_with_their_number() -> None:
    """Sound if any sounds; expiry only if all expire, the longest."""
    entries = [
        replace(_entry(), message=Message(title, "body", sound, expiry))
        for title, sound, expiry in [("A", None, 60), ("B", True, 90), ("A", False, 30)]
    ]
    assert summary(entries) == Message("3 new alerts", "2 \u00d7 A\nB", sound=True, expiry_secs=90)
    eternal = [*entries, replace(_entry(), message=Message("C", "body"))]
    assert summary(eternal).expiry_secs is None


def _entry() -> Any:
    from push_relay.core.digest import Entry  # noqa: PLC0415

    return Entry("k", "bakery", "e", "c", Message("t", "b"))
