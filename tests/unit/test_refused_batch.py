"""If the vendor rejects a batch push, each of its pushes is sent separately and has its own outcome."""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from batching_world import bake, batching_world
from fakes import World
from invocations import sqs_batch, sqs_queued
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


@pytest.fixture
def world(tmp_path: Path) -> World:
    """Return a relay whose only route batches its pushes."""
    return batching_world(tmp_path)


def batched(world: World, *words: str) -> Event:
    """Fill a window with pushes, and return the event that closes it. It is due."""
    bake(world, *words)
    world.witness.receipts.clear()
    ((end, _, due),) = world.parked
    world.take_parked()
    world.clock.time = due + 1
    return end


def deliver(world: World, *events: Event) -> None:
    """Deliver queued events in one batch."""
    assert world.deliver(sqs_batch(*(sqs_queued(e, message_id=e.id) for e in events))) == {
        "batchItemFailures": []
    }


def waiting(world: World) -> list[Event]:
    """Remove the parked events from the backlog, and return them."""
    return world.take_parked()


def dead(world: World) -> list[Event]:
    """Return the events of the dead letters."""
    records = [
        {"body": each.body, "messageAttributes": attributes(each.attributes)}
        for each in world.messages.dead_letters
    ]
    return [event for event in map(unwrap_sqs, records) if isinstance(event, Event)]


def attributes(of: dict[str, str]) -> dict[str, dict[str, str]]:
    """Return the attributes of a queue message in the format in which SQS delivers them."""
    return {name: {"stringValue": value, "dataType": "String"} for name, value in of.items()}


def refuse(*words: str) -> Callable[[Push, Credentials], Exception | None]:
    """Return a judge that rejects every batch push, and every push with one of these words."""

    def judge(push: Push, _credentials: Credentials) -> Exception | None:
        bad = push.wording.title.endswith("new alerts") or push.wording.body in words
        return VendorRejected("refused", vendor_code="Validation") if bad else None

    return judge


def refuse_all(_push: Push, _credentials: Credentials) -> Exception:
    """Reject every push, as the vendor does if the recipient does not exist."""
    return VendorRejected("refused")


def shown(world: World) -> list[str]:
    """Return the sorted bodies of all calls after that of the batch push."""
    return sorted(call.push.wording.body for call in world.vendor.calls[1:])


def outcomes(world: World) -> dict[str, Outcome]:
    """Return the last outcome of each event."""
    return {receipt.event_id: receipt.outcome for receipt in world.witness.receipts}


def test_each_push_of_a_refused_batch_has_its_own_outcome(world: World) -> None:
    """If two of five pushes are rejected, three are delivered, and the dead letter names the two."""
    end = batched(world, "a", "b", "c", "d", "e")
    world.vendor.judge = refuse("b", "d")
    deliver(world, end)
    assert shown(world) == ["a", "b", "c", "d", "e"]
    assert Counter(world.witness.outcomes) == {Outcome.DELIVERED: 3, Outcome.FAILED: 2}
    assert {(receipt.source, receipt.event_id) for receipt in world.witness.receipts} == {
        ("bakery", f"m-{number}") for number in range(5)
    }
    (dead_letter,) = dead(world)
    failed = {r.key for r in world.witness.receipts if r.outcome is Outcome.FAILED}
    assert (dead_letter.source, set(dead_letter.only)) == (SOURCE, failed)
    assert world.messages.dead_letters[0].error_code == VendorRejected.code


def test_a_replay_of_a_refused_batch_sends_only_the_refused_pushes(world: World) -> None:
    """The other pushes were delivered, and must not be shown again."""
    end = batched(world, "a", "b", "c")
    world.vendor.judge = refuse("b")
    deliver(world, end)
    world.vendor.judge = lambda _push, _credentials: None
    world.vendor.calls.clear()
    (dead_letter,) = dead(world)
    deliver(world, replace(dead_letter, replay=Replay.FAILED, replay_id="r-1"))
    assert [call.push.wording.body for call in world.vendor.calls] == ["b"]


def test_few_calls_are_spent_on_a_recipient_that_does_not_exist(world: World) -> None:
    """If the first pushes and a notice are rejected, the others fail without a call. Each has its receipt."""
    end = batched(world, *map(str, range(TRIALS + 15)))
    world.vendor.judge = refuse_all
    deliver(world, end)
    assert len(world.vendor.calls) == 1 + TRIALS + 1
    assert Counter(world.witness.outcomes) == {Outcome.FAILED: TRIALS + 15 + 1}
    (dead_letter,) = dead(world)
    assert len(dead_letter.only) == TRIALS + 15 + 1
    deliver(world, end)
    assert len(world.vendor.calls) == 1 + TRIALS + 1


