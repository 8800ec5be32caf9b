"""Digests: a storm becomes one push for each recipient, and every event of it has its outcome."""

import json
import math
from collections import Counter
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from fakes import World
from invocations import sqs_batch, sqs_queued, sqs_record
from push_relay.core.delivery.batching import LONGEST, SOURCE, can_be_batched, summary
from push_relay.core.errors import DeliveryUnknown, LedgerUnavailable, QueueUnavailable, VendorThrottled
from push_relay.core.event import Event
from push_relay.core.outcomes import Outcome
from push_relay.core.push import BATCHED, Wording

ROUTES = """
[[route]]
source = "bakery"
to = ["user:u-1"]
batch = "5m"
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
    assert (event.source, attempt, world.messages.reasons) == (SOURCE, 1, [BATCHED])
    assert world.clock.now() < moment <= world.clock.now() + 300
    end(world)
    assert len(world.vendor.calls) == 1
    assert world.vendor.calls[0].push.wording.title == "7 new alerts"


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
    assert "alerts" not in world.vendor.calls[0].push.wording.title


def test_a_window_that_cannot_be_delivered_waits_as_one(world: World) -> None:
    """And then every event of it is delivered."""
    tell(world, "warm", "hot")
    world.vendor.errors = [VendorThrottled("slow", retry_after=60)]
    assert end(world) == {"batchItemFailures": []}
    again, attempt, _ = world.messages.parked[-1]
    assert (again.source, attempt) == (SOURCE, 2)
    world.deliver(sqs_batch(sqs_queued(again)))
    assert Counter(world.witness.outcomes)[Outcome.DELIVERED] == 2


def test_a_window_of_unknown_fate_is_sent_again_once_and_then_held(world: World) -> None:
    """Its resends count like any push's; it is not sent in parts, which may have been shown already."""
    tell(world, "warm", "hot")
    world.vendor.judge = lambda _push, _credentials: DeliveryUnknown("lost")
    end(world)
    again, _, _ = world.messages.parked[-1]
    world.deliver(sqs_batch(sqs_queued(again)))
    assert len(world.vendor.calls) == 2
    held = world.witness.receipts[-2:]
    assert [(receipt.outcome, receipt.error_code) for receipt in held] == [
        (Outcome.FAILED, "delivery_held")
    ] * 2
    assert "it was sent 2 times" in str(held[0].detail)
    assert [buried.error_code for buried in world.messages.buried] == ["delivery_held"]


def test_what_comes_after_the_window_has_closed_goes_into_the_next(world: World) -> None:
    """A worker with a slow clock loses nothing."""
    tell(world, "warm")
    (first,) = due(world)
    world.deliver(sqs_batch(sqs_queued(first)))
    tell(world, "late", start=7)
    assert len(due(world)) == 2
    end(world)
    assert len(world.vendor.calls) == 2


class Killed(BaseException):
    """The worker is gone: nobody catches it."""


def cut_short(
    patch: pytest.MonkeyPatch, at: Any, step: str, how: BaseException, *, done: bool = False
) -> None:
    """Let a step end the worker's work once: before it is done, or when it is."""
    real, ends = getattr(at, step), [how]

    def once(*given: Any, **named: Any) -> Any:
        answer = real(*given, **named) if done or not ends else None
        if ends:
            raise ends.pop()
        return answer

    patch.setattr(at, step, once)


