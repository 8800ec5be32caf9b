"""An event that cannot be delivered now is parked until its next attempt, for its own pushes only."""

import base64
import json
import random
from copy import replace
from pathlib import Path
from typing import Any

import pytest

from fakes import World
from invocations import bus_event, sqs_batch, sqs_copy, sqs_parked, sqs_queued, sqs_record
from push_relay.core.delivery.backlog import Shelf
from push_relay.core.delivery.wake_up import SOURCE, wake_up
from push_relay.core.errors import (
    CircuitOpen,
    LedgerUnavailable,
    QuotaExhausted,
    VendorRejected,
    VendorThrottled,
    VendorUnavailable,
)
from push_relay.core.event import Event
from push_relay.core.outcomes import Outcome
from push_relay.core.push import DEFAULT_ACCOUNT
from push_relay.core.rules.routes import Routes

NOW = 1_800_000_000.0
NO_FAILURES = {"batchItemFailures": []}
ONE_FAILURE = {"batchItemFailures": [{"itemIdentifier": "m-1"}]}


def event(kind: str = "baked", **more: Any) -> Event:
    """Return an event that `receive` has queued."""
    return Event("bakery", "e-1", kind, {"kind": kind, "words": "warm"}, NOW, "i", "c-1", **more)


def throttled(world: World) -> None:
    """Make the vendor throttle all calls, without a `Retry-After`."""
    world.vendor.judge = lambda _push, _credentials: VendorThrottled("slow")


@pytest.mark.parametrize(
    ("written", "received", "attempt"),
    [(None, 1, 1), ("1", 1, 1), ("4", 1, 4), ("4", 3, 6), ("x", 2, 2), ("", 1, 1), ("9" * 12, 1, 1)],
)
def test_an_attempt_is_counted_through_parking_and_receiving(
    written: str | None, received: int, attempt: int
) -> None:
    """It is the number in the message, plus one for each time that the function has crashed on it."""
    world = World()
    throttled(world)
    record = sqs_copy(sqs_queued(event()), received - 1)
    if written is not None:
        record["messageAttributes"]["attempt"] = {"stringValue": written, "dataType": "String"}
    assert world.deliver(sqs_batch(record)) == NO_FAILURES
    assert world.witness.attempts == [attempt]
    assert [coming for _, coming, _ in world.parked] == [attempt + 1]


def test_a_message_that_is_received_too_early_is_parked_again_without_a_receipt() -> None:
    """SQS delays for at most 15 minutes. The message keeps its attempt and the moment at which it is due."""
    world = World()
    early = sqs_parked(event("everybody", only=("k",)), 7, NOW + 3600)
    on_time = sqs_parked(replace(event(), identity="j"), 2, NOW, message_id="m-2")
    assert world.deliver(sqs_batch(early, on_time)) == NO_FAILURES
    assert world.parked == [(event("everybody", only=("k",)), 7, NOW + 3600)]
    assert world.witness.outcomes == [Outcome.DELIVERED]
    assert len(world.vendor.calls) == 1


def test_a_parked_event_keeps_the_error_code_of_its_last_attempt() -> None:
    """A worker that receives it too early passes the code on. Invalid and foreign values are not trusted."""
    world = World()
    throttled(world)
    world.deliver(sqs_batch(sqs_queued(event())))
    for hours, code in enumerate(("vendor_throttled", "<script>", ""), 1):
        record = sqs_parked(event(), 2, NOW + 3600 * hours)
        record["messageAttributes"]["error_code"] = {"stringValue": code, "dataType": "String"}
        world.deliver(sqs_batch(record))
    assert world.reasons == ["vendor_throttled", "vendor_throttled", "", ""]
    record = sqs_record({"words": 1}, source="bakery")
    record["messageAttributes"]["error_code"] = {"stringValue": "theirs", "dataType": "String"}
    world.deliver(sqs_batch(record))
    assert [dead_letter.error_code for dead_letter in world.messages.dead_letters] == ["schema_violation"]


@pytest.mark.parametrize(("ahead", "calls"), [(-60, 1), (0, 1), (1, 1), (2, 0)])
def test_a_message_that_is_due_is_delivered(ahead: float, calls: int) -> None:
    """A second of difference is allowed between the clocks of SQS and the function."""
    world = World()
    world.deliver(sqs_batch(sqs_parked(event(), 2, NOW + ahead)))
    assert len(world.vendor.calls) == calls


def test_an_early_message_stays_in_the_queue_if_it_cannot_be_parked() -> None:
    """It is received again when the queue's own visibility timeout ends."""
    world = World()
    world.break_parking()
    assert world.deliver(sqs_batch(sqs_parked(event(), 2, NOW + 3600))) == ONE_FAILURE


