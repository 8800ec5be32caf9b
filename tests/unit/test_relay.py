"""Every outcome of an event, and the claims, calls and records on the way."""

import threading
from pathlib import Path
from typing import Any

import pytest

from fakes import World, in_turn
from invocations import signature, webhook
from ports import CREDENTIALS, ROTATED
from push_relay.adapters.process import Threads
from push_relay.core.delivery.sender import SETTLE_MARGIN_SECS
from push_relay.core.errors import (
    DeliveryUnknown,
    OutOfTime,
    RelayError,
    SchemaViolation,
    UnknownSource,
    VendorRejected,
    VendorThrottled,
    VendorUnauthorized,
    VendorUnavailable,
)
from push_relay.core.event import Event
from push_relay.core.inbound.request import unwrap
from push_relay.core.intake import Received
from push_relay.core.outcomes import Outcome
from push_relay.core.push import Receipt

#: The time at which the events arrived, which is the time of the fakes' clock.
NOW = 1_800_000_000.0


def event(kind: str = "baked", identity: str = "i", **data: Any) -> Event:
    """Return an event of the bakery."""
    return Event(
        "bakery", f"id-{identity}", kind, {"kind": kind, "words": "warm", **data}, NOW, identity, "c-1"
    )


def deliver(world: World, *events: Event) -> list[list[Receipt]]:
    """Deliver events in one batch."""
    return [list(receipts) for receipts in world.relay.deliver(events, world.time_left)]


def only(world: World, given: Event | None = None) -> Receipt:
    """Deliver one event that has one receipt."""
    ((receipt,),) = deliver(world, given or event())
    return receipt


def test_no_wording_is_written_if_there_is_no_recipient(tmp_path: Path) -> None:
    """Events are routed first, so an error in the message rule does not matter here."""
    routes = tmp_path / "relay.toml"
    routes.write_text("")
    receipt = only(World(routes=routes), event("broken"))
    assert (receipt.outcome, receipt.detail) == (Outcome.FILTERED, "no route leads to anybody")


def test_an_event_is_delivered_and_settled() -> None:
    """It is claimed, sent with the credentials, and recorded. The receipt has the latency of the vendor."""
    world = World()
    receipt = only(world)
    assert (receipt.outcome, receipt.error_code, receipt.latency_ms) == (Outcome.DELIVERED, None, 0.0)
    (call,) = world.vendor.calls
    assert (call.push.wording.title, call.push.wording.body) == ("Bread", "warm")
    assert (call.credentials, call.correlation_id) == (CREDENTIALS, "c-1")
    assert call.timeout == world.context.seconds - SETTLE_MARGIN_SECS
    assert world.ledger.states == {call.push.key: Outcome.DELIVERED}
    assert world.ledger.leases == [world.context.seconds]


def test_a_settled_push_is_a_duplicate_and_not_sent_again() -> None:
    """Queues deliver at least once, but people should get one push."""
    world = World()
    only(world)
    assert only(world).outcome is Outcome.DUPLICATE
    assert len(world.vendor.calls) == 1


@pytest.mark.parametrize("same", [{"identity": "other"}, {"kind": "loud"}])
def test_another_event_is_not_a_duplicate(same: dict[str, Any]) -> None:
    """The key of a push consists of the event's identity and the recipient."""
    world = World()
    only(world)
    kind = {"kind": "baked", "identity": "i", **same}
    second = only(world, event(**kind))
    assert second.outcome is (Outcome.DELIVERED if "identity" in same else Outcome.DUPLICATE)


@pytest.mark.parametrize(
    ("kind", "why"), [("unspoken", "no message"), ("silent", "no route"), ("assigned!", "no route")]
)
def test_an_event_without_a_rule_or_a_route_is_filtered(kind: str, why: str) -> None:
    """It is not an error. The receipt has the cause, and nothing is claimed."""
    world = World()
    receipt = only(world, event(kind))
    assert receipt.outcome is Outcome.FILTERED
    assert why in (receipt.detail or "")
    assert not world.ledger.states