@pytest.mark.parametrize("done", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("how", [Killed(), LedgerUnavailable("down")], ids=["killed", "failed"])
@pytest.mark.parametrize("ended", [False, True], ids=["window open", "window closed"])
@pytest.mark.parametrize(
    ("store", "step"),
    [
        ("ledger", "note_window"),
        ("digests", "add"),
        ("messages", "requeue"),
        ("digests", "scheduled"),
        ("ledger", "settle"),
    ],
)
def test_a_push_lies_in_one_digest_wherever_its_worker_stops(  # noqa: PLR0913 (each is a circumstance)
    world: World,
    monkeypatch: pytest.MonkeyPatch,
    store: str,
    step: str,
    how: BaseException,
    *,
    done: bool,
    ended: bool,
) -> None:
    """The event comes again in a later window's time, with the first one still open or delivered."""
    cut_short(monkeypatch, getattr(world, store), step, how, done=done)
    with suppress(Killed):
        tell(world, "warm")
    world.ledger.end_claims()
    world.clock.time += 360
    if ended:
        world.deliver(sqs_batch(*(sqs_queued(event, message_id=event.id) for event in due(world))))
    tell(world, "warm")
    end(world)
    assert [call.push.wording.body for call in world.vendor.calls] == ["warm"]


def test_a_push_goes_on_until_a_window_takes_it(world: World) -> None:
    """By the clock of who closed them several are over; it lies in the first that is not."""
    world.digests.closed_until = world.clock.now() + 900
    tell(world, "warm")
    assert world.witness.receipts[0].error_code == BATCHED
    ((_, _, moment),) = world.messages.parked
    assert world.clock.now() + 900 < moment <= world.clock.now() + 1200


def test_a_push_that_no_window_takes_is_parked(world: World) -> None:
    """It is nowhere, so it must not be settled."""
    world.digests.closed_until = math.inf
    tell(world, "warm")
    (receipt,) = world.witness.receipts
    assert (receipt.outcome, receipt.error_code) == (Outcome.PARKED, "ledger_unavailable")
    assert due(world) == []
    world.digests.closed_until = 0.0
    tell(world, "warm")
    end(world)
    assert len(world.vendor.calls) == 1


def test_what_a_full_window_has_no_room_for_goes_into_further_ones(world: World) -> None:
    """Due at the same time; nothing is lost, and nothing told twice."""
    world.digests.room = 3
    tell(world, *("warm",) * 7)
    assert len({moment for _, _, moment in world.messages.parked}) == 1
    end(world)
    assert [call.push.wording.title for call in world.vendor.calls] == ["3 new alerts"] * 2 + ["Bread"]
    assert Counter(world.witness.outcomes)[Outcome.DELIVERED] == 7


@pytest.mark.parametrize("breaking", ["digests", "queue"])
def test_an_event_that_cannot_be_gathered_is_parked(world: World, breaking: str) -> None:
    """Nothing is lost where the window or its schedule cannot be written."""
    world.digests.down = LedgerUnavailable("down") if breaking == "digests" else None
    world.messages.down = QueueUnavailable("down") if breaking == "queue" else None
    answer = tell(world, "warm")
    (receipt,) = world.witness.receipts
    assert (receipt.outcome, receipt.error_code == BATCHED) == (Outcome.PARKED, False)
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
    assert world.vendor.calls[0].push.wording.title == "2 new alerts"


def aged(world: World, words: str, age: float) -> dict[str, Any]:
    """Return the message of an event that came in some time ago."""
    data = {"kind": "baked", "words": words}
    event = Event("bakery", words, "baked", data, world.clock.now() - age, words)
    return sqs_queued(event, message_id=words)


def receipts_of(world: World, outcome: Outcome) -> list[str]:
    """Return the ids of the events that have ended so."""
    return sorted(receipt.event_id for receipt in world.witness.receipts if receipt.outcome is outcome)


@pytest.fixture
def brief(tmp_path: Path) -> World:
    """Return a world whose only route gathers what is worth nothing after an hour."""
    routes = tmp_path / "relay.toml"
    routes.write_text(f'{ROUTES}max_age = "1h"\n')
    return World(routes=routes)


def test_what_is_too_old_when_the_window_ends_is_left_out(brief: World) -> None:
    """With a receipt of its own; the others are told."""
    brief.deliver(sqs_batch(*(aged(brief, words, age) for words, age in [("new", 0), ("old", 3500)])))
    end(brief)
    assert [call.push.wording.body for call in brief.vendor.calls] == ["new"]
    assert receipts_of(brief, Outcome.DELIVERED) == ["new"]
    assert receipts_of(brief, Outcome.EXPIRED) == ["old"]


def test_of_a_digest_that_waits_each_push_expires_once(brief: World) -> None:
    """Told when the digest ends, whichever were too old at first and which since."""
    ages = [("new", 0), ("older", 2000), ("old", 3500)]
    brief.deliver(sqs_batch(*(aged(brief, words, age) for words, age in ages)))
    brief.vendor.errors = [VendorThrottled("slow", retry_after=60)]
    end(brief)
    assert brief.vendor.calls[0].push.wording.title == "2 new alerts"
    again, _, _ = brief.messages.parked[-1]
    brief.clock.time += 2000
    brief.deliver(sqs_batch(sqs_queued(again)))
    assert brief.vendor.calls[1].push.wording.body == "new"
    assert receipts_of(brief, Outcome.EXPIRED) == ["old", "older"]


def test_where_all_is_too_old_nothing_is_sent(brief: World) -> None:
    """After an outage of a day."""
    brief.deliver(sqs_batch(aged(brief, "a", 0), aged(brief, "b", 60)))
    brief.clock.time += 86_400
    assert end(brief) == {"batchItemFailures": []}
    assert not brief.vendor.calls
    assert receipts_of(brief, Outcome.EXPIRED) == ["a", "b"]
    assert len(brief.messages.parked) == 1
    assert not brief.messages.buried


def test_a_route_may_let_its_pushes_wait_longer_than_the_account(world: World, tmp_path: Path) -> None:
    """Whatever the account says of those whose route says nothing."""
    routes = tmp_path / "relay.toml"
    routes.write_text(f'{ROUTES}max_age = "10d"\n')
    world = World(routes=routes)
    tell(world, "warm")
    world.clock.time += 8 * 86_400
    end(world)
    assert len(world.vendor.calls) == 1


def test_a_push_that_is_too_long_for_a_window_goes_by_itself(world: World) -> None:
    """It would never fit: a thousand letters may have any number of accents."""
    tell(world, "e" + "\u0301" * 30_000)
    assert len(world.vendor.calls) == 1
    assert not world.digests.windows


def test_the_longest_that_is_gathered_fits_into_an_item() -> None:
    """In whatever letters: DynamoDB allows 400 KB."""
    message = Wording("", "\U0001f35e" * LONGEST)
    assert can_be_batched(message)
    assert not can_be_batched(replace(message, title="t"))
    written = json.dumps(asdict(replace(_entry(), wording=message)))
    assert len(written) + 1000 < 200_000


def test_titles_are_told_once_with_their_number() -> None:
    """Sound if any sounds; expiry only if all expire, the longest."""
    entries = [
        replace(_entry(), wording=Wording(title, "body", sound, expiry))
        for title, sound, expiry in [("A", None, 60), ("B", True, 90), ("A", False, 30)]
    ]
    assert summary(entries) == Wording("3 new alerts", "2 \u00d7 A\nB", sound=True, expiry_secs=90)
    eternal = [*entries, replace(_entry(), wording=Wording("C", "body"))]
    assert summary(eternal).expiry_secs is None


def test_titles_that_the_version_before_has_gathered_are_cleaned() -> None:
    """Each is one line of the digest, also one of which nothing is visible."""
    entries = [replace(_entry(), wording=Wording(title, "body")) for title in ("a\nb\u202e", "\u200b", "c")]
    assert summary(entries).body == "a b\n…\nc"


def test_a_lone_push_of_the_version_before_is_cleaned(world: World) -> None:
    """It is shown as it is, and was gathered as it came."""
    tell(world, "warm")
    (_, entries), *_ = world.digests.windows.values()
    (key,) = entries
    entries[key] = replace(entries[key], wording=Wording("a\nb\u202e", "\x1b[31mc\r\nd"))
    end(world)
    assert world.vendor.calls[0].push.wording == Wording("a b", "c\nd")


def _entry() -> Any:
    from push_relay.core.delivery.batching import BatchedPush  # noqa: PLC0415

    return BatchedPush("k", "bakery", "e", "c", Wording("t", "b"))