@pytest.mark.parametrize("refusal", ["put", "due"])
def test_the_queue_takes_what_the_backlog_does_not(refusal: str) -> None:
    """An event is due there at the same time. No wake-up is needed for it, because its message is one."""
    world = World()
    throttled(world)
    world.backlog.error = LedgerUnavailable("down")
    records = [sqs_queued(event())] if refusal == "put" else [sqs_parked(event(), 7, NOW + 3600)]
    assert world.deliver(sqs_batch(*records)) == NO_FAILURES
    ((parked, attempt, due),) = world.messages.parked
    assert not world.parked
    assert not world.messages.woken
    if refusal == "put":
        assert (attempt, world.messages.reasons) == (2, ["vendor_throttled"])
        assert due > NOW
    else:
        assert (parked, attempt, due) == (event(), 7, NOW + 3600)


def test_a_wake_up_is_queued_for_the_time_at_which_an_event_is_due() -> None:
    """The tick finds what is due later than SQS can delay a message."""
    world = World()
    records = [
        sqs_parked(replace(event(), identity=str(secs)), 2, NOW + secs, message_id=f"m-{secs}")
        for secs in (600.5, 600.2, 900, 901)
    ]
    world.deliver(sqs_batch(*records))
    assert len(world.parked) == 4
    assert world.messages.woken == [("default", NOW + 601), ("default", NOW + 900)]


@pytest.mark.parametrize("name", ["nobody", "default#1", "#part", "x" * 3000, ["default"]])
def test_an_early_message_makes_no_shelf_for_an_account_that_does_not_exist(name: object) -> None:
    """The list of shelves never shrinks, and each tick looks at all of them. A long name fits no key."""
    world = World()
    forged = Event(SOURCE, "w", SOURCE, {"window": "w", "account": name}, NOW, "w")
    records = [sqs_parked(forged, 2, NOW + 600), sqs_parked(event(), 2, NOW + 600, message_id="m-2")]
    assert world.deliver(sqs_batch(*records)) == NO_FAILURES
    assert world.backlog.known == {Shelf(DEFAULT_ACCOUNT)}
    assert len(world.parked) == 2
    world.clock.time = NOW + 600
    world.deliver(sqs_batch(sqs_queued(wake_up(DEFAULT_ACCOUNT, NOW))))
    assert sorted(world.witness.outcomes) == [Outcome.DELIVERED, Outcome.FAILED]
    assert [dead_letter.error_code for dead_letter in world.messages.dead_letters] == ["unknown_account"]


def test_an_event_is_parked_although_no_wake_up_can_be_queued() -> None:
    """The tick finds it within a minute."""
    world = World()
    world.messages.break_down()
    assert world.deliver(sqs_batch(sqs_parked(event(), 2, NOW + 600))) == NO_FAILURES
    assert [due - NOW for _, _, due in world.parked] == [600]


def test_an_early_message_that_cannot_be_read_is_dead_lettered_at_once() -> None:
    """It does not affect the rest of the batch."""
    world = World()
    broken = {**sqs_parked(event(), 2, NOW + 3600), "body": '{"planted": 1}'}
    assert world.deliver(sqs_batch(broken, sqs_queued(event(), message_id="m-2"))) == NO_FAILURES
    assert [dead_letter.error_code for dead_letter in world.messages.dead_letters] == ["malformed_request"]
    assert sorted(world.witness.outcomes) == [Outcome.DELIVERED, Outcome.REJECTED]


def test_attributes_of_a_foreign_message_do_not_control_parking() -> None:
    """An invoice whose `due` is next year is pushed today."""
    world = World()
    record = sqs_record({"kind": "baked", "words": "paid"}, source="bakery")
    for name, value in (("due", str(int(NOW) + 86_400)), ("attempt", "9")):
        record["messageAttributes"][name] = {"stringValue": value, "dataType": "String"}
    assert world.deliver(sqs_batch(record)) == NO_FAILURES
    assert world.witness.outcomes == [Outcome.DELIVERED]
    assert world.witness.attempts == [1]


def test_a_dead_letter_has_only_the_refused_pushes() -> None:
    """A replay then sends no push twice, because the two others were delivered."""
    world = World()
    world.vendor.judge = lambda push, _: VendorRejected("no") if push.recipient.value == "two" else None
    world.deliver(sqs_batch(sqs_queued(event("everybody"))))
    refused = [call.push.key for call in world.vendor.calls if call.push.recipient.value == "two"]
    (dead_letter,) = world.messages.dead_letters
    assert json.loads(dead_letter.body)["only"] == refused
    assert dead_letter.attributes == {"push-relay-event": "1", "source": "bakery"}
    again = World()
    again.deliver(sqs_batch({**sqs_queued(event()), "body": dead_letter.body}))
    assert [call.push.recipient.value for call in again.vendor.calls] == ["two"]