@pytest.mark.parametrize(
    "given",
    [event("broken"), event(words=" \n"), event("loud", sound="yes"), event("mail", baker="nobody")],
    ids=["message", "empty", "type", "recipient"],
)
def test_a_mapping_error_is_a_permanent_failure(given: Event) -> None:
    """The error may be in the wording or in the route. Nothing is claimed, and nothing is sent."""
    world = World()
    receipt = only(world, given)
    assert (receipt.outcome, receipt.error_code) == (Outcome.FAILED, "mapping_failed")
    assert not world.ledger.states
    assert not world.vendor.calls


def test_an_event_of_a_source_that_is_gone_is_rejected() -> None:
    """Its folder existed when the event was queued."""
    receipt = only(World(), Event("gone", "1", "", {}, NOW, "i"))
    assert (receipt.outcome, receipt.source) == (Outcome.REJECTED, "unknown")


def test_the_wording_is_cut_to_the_accounts_limits() -> None:
    """In the sample, the limits are 40 for the title and 1,000 for the body."""
    world = World()
    only(world, event(words="word " * 400))
    assert len(world.vendor.calls[0].push.wording.body) == 1000
    assert world.vendor.calls[0].push.wording.body.endswith("…")


@pytest.mark.parametrize(
    ("error", "outcome", "settled"),
    [
        (VendorRejected("no", vendor_code="UserNotFound"), Outcome.FAILED, True),
        (VendorThrottled("slow", retry_after=30), Outcome.PARKED, False),
        (VendorUnavailable("down"), Outcome.PARKED, False),
        (DeliveryUnknown("lost"), Outcome.PARKED, False),
        (VendorUnauthorized("401"), Outcome.PARKED, False),
        (OutOfTime("late"), Outcome.PARKED, False),
    ],
    ids=lambda value: getattr(value, "code", str(value)),
)
def test_the_vendors_answer_determines_the_outcome(
    error: RelayError,
    outcome: Outcome,
    settled: bool,  # noqa: FBT001
) -> None:
    """A final outcome is settled. Otherwise the claim is released, so that the next attempt can take it."""
    world = World()
    world.vendor.judge = lambda _push, _credentials: error
    receipt = only(world)
    assert (receipt.outcome, receipt.error_code) == (outcome, error.code)
    assert list(world.ledger.states.values()) == ([outcome] if settled else [])
    assert (receipt.latency_ms is None) is isinstance(error, OutOfTime)
    assert receipt.vendor_code == getattr(error, "vendor_code", None)
    assert receipt.retry_after == getattr(error, "retry_after", None)


def test_an_unknown_exception_parks_the_push_and_its_text_is_not_shown() -> None:
    """It is not acknowledged. The receipt has the type and the place of the exception."""
    world = World()
    world.vendor.errors = [KeyError("planted@example.com")]
    receipt = only(world)
    assert (receipt.outcome, receipt.error_code) == (Outcome.PARKED, "internal_error")
    assert "KeyError at ports.py" in (receipt.detail or "")
    assert "planted" not in str(receipt)
    assert not world.ledger.states


def test_refused_credentials_are_read_again_and_the_call_is_repeated_if_they_changed() -> None:
    """No person has to do anything after a rotation."""
    world = World()
    world.credentials.fresh = ROTATED
    world.vendor.judge = lambda _, given: None if given == ROTATED else VendorUnauthorized("401")
    assert only(world).outcome is Outcome.DELIVERED
    assert [call.credentials for call in world.vendor.calls] == [CREDENTIALS, ROTATED]


def test_unchanged_credentials_are_not_tried_twice() -> None:
    """They would be refused again, and every attempt costs a call of the day."""
    world = World()
    world.vendor.judge = lambda _push, _credentials: VendorUnauthorized("401")
    assert only(world).error_code == "vendor_unauthorized"
    assert (len(world.vendor.calls), world.credentials.refetches) == (1, 1)


