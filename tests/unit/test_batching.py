"""Batch windows turn a storm of events into one push per recipient, and every event has its outcome."""

import json
import math
from collections import Counter
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from batching_world import bake, batching_world
from fakes import World
from invocations import sqs_batch, sqs_queued
from push_relay.core.delivery.batching import MAX_CHARS, SOURCE, BatchedPush, can_be_batched, summary
from push_relay.core.errors import DeliveryUnknown, LedgerUnavailable, VendorThrottled
from push_relay.core.event import Event
from push_relay.core.outcomes import Outcome
from push_relay.core.push import BATCHED, Wording


@pytest.fixture
def world(tmp_path: Path) -> World:
    """Return a relay whose only route batches its pushes."""
    return batching_world(tmp_path)


PUSH = BatchedPush("k", "bakery", "e", "c", Wording("t", "b"))


def due(world: World) -> list[Event]:
    """Return the relay's own events that close a window when they are due."""
    return [event for event, _, _ in world.parked if event.source == SOURCE]


def end(world: World) -> dict[str, Any]:
    """Advance the clock, and deliver the events that close the windows."""
    world.clock.time += 600
    return world.deliver(sqs_batch(*(sqs_queued(event, message_id=event.id) for event in due(world))))


def test_a_storm_of_events_is_one_call(world: World) -> None:
    """The events wait in one window, whose end is scheduled once."""
    assert bake(world, *("warm",) * 7) == {"batchItemFailures": []}
    assert not world.vendor.calls
    ((event, attempt, moment),) = world.parked
    assert (event.source, attempt, world.reasons) == (SOURCE, 1, [BATCHED])
    assert world.clock.now() < moment <= world.clock.now() + 300
    end(world)
    assert len(world.vendor.calls) == 1
    assert world.vendor.calls[0].push.wording.title == "7 new alerts"


def test_every_batched_event_has_its_own_outcome(world: World) -> None:
    """It is parked while it waits, and then delivered. Its receipts have its own id and source."""
    bake(world, *("warm",) * 7)
    end(world)
    assert Counter(world.witness.outcomes) == {Outcome.PARKED: 7, Outcome.DELIVERED: 7}
    delivered = [r for r in world.witness.receipts if r.outcome is Outcome.DELIVERED]
    assert len({receipt.event_id for receipt in delivered}) == 7
    assert {receipt.source for receipt in delivered} == {"bakery"}


def test_a_repeated_event_is_batched_once(world: World) -> None:
    """It is a duplicate while the window is open, and also after the window has been delivered."""
    bake(world, "warm")
    bake(world, "warm")
    end(world)
    bake(world, "warm")
    assert Counter(world.witness.outcomes) == {
        Outcome.PARKED: 1,
        Outcome.DELIVERED: 1,
        Outcome.DUPLICATE: 2,
    }


def test_a_single_push_in_a_window_is_sent_unchanged(world: World) -> None:
    """A summary such as `1 new alerts` would be less useful than the push itself."""
    bake(world, "warm")
    end(world)
    assert "alerts" not in world.vendor.calls[0].push.wording.title


def test_a_throttled_batch_push_is_parked_as_a_whole(world: World) -> None:
    """One parked event stands for the window, and its retry delivers all of its pushes."""
    bake(world, "warm", "hot")
    world.vendor.errors = [VendorThrottled("slow", retry_after=60)]
    assert end(world) == {"batchItemFailures": []}
    again, attempt, _ = world.parked[-1]
    assert (again.source, attempt) == (SOURCE, 2)
    world.deliver(sqs_batch(sqs_queued(again)))
    assert Counter(world.witness.outcomes)[Outcome.DELIVERED] == 2


def test_a_batch_push_of_unknown_fate_is_resent_once_and_then_held(world: World) -> None:
    """Its resends count as for any push. It is not split, because its pushes may have been shown already."""
    bake(world, "warm", "hot")
    world.vendor.judge = lambda _push, _credentials: DeliveryUnknown("lost")
    end(world)
    again, _, _ = world.parked[-1]
    world.deliver(sqs_batch(sqs_queued(again)))
    assert len(world.vendor.calls) == 2
    held = world.witness.receipts[-2:]
    assert [(receipt.outcome, receipt.error_code) for receipt in held] == [
        (Outcome.FAILED, "delivery_held")
    ] * 2
    assert "it was sent 2 times" in str(held[0].detail)
    assert [dead.error_code for dead in world.messages.dead_letters] == ["delivery_held"]


def test_a_push_after_the_window_has_closed_goes_into_the_next(world: World) -> None:
    """The clock of the worker that adds it may be slow, so the closed window is still current for it."""
    bake(world, "warm")
    (first,) = due(world)
    world.deliver(sqs_batch(sqs_queued(first)))
    bake(world, "late", start=7)
    assert len(due(world)) == 2
    end(world)
    assert len(world.vendor.calls) == 2


