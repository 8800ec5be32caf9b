"""Digests that the vendor refuses: each of their pushes is sent alone, with its own outcome."""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from fakes import World
from invocations import sqs_batch, sqs_queued, sqs_record
from push_relay.core.delivery.batching import SOURCE, TRIALS, BatchPush, closing_event
from push_relay.core.delivery.encoding import Credentials
from push_relay.core.errors import (
    CircuitOpen,
    DeliveryHeld,
    DeliveryUnknown,
    LedgerUnavailable,
    NotNow,
    QuotaExhausted,
    RelayError,
    VendorRejected,
)
from push_relay.core.event import Event, Replay
from push_relay.core.inbound.envelope import unwrap_sqs
from push_relay.core.outcomes import Outcome
from push_relay.core.push import Push

ROUTES = """
[[route]]
source = "bakery"
to = ["user:u-1"]
batch = "5m"
"""


@pytest.fixture
def world(tmp_path: Path) -> World:
    """Return a world whose only route gathers."""
    return world_of(tmp_path, ROUTES)


def world_of(folder: Path, routes: str) -> World:
    """Return a world with these routes."""
    (folder / "relay.toml").write_text(routes)
    return World(routes=folder / "relay.toml")


def add(world: World, *words: str) -> Event:
    """Have events gathered; return the event of their window's end, which is due."""
    records = [
        sqs_record({"kind": "baked", "words": text}, source="bakery", message_id=f"m-{number}")
        for number, text in enumerate(words)
    ]
    world.deliver(sqs_batch(*records))
    world.witness.receipts.clear()
    ((end, _, due),) = world.messages.parked
    world.messages.parked.clear()
    world.clock.time = due + 1
    return end


def deliver(world: World, *events: Event) -> None:
    """Deliver queued events in one batch."""
    assert world.deliver(sqs_batch(*(sqs_queued(e, message_id=e.id) for e in events))) == {
        "batchItemFailures": []
    }


def waiting(world: World) -> list[Event]:
    """Take what was parked."""
    events = [event for event, _, _ in world.messages.parked]
    world.messages.parked.clear()
    return events


def dead(world: World) -> list[Event]:
    """Return the events of the dead letters."""
    letters = world.messages.buried
    records = [
        {"body": letter.body, "messageAttributes": attributes(letter.attributes)} for letter in letters
    ]
    return [event for event in map(unwrap_sqs, records) if isinstance(event, Event)]


def attributes(of: dict[str, str]) -> dict[str, dict[str, str]]:
    """Write a message's attributes as SQS hands them out."""
    return {name: {"stringValue": value, "dataType": "String"} for name, value in of.items()}


def refuse(*words: str) -> Callable[[Push, Credentials], Exception | None]:
    """Refuse each push that has one of these words, and every digest."""

    def judge(push: Push, _credentials: Credentials) -> Exception | None:
        bad = push.wording.title.endswith("new alerts") or push.wording.body in words
        return VendorRejected("refused", vendor_code="Validation") if bad else None

    return judge


def refuse_all(_push: Push, _credentials: Credentials) -> Exception:
    """Refuse whatever comes, as if nobody knew the recipient."""
    return VendorRejected("refused")


def shown(world: World) -> list[str]:
    """Return the bodies of the calls after the digest's own, in any order."""
    return sorted(call.push.wording.body for call in world.vendor.calls[1:])


def outcomes(world: World) -> dict[str, Outcome]:
    """Return the last outcome of each event."""
    return {receipt.event_id: receipt.outcome for receipt in world.witness.receipts}