def test_changed_credentials_that_are_refused_too_park_the_push() -> None:
    """At most two calls are made."""
    world = World()
    world.credentials.fresh = ROTATED
    world.vendor.judge = lambda _push, _credentials: VendorUnauthorized("401")
    assert only(world).outcome is Outcome.PARKED
    assert len(world.vendor.calls) == 2


@pytest.mark.parametrize(
    ("missing", "error_code"), [("held", "credentials_unavailable"), ("fresh", "vendor_unauthorized")]
)
def test_credentials_that_cannot_be_read_park_the_push(missing: str, error_code: str) -> None:
    """This may happen before the first call or after the vendor's refusal. The claim is released."""
    world = World()
    setattr(world.credentials, missing, None)
    world.vendor.judge = lambda _push, _credentials: VendorUnauthorized("401")
    receipt = only(world)
    assert (receipt.outcome, receipt.error_code) == (Outcome.PARKED, error_code)
    assert not world.ledger.states


def test_a_push_that_another_worker_has_claimed_is_parked() -> None:
    """At the next attempt it is either settled, or the lease of the claim has ended."""
    world = World()
    only(world)
    (key,) = world.ledger.states
    world.ledger.put(key, None)
    receipt = only(world)
    assert (receipt.outcome, receipt.error_code) == (Outcome.PARKED, "claim_held")
    assert len(world.vendor.calls) == 1
    assert world.ledger.states == {key: None}


def test_nothing_is_sent_without_the_ledger() -> None:
    """Otherwise people could get a push twice."""
    world = World()
    world.ledger.break_down()
    receipt = only(world)
    assert (receipt.outcome, receipt.error_code) == (Outcome.PARKED, "ledger_unavailable")
    assert not world.vendor.calls


@pytest.mark.parametrize("error", [None, RuntimeError("planted")], ids=["unavailable", "unknown"])
def test_a_ledger_that_fails_after_the_call_does_not_change_the_outcome(
    error: Exception | None,
) -> None:
    """The lease of the claim will end, and the other pushes of the batch are not affected."""
    world = World()
    broken = World()
    broken.ledger.break_down()
    world.ledger.record_error = error or broken.ledger.claim_error
    receipts = deliver(world, event(identity="1"), event(identity="2"))
    assert [r.outcome for (r,) in receipts] == [Outcome.DELIVERED, Outcome.DELIVERED]
    assert "planted" not in str(receipts)
    assert all("not recorded: " in (r.detail or "") for (r,) in receipts)


@pytest.mark.parametrize("seconds", [0.0, 1.0, SETTLE_MARGIN_SECS])
def test_without_enough_time_nothing_is_claimed(seconds: float) -> None:
    """A claim that outlives its worker would delay the push."""
    world = World()
    world.context.seconds = seconds
    assert only(world).error_code == "out_of_time"
    assert not world.ledger.leases


def test_the_receipts_are_those_of_their_events_in_order() -> None:
    """Events with one, with three and with no pushes. A recipient in two routes gets one push."""
    world = World()
    receipts = deliver(
        world,
        event("everybody", "1"),
        event("unspoken", "2"),
        event("assigned", "3", baker="ada"),
        event("broken", "4"),
    )
    assert [[r.outcome for r in own] for own in receipts] == [
        [Outcome.DELIVERED] * 3,
        [Outcome.FILTERED],
        [Outcome.DELIVERED] * 2,
        [Outcome.FAILED],
    ]
    assert [r.event_id for own in receipts for r in own] == ["id-1"] * 3 + ["id-2"] + ["id-3"] * 2 + ["id-4"]