@pytest.mark.parametrize("kind", ["broken", "assigned"])
def test_an_event_for_some_pushes_is_never_parked_for_others(kind: str) -> None:
    """This holds even if no push could be written this time, because a mapping broke meanwhile."""
    world = World()
    throttled(world)
    given = event(kind, only=("k",))
    world.deliver(sqs_batch(sqs_queued(given)))
    if kind == "broken":
        (dead_letter,) = world.messages.dead_letters
        assert json.loads(dead_letter.body)["only"] == ["k"]
    else:
        assert world.witness.outcomes == [Outcome.FILTERED]
        assert not world.parked


@pytest.mark.parametrize(
    ("kind", "gone"),
    [("silent", ["k"]), ("broken", ["k"]), ("baked", ["k"]), ("everybody", ["k"])],
    ids=["no route", "no mapping", "another recipient", "one of several"],
)
def test_a_push_that_no_longer_exists_is_no_longer_listed_as_parked(kind: str, gone: list[str]) -> None:
    """Routes and mappings change while a push is parked. The pushes that remain are not affected."""
    world = World()
    throttled(world)
    world.deliver(sqs_batch(sqs_queued(event("everybody"))))
    ((parked, _, _),) = world.parked
    still = parked.only[0] if kind == "everybody" else "k"
    only = ("k", *({still} - {"k"}))
    world.deliver(
        sqs_batch(sqs_queued(replace(parked, type=kind, data={"kind": kind, "words": "warm"}, only=only)))
    )
    assert world.ledger.cleared == gone


def test_a_push_stays_parked_if_it_may_still_exist() -> None:
    """If a source cannot be read, the whole event is tried again. A broken ledger does not stop the batch."""
    world = World()
    world.change_sources(Unreadable())
    world.deliver(sqs_batch(sqs_queued(event(only=("k",)))))
    assert world.witness.outcomes == [Outcome.PARKED]
    assert not world.ledger.cleared
    broken = World()
    broken.ledger.break_down()
    assert broken.deliver(sqs_batch(sqs_queued(event("silent", only=("k",))))) == NO_FAILURES
    assert broken.witness.outcomes == [Outcome.FILTERED]


class Unreadable:
    """Source folders that cannot be read."""

    def named(self, _name: str) -> Any:
        """Raise an unexpected error."""
        raise OSError

    all = named


def test_an_urgent_push_is_retried_within_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    """The number of attempts does not matter."""
    world = World()
    monkeypatch.setattr("push_relay.entrypoints.queue_record._random", lambda: 1.0)
    routes = Routes.of(replace(route, high=True) for route in world.routing.routes)
    urgent = World()
    urgent.change_routing(replace(urgent.routing, routes=routes))
    for each in (world, urgent):
        throttled(each)
        each.deliver(sqs_batch(sqs_parked(event(), 9, NOW)))
    assert [due - NOW for _, _, due in world.parked + urgent.parked] == [900, 60]