def test_each_push_of_a_refused_digest_ends_by_itself(world: World) -> None:
    """Two of five are refused: three are delivered, and the dead letter is for the two."""
    end = add(world, "a", "b", "c", "d", "e")
    world.vendor.judge = refuse("b", "d")
    deliver(world, end)
    assert shown(world) == ["a", "b", "c", "d", "e"]
    assert Counter(world.witness.outcomes) == {Outcome.DELIVERED: 3, Outcome.FAILED: 2}
    assert {(receipt.source, receipt.event_id) for receipt in world.witness.receipts} == {
        ("bakery", f"m-{number}") for number in range(5)
    }
    (letter,) = dead(world)
    failed = {r.key for r in world.witness.receipts if r.outcome is Outcome.FAILED}
    assert (letter.source, set(letter.only)) == (SOURCE, failed)
    assert world.messages.buried[0].error_code == VendorRejected.code


def test_a_replay_of_it_is_for_the_refused_pushes_alone(world: World) -> None:
    """The others were delivered, and are not shown again."""
    end = add(world, "a", "b", "c")
    world.vendor.judge = refuse("b")
    deliver(world, end)
    world.vendor.judge = lambda _push, _credentials: None
    world.vendor.calls.clear()
    (letter,) = dead(world)
    deliver(world, replace(letter, replay=Replay.FAILED, replay_id="r-1"))
    assert [call.push.wording.body for call in world.vendor.calls] == ["b"]


def test_if_the_vendor_knows_no_such_recipient_few_calls_are_spent(world: World) -> None:
    """The first pushes and a notice are refused, so the others fail uncalled, each with its receipt."""
    end = add(world, *map(str, range(TRIALS + 15)))
    world.vendor.judge = refuse_all
    deliver(world, end)
    assert len(world.vendor.calls) == 1 + TRIALS + 1
    assert Counter(world.witness.outcomes) == {Outcome.FAILED: TRIALS + 15 + 1}
    (letter,) = dead(world)
    assert len(letter.only) == TRIALS + 15 + 1
    deliver(world, end)
    assert len(world.vendor.calls) == 1 + TRIALS + 1


def refuse_all_but(*words: str) -> Callable[[Push, Credentials], Exception | None]:
    """Refuse whatever a stranger wrote, but for these words; take what the relay wrote."""

    def judge(push: Push, _credentials: Credentials) -> Exception | None:
        taken = push.wording.body in words or push.wording.title == "Alerts one by one"
        return None if taken else VendorRejected("refused")

    return judge


def test_any_number_of_bad_pushes_takes_no_good_one_along(world: World) -> None:
    """All but the last one tried are refused; the notice shows that the recipient is known."""
    words = [str(number) for number in range(TRIALS + 15)]
    end = add(world, *words)
    world.vendor.judge = refuse_all
    (task,) = world.relay.pushes(end)
    assert isinstance(task, BatchPush)
    good = task.entries[-1].wording.body
    world.vendor.judge = refuse_all_but(good)
    deliver(world, end)
    assert len(world.vendor.calls) == 1 + len(words) + 1
    assert Counter(world.witness.outcomes) == {Outcome.FAILED: len(words) - 1, Outcome.DELIVERED: 2}
    (letter,) = dead(world)
    assert len(letter.only) == len(words) - 1
    # It comes again, because its worker died: nothing is sent twice.
    deliver(world, end)
    assert len(world.vendor.calls) == 1 + len(words) + 1


@pytest.mark.parametrize("trouble", [QuotaExhausted("used up", retry_after=60), DeliveryUnknown("lost")])
def test_if_the_notice_waits_the_others_wait_with_it(world: World, trouble: RelayError) -> None:
    """Nobody knows yet whether their calls would be for nothing. The refused ones are dead at once."""
    words = [str(number) for number in range(TRIALS + 4)]
    end = add(world, *words)
    world.vendor.errors = [*[VendorRejected("refused")] * (1 + TRIALS), trouble]
    deliver(world, end)
    assert Counter(world.witness.outcomes) == {Outcome.FAILED: TRIALS, Outcome.PARKED: 4 + 1}
    (again,) = waiting(world)
    world.vendor.calls.clear()
    deliver(world, again)
    assert Counter(outcomes(world).values())[Outcome.DELIVERED] == 4
    assert len(world.vendor.calls) == 4
    assert len(world.messages.buried) == 1
    assert not waiting(world)


