"""Parking: what cannot be delivered now is queued anew, due at its next attempt, for its own pushes alone."""

import base64
import json
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fakes import World
from invocations import bus_event, sqs_batch, sqs_copy, sqs_parked, sqs_queued, sqs_record
from push_relay.core.errors import (
    CircuitOpen,
    QuotaExhausted,
    VendorRejected,
    VendorThrottled,
    VendorUnavailable,
)
from push_relay.core.event import Event
from push_relay.core.outcomes import Outcome
from push_relay.core.queue_format import pack
from queues import Messages

NOW = 1_800_000_000.0
NOBODY = {"batchItemFailures": []}
THE_ONE = {"batchItemFailures": [{"itemIdentifier": "m-1"}]}


def event(kind: str = "baked", **more: Any) -> Event:
    """Return an event that `receive` has queued."""
    return Event("bakery", "e-1", kind, {"kind": kind, "words": "warm"}, NOW, "i", "c-1", **more)


def throttled(world: World) -> None:
    """Have the vendor ask for fewer calls, with no time named."""
    world.vendor.judge = lambda _push, _credentials: VendorThrottled("slow")


@pytest.mark.parametrize(
    ("written", "received", "attempt"),
    [(None, 1, 1), ("1", 1, 1), ("4", 1, 4), ("4", 3, 6), ("x", 2, 2), ("", 1, 1), ("9" * 12, 1, 1)],
)
def test_an_attempt_is_counted_through_parking_and_receiving(
    written: str | None, received: int, attempt: int
) -> None:
    """What the message says, and once more for each crash."""
    world = World()
    throttled(world)
    record = sqs_copy(sqs_queued(event()), received - 1)
    if written is not None:
        record["messageAttributes"]["attempt"] = {"stringValue": written, "dataType": "String"}
    assert world.deliver(sqs_batch(record)) == NOBODY
    assert world.witness.attempts == [attempt]
    assert [coming for _, coming, _ in world.messages.parked] == [attempt + 1]


def test_what_is_seen_before_it_is_due_waits_on_without_a_receipt() -> None:
    """SQS delays for 15 minutes at most: as the same attempt, due at the same moment."""
    world = World()
    early = sqs_parked(event("everybody", only=("k",)), 7, NOW + 3600)
    on_time = sqs_parked(replace(event(), identity="j"), 2, NOW, message_id="m-2")
    assert world.deliver(sqs_batch(early, on_time)) == NOBODY
    assert world.messages.parked == [(event("everybody", only=("k",)), 7, NOW + 3600)]
    assert world.witness.outcomes == [Outcome.DELIVERED]
    assert len(world.vendor.calls) == 1


def test_a_parked_event_says_why_it_waits_as_long_as_it_waits() -> None:
    """The code of its last attempt: handed on by who sees it too early, and trusted by nobody."""
    world = World()
    throttled(world)
    world.deliver(sqs_batch(sqs_queued(event())))
    for told in ("vendor_throttled", "<script>", ""):
        record = sqs_parked(event(), 2, NOW + 3600)
        record["messageAttributes"]["error_code"] = {"stringValue": told, "dataType": "String"}
        world.deliver(sqs_batch(record))
    assert world.messages.reasons == ["vendor_throttled", "vendor_throttled", "", ""]
    record = sqs_record({"words": 1}, source="bakery")
    record["messageAttributes"]["error_code"] = {"stringValue": "theirs", "dataType": "String"}
    world.deliver(sqs_batch(record))
    assert [buried.error_code for buried in world.messages.dead_letters] == ["schema_violation"]


@pytest.mark.parametrize(("ahead", "calls"), [(-60, 1), (0, 1), (1, 1), (2, 0)])
def test_what_is_due_is_tried(ahead: float, calls: int) -> None:
    """Within a second: SQS's clock is not ours."""
    world = World()
    world.deliver(sqs_batch(sqs_parked(event(), 2, NOW + ahead)))
    assert len(world.vendor.calls) == calls


def test_what_is_early_is_kept_where_the_queue_does_not_answer() -> None:
    """It comes again when the queue's own visibility timeout ends."""
    world = World()
    world.messages.break_down()
    assert world.deliver(sqs_batch(sqs_parked(event(), 2, NOW + 3600))) == THE_ONE


def test_what_cannot_be_read_is_never_due() -> None:
    """It is dead-lettered at once, and does not take the batch down."""
    world = World()
    broken = {**sqs_parked(event(), 2, NOW + 3600), "body": '{"planted": 1}'}
    assert world.deliver(sqs_batch(broken, sqs_queued(event(), message_id="m-2"))) == NOBODY
    assert [buried.error_code for buried in world.messages.dead_letters] == ["malformed_request"]
    assert sorted(world.witness.outcomes) == [Outcome.DELIVERED, Outcome.REJECTED]