def refuse_all_but(*words: str) -> Callable[[Push, Credentials], Exception | None]:
    """Return a judge that rejects all texts of senders except these words, and accepts the relay's notice."""

    def judge(push: Push, _credentials: Credentials) -> Exception | None:
        taken = push.wording.body in words or push.wording.title == "Alerts one by one"
        return None if taken else VendorRejected("refused")

    return judge


def test_a_good_push_is_delivered_after_any_number_of_bad_ones(world: World) -> None:
    """All but the last push are rejected. The notice is accepted, which shows that the recipient exists."""
    words = [str(number) for number in range(TRIALS + 15)]
    end = batched(world, *words)
    world.vendor.judge = refuse_all
    (task,) = world.relay.pushes(end)
    assert isinstance(task, BatchPush)
    good = task.entries[-1].wording.body
    world.vendor.judge = refuse_all_but(good)
    deliver(world, end)
    assert len(world.vendor.calls) == 1 + len(words) + 1
    assert Counter(world.witness.outcomes) == {Outcome.FAILED: len(words) - 1, Outcome.DELIVERED: 2}
    (dead_letter,) = dead(world)
    assert len(dead_letter.only) == len(words) - 1
    # The closing event is redelivered, as if its worker had died. No push is sent twice.
    deliver(world, end)
    assert len(world.vendor.calls) == 1 + len(words) + 1


@pytest.mark.parametrize("trouble", [QuotaExhausted("used up", retry_after=60), DeliveryUnknown("lost")])
def test_the_untried_pushes_wait_if_the_notice_has_to_wait(world: World, trouble: RelayError) -> None:
    """Until the notice is answered, their calls may be useless. Rejected ones are dead-lettered at once."""
    words = [str(number) for number in range(TRIALS + 4)]
    end = batched(world, *words)
    world.vendor.errors = [*[VendorRejected("refused")] * (1 + TRIALS), trouble]
    deliver(world, end)
    assert Counter(world.witness.outcomes) == {Outcome.FAILED: TRIALS, Outcome.PARKED: 4 + 1}
    (again,) = waiting(world)
    world.vendor.calls.clear()
    deliver(world, again)
    assert Counter(outcomes(world).values())[Outcome.DELIVERED] == 4
    assert len(world.vendor.calls) == 4
    assert len(world.messages.dead_letters) == 1
    assert not waiting(world)