@pytest.mark.parametrize("how", ["not settled", "another worker's", "not known"])
def test_a_digest_is_not_broken_up_before_the_ledger_has_its_refusal(
    world: World, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    """Else another worker could send it again, and it might be taken after its pushes were shown."""
    end = add(world, "a", "b")
    world.vendor.errors = [VendorRejected("refused")]
    if how == "not settled":
        world.ledger.forgets = LedgerUnavailable("down")
    elif how == "another worker's":
        monkeypatch.setattr(world.ledger, "settle", lambda *_: None)
    else:
        monkeypatch.setattr(world.ledger, "error_code_of", raising(LedgerUnavailable("down")))
    deliver(world, end)
    (receipt,) = world.witness.receipts
    assert (receipt.outcome, receipt.error_code) == (Outcome.PARKED, LedgerUnavailable.code)
    assert len(world.vendor.calls) == 1
    (again,) = waiting(world)
    assert again.only == (end.identity,)
    monkeypatch.undo()
    world.ledger.forgets = None
    world.ledger.end_claims()
    deliver(world, again)
    assert len(world.vendor.calls) >= 2


def raising(error: Exception) -> Callable[..., str]:
    """Return a function that raises."""

    def call(*_: object) -> str:
        raise error

    return call


def test_of_those_that_fail_uncalled_the_too_old_ones_expire(tmp_path: Path) -> None:
    """Whatever the vendor says to the others."""
    world = world_of(tmp_path, f'{ROUTES}max_age = "1h"\n')
    old = Event("bakery", "old", "baked", {"kind": "baked", "words": "old"}, world.clock.now() - 3590, "old")
    world.deliver(sqs_batch(sqs_queued(old)))
    waiting(world)
    fresh = [
        sqs_record({"kind": "baked", "words": "w"}, source="bakery", message_id=f"m-{number}")
        for number in range(TRIALS + 3)
    ]
    world.deliver(sqs_batch(*fresh))
    ((window, _),) = world.digests.windows.values()
    world.clock.time = window.due + 1
    world.vendor.judge = refuse_all
    deliver(world, closing_event(window))
    assert len(world.vendor.calls) == 1 + TRIALS + 1
    told = Counter(receipt.outcome for receipt in world.witness.receipts if receipt.source == "bakery")
    del told[Outcome.PARKED]  # when they were gathered
    assert told == {Outcome.FAILED: TRIALS + 3, Outcome.EXPIRED: 1}


def test_one_accepted_push_shows_that_the_recipient_exists(world: World) -> None:
    """Then every push has its call, however many are refused."""
    words = [str(number) for number in range(TRIALS + 15)]
    end = add(world, *words)
    calls = iter(range(1000))
    world.vendor.judge = lambda _push, _credentials: None if next(calls) == 1 else VendorRejected("refused")
    deliver(world, end)
    assert shown(world) == sorted(words)
    assert Counter(world.witness.outcomes)[Outcome.DELIVERED] == 1


@pytest.mark.parametrize("trouble", [QuotaExhausted("used up", retry_after=60), CircuitOpen("down")])
def test_what_has_no_call_left_waits_and_comes_alone(world: World, trouble: NotNow) -> None:
    """The quota bounds the pushes of a refused digest like any other; the digest is not sent again."""
    end = add(world, "a", "b", "c", "d")
    world.vendor.errors = [VendorRejected("refused"), None, None, trouble, trouble]
    deliver(world, end)
    assert Counter(world.witness.outcomes) == {Outcome.DELIVERED: 2, Outcome.PARKED: 2}
    assert not world.messages.buried
    (again,) = waiting(world)
    assert len(again.only) == 2
    world.vendor.calls.clear()
    deliver(world, again)
    assert len(world.vendor.calls) == 2
    assert set(outcomes(world).values()) == {Outcome.DELIVERED}
    assert not waiting(world)


def test_what_waits_longer_than_it_is_worth_expires_alone(tmp_path: Path) -> None:
    """By its own event's age."""
    world = world_of(tmp_path, f'{ROUTES}max_age = "1h"\n')
    end = add(world, "a", "b")
    world.vendor.errors = [VendorRejected("refused"), None, QuotaExhausted("used up")]
    deliver(world, end)
    world.clock.time += 3600
    deliver(world, *waiting(world))
    assert sorted(outcomes(world).values()) == [Outcome.DELIVERED, Outcome.EXPIRED]
    assert len(world.vendor.calls) == 3


class Killed(BaseException):
    """The worker is gone: nobody catches it."""


@pytest.mark.parametrize("call", [2, 3, 4])
@pytest.mark.parametrize("is_paced", [False, True])
def test_a_worker_that_dies_in_between_leaves_the_rest_to_the_next(
    world: World, monkeypatch: pytest.MonkeyPatch, call: int, *, is_paced: bool
) -> None:
    """The digest is not sent again, and nothing is delivered twice; calls may be stopped by then."""
    end = add(world, "a", "b", "c")
    world.vendor.judge = refuse()
    take = world.vendor.send

    def die(push: Push, credentials: Credentials, correlation_id: str, timeout: float) -> None:
        if len(world.vendor.calls) == call - 1:
            raise Killed
        take(push, credentials, correlation_id, timeout)

    with monkeypatch.context() as patch:
        patch.setattr(world.vendor, "send", die)
        with pytest.raises(Killed):
            deliver(world, end)
    world.ledger.end_claims()
    if is_paced:
        pace = type(world.sender.pace)
        with monkeypatch.context() as patch:
            patch.setattr(pace, "refusal", lambda _self, _push: CircuitOpen("down", retry_after=60))
            deliver(world, end)
        assert not world.messages.buried
        (end,) = waiting(world)
    deliver(world, end)
    assert shown(world) == ["a", "b", "c"]
    assert Counter(call.push.wording.title for call in world.vendor.calls)["3 new alerts"] == 1


def test_a_digest_of_unknown_fate_is_never_broken_up(world: World) -> None:
    """The vendor may have shown it."""
    end = add(world, "a", "b")
    world.vendor.errors = [DeliveryHeld("lost")]
    deliver(world, end)
    assert len(world.vendor.calls) == 1
    assert [letter.only for letter in dead(world)] == [(end.identity,)]


def test_the_only_push_of_a_digest_is_not_sent_twice(tmp_path: Path) -> None:
    """A digest of one push is that push, also if others of it have expired."""
    world = world_of(tmp_path, f'{ROUTES}max_age = "1h"\n')
    end = add(world, "a")
    world.vendor.judge = refuse_all
    deliver(world, end)
    assert len(world.vendor.calls) == 1
    assert Counter(world.witness.outcomes) == {Outcome.FAILED: 1}


def test_the_calls_count_for_the_source_of_each_push(world: World) -> None:
    """A budget is the source's own."""
    end = add(world, "a", "b")
    world.vendor.judge = refuse()
    deliver(world, end)
    assert [call.push.sources for call in world.vendor.calls] == [("bakery",)] * 3
    assert len({call.push.key for call in world.vendor.calls}) == 3


def test_other_events_of_the_batch_are_not_concerned(world: World) -> None:
    """A refused digest beside one that is accepted."""
    first = add(world, "a", "b")
    records = [sqs_record({"kind": "baked", "words": w}, source="bakery", message_id=w) for w in "xy"]
    world.deliver(sqs_batch(*records))
    (second,) = waiting(world)
    world.clock.time += 600
    world.vendor.errors = [VendorRejected("refused")]
    deliver(world, first, second)
    assert sorted(call.push.wording.title for call in world.vendor.calls)[:2] == ["2 new alerts"] * 2
    assert len(world.vendor.calls) == 4
    assert set(outcomes(world).values()) == {Outcome.DELIVERED}