def test_attributes_of_somebody_elses_message_are_their_own_words() -> None:
    """An invoice that is `due` next year is told today."""
    world = World()
    record = sqs_record({"kind": "baked", "words": "paid"}, source="bakery")
    for name, value in (("due", str(int(NOW) + 86_400)), ("attempt", "9")):
        record["messageAttributes"][name] = {"stringValue": value, "dataType": "String"}
    assert world.deliver(sqs_batch(record)) == NOBODY
    assert world.witness.outcomes == [Outcome.DELIVERED]
    assert world.witness.attempts == [1]


def test_a_dead_letter_carries_the_refused_pushes_alone() -> None:
    """So that a replay tells nobody twice; the two others were delivered."""
    world = World()
    world.vendor.judge = lambda push, _: VendorRejected("no") if push.recipient.value == "two" else None
    world.deliver(sqs_batch(sqs_queued(event("everybody"))))
    refused = [call.push.key for call in world.vendor.calls if call.push.recipient.value == "two"]
    (buried,) = world.messages.dead_letters
    assert json.loads(buried.body)["only"] == refused
    assert buried.attributes == {"push-relay-event": "1", "source": "bakery"}
    again = World()
    again.deliver(sqs_batch({**sqs_queued(event()), "body": buried.body}))
    assert [call.push.recipient.value for call in again.vendor.calls] == ["two"]


@pytest.mark.parametrize("kind", ["broken", "assigned"])
def test_what_came_for_some_pushes_comes_again_for_no_others(kind: str) -> None:
    """Also where no push could be written this time: a mapping broke while it waited."""
    world = World()
    throttled(world)
    given = event(kind, only=("k",))
    world.deliver(sqs_batch(sqs_queued(given)))
    if kind == "broken":
        (buried,) = world.messages.dead_letters
        assert json.loads(buried.body)["only"] == ["k"]
    else:
        assert world.witness.outcomes == [Outcome.FILTERED]
        assert not world.messages.parked


@pytest.mark.parametrize(
    ("kind", "gone"),
    [("silent", ["k"]), ("broken", ["k"]), ("baked", ["k"]), ("everybody", ["k"])],
    ids=["no route", "no mapping", "another recipient", "one of several"],
)
def test_a_push_that_its_event_has_no_more_is_parked_no_more(kind: str, gone: list[str]) -> None:
    """Routes and mappings change while it waits; what the event still has stays as it is."""
    world = World()
    throttled(world)
    world.deliver(sqs_batch(sqs_queued(event("everybody"))))
    ((parked, _, _),) = world.messages.parked
    still = parked.only[0] if kind == "everybody" else "k"
    only = ("k", *({still} - {"k"}))
    world.deliver(
        sqs_batch(sqs_queued(replace(parked, type=kind, data={"kind": kind, "words": "warm"}, only=only)))
    )
    assert world.ledger.cleared == gone


def test_what_is_not_known_to_be_gone_is_still_parked() -> None:
    """A source cannot be read now: all of the event comes again. A broken ledger takes nobody down."""
    world = World()
    world.change_sources(Unreadable())
    world.deliver(sqs_batch(sqs_queued(event(only=("k",)))))
    assert world.witness.outcomes == [Outcome.PARKED]
    assert not world.ledger.cleared
    broken = World()
    broken.ledger.break_down()
    assert broken.deliver(sqs_batch(sqs_queued(event("silent", only=("k",))))) == NOBODY
    assert broken.witness.outcomes == [Outcome.FILTERED]


class Unreadable:
    """Source folders that cannot be read."""

    def named(self, _name: str) -> Any:
        """Raise what nobody expects."""
        raise OSError

    all = named


def test_what_is_urgent_comes_back_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """Within a minute, however many attempts there were."""
    world = World()
    monkeypatch.setattr("push_relay.entrypoints.queue_record._random", lambda: 1.0)
    routes = tuple(replace(route, high=True) for route in world.routing.routes)
    urgent = World()
    urgent.change_routing(replace(urgent.routing, routes=routes))
    for each in (world, urgent):
        throttled(each)
        each.deliver(sqs_batch(sqs_parked(event(), 9, NOW)))
    assert [due - NOW for _, _, due in world.messages.parked + urgent.messages.parked] == [900, 60]