def test_a_failed_push_does_not_affect_the_other_recipients() -> None:
    """Each push has its own outcome."""
    world = World()
    world.vendor.judge = lambda push, _: VendorRejected("no") if push.recipient.value == "two" else None
    (receipts,) = deliver(world, event("everybody"))
    assert [r.outcome for r in receipts] == [Outcome.DELIVERED, Outcome.FAILED, Outcome.DELIVERED]


def test_the_same_event_twice_in_one_batch_is_sent_once() -> None:
    """The claim decides which of them is sent, between threads as well."""
    world = World(threads=Threads(6))
    outcomes = [r.outcome for own in deliver(world, *[event()] * 10) for r in own]
    assert outcomes.count(Outcome.DELIVERED) == len(world.vendor.calls) == 1
    assert set(outcomes) <= {Outcome.DELIVERED, Outcome.DUPLICATE, Outcome.PARKED}


def test_parallel_calls_are_limited_and_keep_the_order_of_receipts() -> None:
    """Three calls run at a time, for any number of events."""
    world = World(threads=Threads(6))
    together, meeting = threading.Barrier(3), threading.Lock()
    now, most = 0, 0

    def judge(push: Any, _credentials: Any) -> Exception | None:
        nonlocal now, most
        with meeting:
            now += 1
            most = max(most, now)
        together.wait(10)
        with meeting:
            now -= 1
        return VendorRejected("no") if push.recipient.value == "two" else None

    world.vendor.judge = judge
    receipts = deliver(world, *[event("everybody", str(i)) for i in range(4)])
    assert most == 3
    assert [r.event_id for own in receipts for r in own] == [f"id-{i}" for i in range(4) for _ in range(3)]
    assert [r.outcome for r in receipts[2]] == [Outcome.DELIVERED, Outcome.FAILED, Outcome.DELIVERED]


def test_an_empty_batch_has_no_receipts() -> None:
    """Lambda does not send an empty batch, but other code may call it so."""
    assert deliver(World()) == []
    assert in_turn(str, []) == []


def receive(world: World, content: Any, **more: Any) -> Event:
    """Receive a webhook, and return its event."""
    received = world.intake.receive(unwrap(webhook(content, **more)), world.time_left)
    assert isinstance(received, Received)
    return received.single[0]


def test_a_webhook_is_queued_with_the_fields_that_its_source_reads() -> None:
    """The identity is made of the signed content, and the id is the sender's own."""
    world = World()
    made = receive(world, {"kind": "baked", "id": "e-7"}, headers={"cookie": "planted"})
    ((queued, _),) = world.messages.queued
    assert queued == made
    assert (made.id, made.type, made.received_at) == ("e-7", "baked", world.clock.now())
    assert not made.headers


def test_the_same_signed_body_is_the_same_event() -> None:
    """Headers that are not signed could be changed by someone who replays the request."""
    world = World()
    first = receive(world, {"kind": "baked"}, headers={"x-github-delivery": "1"})
    second = receive(world, {"kind": "baked"}, headers={"x-github-delivery": "2"})
    other = receive(world, {"kind": "baked", "words": "x"})
    assert first.identity == second.identity != other.identity
    assert first.id == second.id == first.identity[:32]


def test_a_source_without_a_scheme_accepts_no_webhooks() -> None:
    """Its events arrive through AWS, which has authenticated them."""
    with pytest.raises(UnknownSource):
        receive(World(), {"degrees": 1}, source="ovens")


def test_a_body_is_parsed_only_after_its_signature_was_verified() -> None:
    """A stranger must neither learn about the schema nor cause the cost of parsing."""
    world = World()
    request = unwrap(webhook(b"{", headers={"x-hub-signature-256": signature(b"other")}))
    with pytest.raises(RelayError) as refused:
        world.intake.receive(request, world.time_left)
    assert refused.value.code == "signature_invalid"
    with pytest.raises(SchemaViolation):
        receive(world, {"words": "no kind"})
    assert not world.messages.queued