@pytest.mark.parametrize("how", ["not-settled", "claimed-by-another-worker", "not-readable"])
def test_a_refused_batch_is_not_split_before_the_ledger_has_its_refusal(
    world: World, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    """Otherwise another worker could resend it, and its pushes could be shown a second time."""
    end = batched(world, "a", "b")
    world.vendor.errors = [VendorRejected("refused")]
    if how == "not-settled":
        world.ledger.record_error = LedgerUnavailable("down")
    elif how == "claimed-by-another-worker":
        monkeypatch.setattr(world.ledger, "end_all", lambda settlements: [None] * len(settlements))
    else:
        monkeypatch.setattr(world.ledger, "error_code_of", raising(LedgerUnavailable("down")))
    deliver(world, end)
    (receipt,) = world.witness.receipts
    assert (receipt.outcome, receipt.error_code) == (Outcome.PARKED, LedgerUnavailable.code)
    assert len(world.vendor.calls) == 1
    (again,) = waiting(world)
    assert again.only == (end.identity,)
    monkeypatch.undo()
    world.ledger.record_error = None
    world.ledger.end_claims()
    deliver(world, again)
    assert len(world.vendor.calls) >= 2


def raising(error: Exception) -> Callable[..., str]:
    """Return a function that raises."""

    def call(*_: object) -> str:
        raise error

    return call


def test_an_untried_push_that_is_too_old_expires(tmp_path: Path) -> None:
    """It is reported as expired and not as failed, although the vendor rejects all others."""
    world = batching_world(tmp_path, 'max_age = "1h"')
    old = Event("bakery", "old", "baked", {"kind": "baked", "words": "old"}, world.clock.now() - 3590, "old")
    world.deliver(sqs_batch(sqs_queued(old)))
    waiting(world)
    bake(world, *["w"] * (TRIALS + 3))
    ((window, _),) = world.batches.windows.values()
    world.clock.time = window.due + 1
    world.vendor.judge = refuse_all
    deliver(world, closing_event(window))
    assert len(world.vendor.calls) == 1 + TRIALS + 1
    final = Counter(receipt.outcome for receipt in world.witness.receipts if receipt.source == "bakery")
    del final[Outcome.PARKED]  # the receipts of the time at which they were batched
    assert final == {Outcome.FAILED: TRIALS + 3, Outcome.EXPIRED: 1}


def test_one_accepted_push_shows_that_the_recipient_exists(world: World) -> None:
    """Then every push is sent, even if many are rejected."""
    words = [str(number) for number in range(TRIALS + 15)]
    end = batched(world, *words)
    calls = iter(range(1000))
    world.vendor.judge = lambda _push, _credentials: None if next(calls) == 1 else VendorRejected("refused")
    deliver(world, end)
    assert shown(world) == sorted(words)
    assert Counter(world.witness.outcomes)[Outcome.DELIVERED] == 1


@pytest.mark.parametrize("trouble", [QuotaExhausted("used up", retry_after=60), CircuitOpen("down")])
def test_pushes_of_a_refused_batch_wait_if_no_call_is_permitted(world: World, trouble: NotNow) -> None:
    """The quota and the cool-down apply to them as to any push. The batch push itself is not sent again."""
    end = batched(world, "a", "b", "c", "d")
    world.vendor.errors = [VendorRejected("refused"), None, None, trouble, trouble]
    deliver(world, end)
    assert Counter(world.witness.outcomes) == {Outcome.DELIVERED: 2, Outcome.PARKED: 2}
    assert not world.messages.dead_letters
    (again,) = waiting(world)
    assert len(again.only) == 2
    world.vendor.calls.clear()
    deliver(world, again)
    assert len(world.vendor.calls) == 2
    assert set(outcomes(world).values()) == {Outcome.DELIVERED}
    assert not waiting(world)


def test_each_push_of_a_refused_batch_expires_by_its_own_age(tmp_path: Path) -> None:
    """The age is that of its event and not of the window."""
    world = batching_world(tmp_path, 'max_age = "1h"')
    end = batched(world, "a", "b")
    world.vendor.errors = [VendorRejected("refused"), None, QuotaExhausted("used up")]
    deliver(world, end)
    world.clock.time += 3600
    deliver(world, *waiting(world))
    assert sorted(outcomes(world).values()) == [Outcome.DELIVERED, Outcome.EXPIRED]
    assert len(world.vendor.calls) == 3


class Killed(BaseException):
    """The worker has died. It is not an `Exception`, so that no code catches it."""


@pytest.mark.parametrize("call", [2, 3, 4])
@pytest.mark.parametrize("is_paced", [False, True])
def test_the_next_worker_sends_the_rest_of_a_refused_batch_if_one_dies(
    world: World, monkeypatch: pytest.MonkeyPatch, call: int, *, is_paced: bool
) -> None:
    """Neither the batch push nor any push is sent twice, even if a cool-down has started in between."""
    end = batched(world, "a", "b", "c")
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
    world.permits["default"].end_leases()
    if is_paced:
        with monkeypatch.context() as patch:
            stopped = CircuitOpen("down", retry_after=60)
            patch.setattr(world.permits["default"], "known", lambda _push: stopped)
            deliver(world, end)
        assert not world.messages.dead_letters
        (end,) = waiting(world)
    deliver(world, end)
    assert shown(world) == ["a", "b", "c"]
    assert Counter(call.push.wording.title for call in world.vendor.calls)["3 new alerts"] == 1


def test_a_batch_push_of_unknown_fate_is_never_split(world: World) -> None:
    """The vendor may have shown it, and its pushes would then be shown a second time."""
    end = batched(world, "a", "b")
    world.vendor.errors = [DeliveryHeld("lost")]
    deliver(world, end)
    assert len(world.vendor.calls) == 1
    assert [each.only for each in dead(world)] == [(end.identity,)]


def test_a_refused_batch_of_one_push_is_not_sent_again(tmp_path: Path) -> None:
    """The batch push of a window with one push is that push, so a second call would be useless."""
    world = batching_world(tmp_path, 'max_age = "1h"')
    end = batched(world, "a")
    world.vendor.judge = refuse_all
    deliver(world, end)
    assert len(world.vendor.calls) == 1
    assert Counter(world.witness.outcomes) == {Outcome.FAILED: 1}


def test_the_calls_count_for_the_source_of_each_push(world: World) -> None:
    """Each call has to be counted against the budget of the push's own source."""
    end = batched(world, "a", "b")
    world.vendor.judge = refuse()
    deliver(world, end)
    assert [call.push.sources for call in world.vendor.calls] == [("bakery",)] * 3
    assert len({call.push.key for call in world.vendor.calls}) == 3


def test_a_refused_batch_does_not_affect_another_window(world: World) -> None:
    """Both windows are closed in the same invocation, and the vendor accepts the other batch push."""
    first = batched(world, "a", "b")
    bake(world, "x", "y", start=2)
    (second,) = waiting(world)
    world.clock.time += 600
    world.vendor.errors = [VendorRejected("refused")]
    deliver(world, first, second)
    assert sorted(call.push.wording.title for call in world.vendor.calls)[:2] == ["2 new alerts"] * 2
    assert len(world.vendor.calls) == 4
    assert set(outcomes(world).values()) == {Outcome.DELIVERED}