def test_what_is_urgent_does_not_wait_for_the_rest_of_its_event(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The day's calls are used up but for those that are kept for it: midnight is not its concern."""
    monkeypatch.setattr("push_relay.entrypoints.queue_record._random", lambda: 1.0)
    routes = tmp_path / "relay.toml"
    routes.write_text(
        '[[route]]\nsource = "bakery"\nto = ["user:urgent"]\npriority = "high"\n'
        '[[route]]\nsource = "bakery"\nto = ["user:one", "user:two"]\n'
    )
    world = World(routes=routes)
    used_up, down = QuotaExhausted("used up", retry_after=40_000), VendorUnavailable("down")
    world.vendor.judge = lambda push, _credentials: down if push.high else used_up
    assert world.deliver(sqs_batch(sqs_queued(event()))) == NOBODY
    keys = {call.push.recipient.value: call.push.key for call in world.vendor.calls}
    parked = [({*waiting.only}, attempt, due - NOW) for waiting, attempt, due in world.messages.parked]
    assert parked == [({keys["urgent"]}, 2, 10), ({keys["one"], keys["two"]}, 1, 40_032)]


@pytest.mark.parametrize(
    ("high", "dice", "wait"), [(False, 0.0, 42), (False, 1.0, 52), (True, 0.0, 40), (True, 1.0, 41)]
)
def test_what_waits_for_the_account_comes_when_it_may_call(
    monkeypatch: pytest.MonkeyPatch,
    *,
    high: bool,
    dice: float,
    wait: float,
) -> None:
    """Soon after the next probe whatever its attempts, the urgent before the rest; no attempt is used up."""
    world = World()
    monkeypatch.setattr("push_relay.entrypoints.queue_record._random", lambda: dice)
    routes = tuple(replace(route, high=high) for route in world.routing.routes)
    world.change_routing(replace(world.routing, routes=routes))
    world.vendor.judge = lambda _push, _credentials: CircuitOpen("failing", retry_after=40)
    world.deliver(sqs_batch(sqs_parked(event(), 9, NOW)))
    assert [(attempt, due - NOW) for _, attempt, due in world.messages.parked] == [(9, wait)]


def test_an_event_waits_for_all_its_pushes(monkeypatch: pytest.MonkeyPatch) -> None:
    """One recipient's push waits for the account, another's for its own next attempt, which is later."""
    world = World()
    monkeypatch.setattr("push_relay.entrypoints.queue_record._random", lambda: 1.0)
    stopped, down = CircuitOpen("failing", retry_after=40), VendorUnavailable("down")
    world.vendor.judge = lambda push, _credentials: down if push.recipient.value == "two" else stopped
    world.deliver(sqs_batch(sqs_parked(event("everybody"), 9, NOW)))
    assert [(attempt, due - NOW) for _, attempt, due in world.messages.parked] == [(10, 900)]


def huge() -> dict[str, Any]:
    """Return somebody else's record, which SQS took, but which would not fit with the relay's own words."""
    noise = base64.b64encode(random.Random(0).randbytes(784_000)).decode()  # noqa: S311 (repeatable)
    return sqs_record({"kind": "baked", "id": "e-1", "words": "warm", "more": noise}, source="bakery")


class Queue(Messages):
    """A queue that packs what it takes, as the adapter does."""

    def requeue(self, event: Event, attempt: int, due: float, error_code: str) -> None:
        """Queue an event."""
        pack(event)
        super().requeue(event, attempt, due, error_code)


def test_what_is_too_large_to_be_queued_anew_is_kept_as_it_is() -> None:
    """SQS shows it again, and dead-letters it in the end; the rest of the batch goes on."""
    world = World()
    world.messages = Queue()
    world.vendor.errors = [VendorThrottled("slow")]
    assert world.deliver(sqs_batch(huge(), sqs_queued(event(), message_id="m-2"))) == THE_ONE
    assert [trouble[1] for trouble in world.witness.troubles] == ["payload_too_large"]
    assert world.witness.outcomes == [Outcome.PARKED, Outcome.DELIVERED]


def test_what_is_too_large_to_be_dead_lettered_as_an_event_is_as_it_came() -> None:
    """A replay sends it to the queue as somebody else did."""
    world = World()
    world.vendor.judge = lambda _push, _credentials: VendorRejected("no")
    assert world.deliver(sqs_batch(huge())) == NOBODY
    (buried,) = world.messages.dead_letters
    origin = {"push-relay-origin-id": "m-1", "push-relay-origin-sent": "1800000000000"}
    assert (buried.body, buried.attributes) == (huge()["body"], {"source": "bakery", **origin})


@pytest.mark.parametrize("when", ["", "planted", None])
def test_what_does_not_tell_its_age_is_not_too_old(when: Any) -> None:
    """It is from the moment that the relay has seen it."""
    world = World()
    throttled(world)
    record = sqs_record({"kind": "baked", "words": "warm"}, source="bakery")
    record["attributes"]["SentTimestamp"] = when
    world.deliver(sqs_batch(record))
    world.deliver(bus_event({"degrees": 451}, time=when))
    assert [parked.received_at for parked, _, _ in world.messages.parked] == [NOW, NOW]


def test_a_crash_is_no_parking() -> None:
    """A message that kills the function leaves nothing behind but its receive count.

    What was claimed is held until its lease ends; then the next receive sends it.
    """
    world = World()
    world.vendor.errors = [Killed()]
    with pytest.raises(Killed):
        world.deliver(sqs_batch(sqs_queued(event())))
    assert not world.messages.parked
    assert world.ledger.states == {world.vendor.calls[0].push.key: None}
    world.deliver(sqs_batch(sqs_queued(event(), attempt=2)))
    assert [(code.error_code, code.outcome) for code in world.witness.receipts] == [
        ("claim_held", Outcome.PARKED)
    ]
    assert len(world.vendor.calls) == 1


class Killed(BaseException):
    """The function's end, which no handler catches."""