def test_an_urgent_push_does_not_wait_for_the_other_pushes_of_its_event(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only the calls that are reserved for urgent pushes are left, so the others wait until midnight."""
    monkeypatch.setattr("push_relay.entrypoints.queue_record._random", lambda: 1.0)
    routes = tmp_path / "relay.toml"
    routes.write_text(
        '[[route]]\nsource = "bakery"\nto = ["user:urgent"]\npriority = "high"\n'
        '[[route]]\nsource = "bakery"\nto = ["user:one", "user:two"]\n'
    )
    world = World(routes=routes)
    used_up, down = QuotaExhausted("used up", retry_after=40_000), VendorUnavailable("down")
    world.vendor.judge = lambda push, _credentials: down if push.high else used_up
    assert world.deliver(sqs_batch(sqs_queued(event()))) == NO_FAILURES
    keys = {call.push.recipient.value: call.push.key for call in world.vendor.calls}
    parked = [({*waiting.only}, attempt, due - NOW) for waiting, attempt, due in world.parked]
    assert parked == [({keys["urgent"]}, 2, 10), ({keys["one"], keys["two"]}, 1, 40_000)]
    assert [(each.shelf.high, each.due - NOW if each.due else 0) for each in world.backlog.all()] == [
        (True, 10),
        (False, 0),
    ]


@pytest.mark.parametrize("high", [False, True])
def test_a_push_that_waits_for_the_account_is_due_when_calls_are_allowed(*, high: bool) -> None:
    """It has no time of its own, so a drain sends it as soon as calls are allowed, in order of arrival.

    Waiting does not use up an attempt. The time of the next probe is only noted for people.
    """
    world = World()
    routes = Routes.of(replace(route, high=high) for route in world.routing.routes)
    world.change_routing(replace(world.routing, routes=routes))
    world.vendor.judge = lambda _push, _credentials: CircuitOpen("failing", retry_after=40)
    world.deliver(sqs_batch(sqs_parked(event(), 9, NOW)))
    (waiting,) = world.backlog.all()
    assert (waiting.attempt, waiting.due, waiting.expected, waiting.shelf.high) == (9, 0, NOW + 40, high)


def test_an_event_waits_for_all_its_pushes(monkeypatch: pytest.MonkeyPatch) -> None:
    """One push waits for the account, and another for its own next attempt, which is later."""
    world = World()
    monkeypatch.setattr("push_relay.entrypoints.queue_record._random", lambda: 1.0)
    stopped, down = CircuitOpen("failing", retry_after=40), VendorUnavailable("down")
    world.vendor.judge = lambda push, _credentials: down if push.recipient.value == "two" else stopped
    world.deliver(sqs_batch(sqs_parked(event("everybody"), 9, NOW)))
    assert [(attempt, due - NOW) for _, attempt, due in world.parked] == [(10, 900)]


def huge() -> dict[str, Any]:
    """Return a foreign record that fits in SQS, but not together with the relay's own fields."""
    noise = base64.b64encode(random.Random(0).randbytes(784_000)).decode()  # noqa: S311 (repeatable)
    return sqs_record({"kind": "baked", "id": "e-1", "words": "warm", "more": noise}, source="bakery")


def test_a_message_that_is_too_large_to_be_parked_stays_in_the_queue() -> None:
    """SQS shows it again, and dead-letters it in the end. The rest of the batch is delivered."""
    world = World()
    world.vendor.errors = [VendorThrottled("slow")]
    assert world.deliver(sqs_batch(huge(), sqs_queued(event(), message_id="m-2"))) == ONE_FAILURE
    assert [trouble[1] for trouble in world.witness.troubles] == ["payload_too_large"]
    assert world.witness.outcomes == [Outcome.PARKED, Outcome.DELIVERED]


def test_an_event_that_is_too_large_is_dead_lettered_in_its_original_form() -> None:
    """A replay sends it to the queue as its sender did."""
    world = World()
    world.vendor.judge = lambda _push, _credentials: VendorRejected("no")
    assert world.deliver(sqs_batch(huge())) == NO_FAILURES
    (dead_letter,) = world.messages.dead_letters
    origin = {"push-relay-origin-id": "m-1", "push-relay-origin-sent": "1800000000000"}
    assert (dead_letter.body, dead_letter.attributes) == (huge()["body"], {"source": "bakery", **origin})


@pytest.mark.parametrize("when", ["", "planted", None])
def test_a_message_without_a_time_of_sending_is_not_too_old(when: Any) -> None:
    """Its age begins when the relay has seen it."""
    world = World()
    throttled(world)
    record = sqs_record({"kind": "baked", "words": "warm"}, source="bakery")
    record["attributes"]["SentTimestamp"] = when
    world.deliver(sqs_batch(record))
    world.deliver(bus_event({"degrees": 451}, time=when))
    assert [parked.received_at for parked, _, _ in world.parked] == [NOW, NOW]


def test_an_event_whose_publisher_chose_a_time_in_the_future_does_not_wait_for_it() -> None:
    """The time of its arrival is its place in the backlog, where nothing is due before its time."""
    world = World()
    throttled(world)
    world.deliver(bus_event({"degrees": 451}, time="2029-01-15T08:00:00Z"))
    assert [parked.received_at for parked, _, _ in world.parked] == [NOW]


def test_a_crash_does_not_park_the_message() -> None:
    """A message that kills the function leaves only its receive count behind.

    A claimed push is held until its lease ends, and then the next receive sends it.
    """
    world = World()
    world.vendor.errors = [Killed()]
    with pytest.raises(Killed):
        world.deliver(sqs_batch(sqs_queued(event())))
    assert not world.parked
    assert world.ledger.states == {world.vendor.calls[0].push.key: None}
    world.deliver(sqs_batch(sqs_queued(event(), attempt=2)))
    assert [(code.error_code, code.outcome) for code in world.witness.receipts] == [
        ("claim_held", Outcome.PARKED)
    ]
    assert len(world.vendor.calls) == 1


class Killed(BaseException):
    """The end of the function, which no handler catches."""