class Killed(BaseException):
    """The worker has died. It is not an `Exception`, so that no code catches it."""


def cut_short(
    patch: pytest.MonkeyPatch, at: Any, step: str, how: BaseException, *, done: bool = False
) -> None:
    """Make a step raise once, before or after it has taken effect."""
    real, ends = getattr(at, step), [how]

    def once(*given: Any, **named: Any) -> Any:
        answer = real(*given, **named) if done or not ends else None
        if ends:
            raise ends.pop()
        return answer

    patch.setattr(at, step, once)


@pytest.mark.parametrize("done", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("how", [Killed(), LedgerUnavailable("down")], ids=["killed", "failed"])
@pytest.mark.parametrize("ended", [False, True], ids=["window-open", "window-closed"])
@pytest.mark.parametrize(
    ("store", "step"),
    [
        ("ledger", "note_window"),
        ("batches", "add"),
        ("messages", "requeue"),
        ("batches", "scheduled"),
        ("ledger", "settle"),
    ],
)
def test_a_push_is_in_one_window_even_if_its_worker_stops(  # noqa: PLR0913 (each is a circumstance)
    world: World,
    monkeypatch: pytest.MonkeyPatch,
    store: str,
    step: str,
    how: BaseException,
    *,
    done: bool,
    ended: bool,
) -> None:
    """The event is redelivered during a later window, while the first one is open or already delivered."""
    cut_short(monkeypatch, getattr(world, store), step, how, done=done)
    with suppress(Killed):
        bake(world, "warm")
    world.ledger.end_claims()
    world.clock.time += 360
    if ended:
        world.deliver(sqs_batch(*(sqs_queued(event, message_id=event.id) for event in due(world))))
    bake(world, "warm")
    end(world)
    assert [call.push.wording.body for call in world.vendor.calls] == ["warm"]


def test_a_push_goes_into_the_first_window_that_is_open(world: World) -> None:
    """Several windows may be closed already if the clock of another worker is ahead."""
    world.batches.closed_until = world.clock.now() + 900
    bake(world, "warm")
    assert world.witness.receipts[0].error_code == BATCHED
    ((_, _, moment),) = world.parked
    assert world.clock.now() + 900 < moment <= world.clock.now() + 1200


def test_a_push_that_no_window_accepts_is_parked(world: World) -> None:
    """It is stored nowhere, so it must not be settled."""
    world.batches.closed_until = math.inf
    bake(world, "warm")
    (receipt,) = world.witness.receipts
    assert (receipt.outcome, receipt.error_code) == (Outcome.PARKED, "ledger_unavailable")
    assert due(world) == []
    world.batches.closed_until = 0.0
    bake(world, "warm")
    end(world)
    assert len(world.vendor.calls) == 1


def test_pushes_beyond_a_full_window_go_into_additional_windows(world: World) -> None:
    """All of them are due at the same time. No push is lost, and none is sent twice."""
    world.batches.room = 3
    bake(world, *("warm",) * 7)
    assert len({moment for _, _, moment in world.parked}) == 1
    end(world)
    assert [call.push.wording.title for call in world.vendor.calls] == ["3 new alerts"] * 2 + ["Bread"]
    assert Counter(world.witness.outcomes)[Outcome.DELIVERED] == 7


@pytest.mark.parametrize("breaking", ["digests", "backlog and queue"])
def test_an_event_that_cannot_be_batched_is_parked(world: World, breaking: str) -> None:
    """No event is lost if its window or the window's schedule cannot be written."""
    world.batches.error = LedgerUnavailable("down") if breaking == "digests" else None
    if breaking == "backlog and queue":
        world.break_parking()
    answer = bake(world, "warm")
    (receipt,) = world.witness.receipts
    assert (receipt.outcome, receipt.error_code == BATCHED) == (Outcome.PARKED, False)
    assert len(answer["batchItemFailures"]) + len(world.parked) == 1
    world.batches.error = world.messages.error = world.backlog.error = None
    bake(world, "warm")
    end(world)
    assert Counter(world.witness.outcomes)[Outcome.DELIVERED] == 1


def test_the_next_push_schedules_the_end_of_a_window_that_has_none(world: World) -> None:
    """The worker that opened the window could not schedule it, but its push is stored in the window."""
    world.break_parking()
    bake(world, "warm")
    assert due(world) == []
    world.messages.error = world.backlog.error = None
    bake(world, "hot", start=7)
    assert len(due(world)) == 1
    end(world)
    assert world.vendor.calls[0].push.wording.title == "2 new alerts"


def aged(world: World, words: str, age: float) -> dict[str, Any]:
    """Return the queue record of an event that was received some time ago."""
    data = {"kind": "baked", "words": words}
    event = Event("bakery", words, "baked", data, world.clock.now() - age, words)
    return sqs_queued(event, message_id=words)


def receipts_of(world: World, outcome: Outcome) -> list[str]:
    """Return the ids of the events that have an outcome."""
    return sorted(receipt.event_id for receipt in world.witness.receipts if receipt.outcome is outcome)


@pytest.fixture
def brief(tmp_path: Path) -> World:
    """Return a relay whose only route batches pushes that expire after an hour."""
    return batching_world(tmp_path, 'max_age = "1h"')


def test_a_push_that_is_too_old_when_the_window_ends_expires(brief: World) -> None:
    """It has its own receipt, and the other pushes of the window are sent."""
    brief.deliver(sqs_batch(*(aged(brief, words, age) for words, age in [("new", 0), ("old", 3500)])))
    end(brief)
    assert [call.push.wording.body for call in brief.vendor.calls] == ["new"]
    assert receipts_of(brief, Outcome.DELIVERED) == ["new"]
    assert receipts_of(brief, Outcome.EXPIRED) == ["old"]


def test_each_push_of_a_parked_batch_push_expires_once(brief: World) -> None:
    """Some are too old at the first attempt and some at the retry. All receipts are written at the end."""
    ages = [("new", 0), ("older", 2000), ("old", 3500)]
    brief.deliver(sqs_batch(*(aged(brief, words, age) for words, age in ages)))
    brief.vendor.errors = [VendorThrottled("slow", retry_after=60)]
    end(brief)
    assert brief.vendor.calls[0].push.wording.title == "2 new alerts"
    again, _, _ = brief.parked[-1]
    brief.clock.time += 2000
    brief.deliver(sqs_batch(sqs_queued(again)))
    assert brief.vendor.calls[1].push.wording.body == "new"
    assert receipts_of(brief, Outcome.EXPIRED) == ["old", "older"]


def test_a_window_whose_pushes_are_all_too_old_is_not_sent(brief: World) -> None:
    """This happens after an outage of a day, and must not be dead-lettered."""
    brief.deliver(sqs_batch(aged(brief, "a", 0), aged(brief, "b", 60)))
    brief.clock.time += 86_400
    assert end(brief) == {"batchItemFailures": []}
    assert not brief.vendor.calls
    assert receipts_of(brief, Outcome.EXPIRED) == ["a", "b"]
    assert len(brief.parked) == 1
    assert not brief.messages.dead_letters


def test_the_max_age_of_a_route_can_be_longer_than_the_account_s(tmp_path: Path) -> None:
    """The account's value is only the default for routes without a `max_age`."""
    world = batching_world(tmp_path, 'max_age = "10d"')
    bake(world, "warm")
    world.clock.time += 8 * 86_400
    end(world)
    assert len(world.vendor.calls) == 1


def test_a_push_that_is_too_long_for_a_window_is_sent_alone(world: World) -> None:
    """The text is limited in graphemes, but each of them can have any number of combining accents."""
    bake(world, "e" + "\u0301" * 30_000)
    assert len(world.vendor.calls) == 1
    assert not world.batches.windows


def test_the_longest_wording_that_is_batched_fits_into_an_item() -> None:
    """DynamoDB allows 400 KB per item, and a character can need several bytes."""
    message = Wording("", "\U0001f35e" * MAX_CHARS)
    assert can_be_batched(message)
    assert not can_be_batched(replace(message, title="t"))
    written = json.dumps(asdict(replace(PUSH, wording=message)))
    assert len(written) + 1000 < 200_000


def test_a_summary_lists_each_title_once_with_its_number() -> None:
    """It has a sound if any push has one. It expires only if all pushes do, after the longest time."""
    entries = [
        replace(PUSH, wording=Wording(title, "body", sound, expiry))
        for title, sound, expiry in [("A", None, 60), ("B", True, 90), ("A", False, 30)]
    ]
    assert summary(entries) == Wording("3 new alerts", "2 \u00d7 A\nB", sound=True, expiry_secs=90)
    eternal = [*entries, replace(PUSH, wording=Wording("C", "body"))]
    assert summary(eternal).expiry_secs is None


def test_titles_that_an_earlier_version_has_stored_are_cleaned() -> None:
    """Each title is one line of the summary, even if none of its characters is visible."""
    entries = [replace(PUSH, wording=Wording(title, "body")) for title in ("a\nb\u202e", "\u200b", "c")]
    assert summary(entries).body == "a b\n…\nc"


def test_a_single_push_that_an_earlier_version_has_stored_is_cleaned(world: World) -> None:
    """Earlier versions stored the text without cleaning it, and it is shown without a summary."""
    bake(world, "warm")
    (_, entries), *_ = world.batches.windows.values()
    (key,) = entries
    entries[key] = replace(entries[key], wording=Wording("a\nb\u202e", "\x1b[31mc\r\nd"))
    end(world)
    assert world.vendor.calls[0].push.wording == Wording("a b", "c\nd")
