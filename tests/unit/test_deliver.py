"""`deliver` acknowledges, dead-letters or parks each record separately, and loses none."""

import json
from typing import Any

import pytest

from fakes import World
from invocations import bus_event, notification, sns_invocation, sqs_batch, sqs_copy, sqs_parked, sqs_record
from push_relay.core.errors import MalformedRequest, VendorRejected, VendorThrottled, VendorUnavailable
from push_relay.core.event import Event
from push_relay.core.outcomes import Outcome
from push_relay.entrypoints.batch_consumer import InvocationFailed
from push_relay.entrypoints.queue_record import QueueRecord
from queues import Messages


def baked(number: int = 1, kind: str = "baked", *, attempt: int = 1) -> dict[str, Any]:
    """Return a record of the source `bakery` that arrived through another team's queue."""
    content = {"kind": kind, "id": f"e-{number}", "words": "warm"}
    return sqs_record(content, source="bakery", message_id=f"m-{number}", attempt=attempt)


def deliver_parked(world: World) -> dict[str, Any]:
    """Advance the clock until the parked events are due, and deliver them from the queue as SQS would."""
    records = [
        sqs_parked(event, attempt, due, message_id=f"p-{number}")
        for number, (event, attempt, due) in enumerate(world.parked)
    ]
    world.clock.time = max(due for _, _, due in world.parked)
    world.parked.clear()
    return world.deliver(sqs_batch(*records))


def kept(response: dict[str, Any]) -> list[str]:
    """Return the ids of the records that stay in the queue."""
    return [failure["itemIdentifier"] for failure in response["batchItemFailures"]]


def test_ten_good_records_are_ten_pushes() -> None:
    """This is the normal case: all are acknowledged, and none is parked or dead-lettered."""
    world = World()
    assert kept(world.deliver(sqs_batch(*map(baked, range(10))))) == []
    assert world.witness.outcomes == [Outcome.DELIVERED] * 10
    assert len(world.vendor.calls) == 10
    assert not world.messages.dead_letters + world.messages.delayed  # type: ignore[operator]
    assert world.witness.flushes == 1


@pytest.mark.parametrize("bad", range(0, 10, 3))
def test_one_bad_among_ten_is_dead_lettered_and_nine_are_delivered(bad: int) -> None:
    """The dead letter has the record's own body, and its attributes record the origin."""
    world = World()
    records = [*map(baked, range(10))]
    records[bad] = sqs_record('{"planted": ', source="bakery", message_id="bad")
    assert kept(world.deliver(sqs_batch(*records))) == []
    assert world.witness.outcomes.count(Outcome.DELIVERED) == 9
    (dead,) = world.messages.dead_letters
    assert (dead.body, dead.error_code) == ('{"planted": ', "malformed_request")
    origin = {"push-relay-origin-id": "bad", "push-relay-origin-sent": "1800000000000"}
    assert dead.attributes == {"source": "bakery", **origin}


@pytest.mark.parametrize(
    ("record", "code"),
    [
        (sqs_record("{"), "malformed_request"),
        (sqs_record({"a": 1}), "unknown_source"),
        (sqs_record({"a": 1}, source="nosuch"), "unknown_source"),
        (sqs_record(notification({"degrees": 1}, topic="arn:aws:sns:eu-west-9:1:ovens")), "ambiguous_source"),
        (sqs_record({"words": 1}, source="bakery"), "schema_violation"),
        (sqs_record({"kind": ["a"]}, source="bakery"), "mapping_failed"),
        (baked(kind="broken"), "mapping_failed"),
        (sqs_record({}) | {"body": None}, "malformed_request"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_a_record_that_can_never_be_delivered_is_dead_lettered_with_its_code(
    record: dict[str, Any], code: str
) -> None:
    """It is also acknowledged, because another attempt would fail in the same way."""
    world = World()
    assert kept(world.deliver(sqs_batch(record))) == []
    assert [dead.error_code for dead in world.messages.dead_letters] == [code]
    assert not world.vendor.calls


def test_a_push_that_the_vendor_rejects_is_dead_lettered() -> None:
    """The dead letter carries the event's id, so that a person can find the event in the logs."""
    world = World()
    world.vendor.judge = lambda _push, _credentials: VendorRejected("no")
    world.deliver(sqs_batch(baked(7)))
    assert [(b.error_code, b.event_id) for b in world.messages.dead_letters] == [("vendor_rejected", "e-7")]


def test_a_rejected_push_is_dead_lettered_later_if_the_queue_did_not_answer() -> None:
    """The push is already settled when its record is redelivered. As a mere duplicate it would be lost."""
    world = World()
    world.vendor.judge = lambda _push, _credentials: VendorRejected("no")
    world.messages.break_down()
    assert kept(world.deliver(sqs_batch(baked(7)))) == ["m-7"]
    world.messages.error = None
    assert kept(world.deliver(sqs_batch(baked(7)))) == []
    assert [(b.error_code, b.event_id) for b in world.messages.dead_letters] == [("vendor_rejected", "e-7")]
    assert len(world.vendor.calls) == 1


@pytest.mark.parametrize(
    ("error", "attempt", "shortest", "longest"),
    [
        (VendorThrottled("slow", retry_after=3600), 1, 3600, 3610),
        (VendorUnavailable("down"), 1, 1, 10),
        (VendorUnavailable("down"), 4, 1, 80),
        (RuntimeError("planted"), 1, 1, 10),
    ],
    ids=str,
)
def test_a_push_that_fails_temporarily_is_parked(
    error: Exception, attempt: int, shortest: float, longest: float
) -> None:
    """The event is queued again for its next attempt, and the record that carried it is acknowledged."""
    world = World()
    world.vendor.judge = lambda _push, _credentials: error
    assert kept(world.deliver(sqs_batch(sqs_copy(baked(), attempt - 1)))) == []
    ((event, coming, due),) = world.parked
    assert (event.id, coming) == ("e-1", attempt + 1)
    assert shortest <= due - world.clock.now() <= longest
    assert not world.messages.delayed
    assert not world.messages.dead_letters
    assert world.witness.attempts == [attempt]


def test_an_event_waits_for_the_longest_retry_after_of_its_pushes() -> None:
    """All pushes of one event are retried together, so the longest wait applies."""
    world = World()
    world.vendor.errors = [VendorThrottled("slow", retry_after=s) for s in (10, 500, 20)]
    world.deliver(sqs_batch(baked(kind="everybody")))
    assert 500 <= world.parked[0][2] - world.clock.now() <= 510


def test_a_retry_sends_only_the_pushes_that_are_not_settled() -> None:
    """One of three pushes was throttled. The retry does not even read the ledger for the other two."""
    world = World()
    world.vendor.errors = [None, VendorThrottled("slow")]
    assert kept(world.deliver(sqs_batch(baked(kind="everybody")))) == []
    assert kept(deliver_parked(world)) == []
    assert world.witness.outcomes[3:] == [Outcome.DELIVERED]
    assert [call.push.recipient.value for call in world.vendor.calls] == ["one", "two", "three", "two"]
    assert world.witness.attempts == [1, 2]


def test_refused_and_throttled_at_once_is_dead_lettered_once_and_parked() -> None:
    """The dead letter and the parked event each name one push, so that a replay cannot send the other."""
    world = World()
    world.vendor.errors = [VendorRejected("no"), VendorThrottled("slow")]
    assert kept(world.deliver(sqs_batch(baked(kind="everybody")))) == []
    keys = [call.push.key for call in world.vendor.calls]
    ((parked, _, _),) = world.parked
    assert kept(deliver_parked(world)) == []
    (dead,) = world.messages.dead_letters
    assert json.loads(dead.body)["only"] == [keys[0]]
    assert parked.only == (keys[1],)
    assert world.witness.outcomes[3:] == [Outcome.DELIVERED]


@pytest.mark.parametrize("kind", ["broken", "everybody"])
def test_a_record_stays_in_the_queue_if_it_can_be_neither_dead_lettered_nor_parked(kind: str) -> None:
    """SQS redelivers it. The failure is logged, and the other records of the batch are delivered."""
    world = World()
    world.break_parking()
    world.vendor.judge = lambda push, _: VendorThrottled("slow") if push.recipient.value == "two" else None
    assert kept(world.deliver(sqs_batch(baked(1), baked(2, kind)))) == ["m-2"]
    assert [trouble[1] for trouble in world.witness.troubles] == ["queue_unavailable"]
    assert world.witness.outcomes.count(Outcome.DELIVERED) >= 1


@pytest.mark.parametrize("invocation", [sqs_batch(), {"Records": []}])
def test_an_empty_batch_does_nothing(invocation: dict[str, Any]) -> None:
    """The poller of SQS sends an empty batch to test the function."""
    world = World()
    assert kept(world.deliver(invocation)) == []
    assert not world.witness.receipts
    assert not world.messages.dead_letters


@pytest.mark.parametrize(
    "invocation",
    [
        None,
        [],
        "planted",
        {},
        {"Records": None},
        {"Records": ["planted"]},
        {"Records": [baked(), "planted"]},
        {"Records": [baked(), {"EventSource": "aws:sns"}]},
        {"Records": [{"eventSource": "aws:s3"}]},
        {"detail-type": "x", "source": "ovens"},
    ],
    ids=str,
)
def test_a_malformed_invocation_is_dead_lettered_as_a_whole(invocation: Any) -> None:
    """Delivering its good records would hide the bad ones, so the dead letter holds all of it."""
    world = World()
    assert kept(world.deliver(invocation)) == []
    (dead,) = world.messages.dead_letters
    assert dead.error_code == "malformed_request"
    assert ("planted" in str(invocation)) is ("planted" in dead.body) or not isinstance(invocation, dict)
    assert not world.vendor.calls


DIRECT = pytest.mark.parametrize(
    "invocation",
    [sns_invocation(notification({"degrees": 451})), bus_event({"degrees": 451})],
    ids=["SNS", "EB"],
)


@DIRECT
def test_a_direct_invocation_is_delivered(invocation: dict[str, Any]) -> None:
    """SNS or EventBridge may invoke the function directly, without a queue between them."""
    world = World()
    assert kept(world.deliver(invocation)) == []
    assert world.witness.outcomes == [Outcome.DELIVERED]
    assert not world.messages.queued


@DIRECT
def test_a_direct_invocation_is_parked_in_the_backlog(invocation: dict[str, Any]) -> None:
    """No queue holds it. The parked event keeps its source, so it is not recognised a second time."""
    world = World()
    world.vendor.errors = [VendorThrottled("slow", retry_after=60)]
    assert kept(world.deliver(invocation)) == []
    ((_, attempt, due),) = world.parked
    assert attempt == 2
    assert 60 <= due - world.clock.now() <= 70
    deliver_parked(world)
    assert world.witness.outcomes == [Outcome.PARKED, Outcome.DELIVERED]


@DIRECT
@pytest.mark.parametrize(
    "error", [VendorThrottled("slow"), VendorRejected("no")], ids=["park", "dead-letter"]
)
def test_a_direct_invocation_fails_if_it_can_be_neither_delivered_nor_queued(
    invocation: dict[str, Any], error: Exception
) -> None:
    """Lambda then retries the invocation, and has its own dead-letter queue for it."""
    world = World()
    world.vendor.errors = [error]
    world.break_parking()
    with pytest.raises(InvocationFailed, match="the queue did not answer"):
        world.deliver(invocation)
    assert world.witness.flushes == 1


def test_a_direct_invocation_that_is_refused_is_dead_lettered_as_an_event() -> None:
    """An event can be replayed to the queue. An invocation that never became one is stored as received."""
    world = World()
    world.vendor.judge = lambda _push, _credentials: VendorRejected("no")
    world.deliver(bus_event({"degrees": 451}))
    world.deliver(bus_event({"nothing": "fits"}))
    event, raw = world.messages.dead_letters
    assert event.attributes == {"push-relay-event": "1", "source": "ovens"}
    assert Event(**json.loads(event.body)).data == {"degrees": 451}
    assert json.loads(raw.body) == bus_event({"nothing": "fits"})
    assert raw.attributes == {}


class BrokenMessages(Messages):
    """A queue that raises an exception which the relay does not expect."""

    def __init__(self) -> None:
        """Fail every call."""
        super().__init__()
        self.error = RuntimeError("planted@example.com")


@pytest.mark.parametrize(
    "invocation", [sqs_batch(baked(kind="broken")), sns_invocation(notification("{")), bus_event({})], ids=str
)
def test_an_unknown_exception_fails_the_invocation_without_its_text(invocation: dict[str, Any]) -> None:
    """Nothing is acknowledged. Lambda logs the exception, so it names only the original type and place."""
    world = World()
    world.change_messages(BrokenMessages())
    with pytest.raises(InvocationFailed) as failed:
        world.deliver(invocation)
    assert str(failed.value) == world.witness.troubles[0][2]
    assert "RuntimeError at queues.py" in str(failed.value)
    assert failed.value.__suppress_context__
    assert world.witness.flushes == 1


class Unreadable(dict[str, Any]):
    """A record that raises when its body is read."""

    def get(self, key: str, default: Any = None) -> Any:
        """Fail if the body is asked for."""
        if key in ("body", "Sns"):
            raise RuntimeError("planted")
        return super().get(key, default)


def test_a_record_that_cannot_be_unwrapped_is_parked_and_the_others_are_delivered() -> None:
    """An unexpected failure of one record must not affect the rest of its batch."""
    world = World()
    assert kept(world.deliver(sqs_batch(Unreadable(baked(1)), baked(2)))) == ["m-1"]
    assert sorted(world.witness.outcomes) == [Outcome.DELIVERED, Outcome.PARKED]
    assert "planted" not in str(world.witness.receipts)


def test_a_notification_that_cannot_be_unwrapped_fails_the_invocation() -> None:
    """There is no event that could be queued, so Lambda has to retry the invocation."""
    record = Unreadable(sns_invocation(notification({}))["Records"][0])
    with pytest.raises(InvocationFailed):
        World().deliver({"Records": [record]})


def test_the_attempt_number_is_the_receive_count_of_sqs() -> None:
    """A missing or unreadable count means the first attempt."""
    counts: list[Any] = ["3", "x", "", "٣", "9" * 5_000, None, 7]
    records = [baked() | {"attributes": {"ApproximateReceiveCount": count}} for count in counts]
    assert [QueueRecord.of_sqs(record).attempt for record in records] == [3, 1, 1, 1, 1, 1, 1]


def test_a_malformed_record_is_counted_under_an_unknown_source() -> None:
    """Otherwise anyone who can send to the queue could create metrics under names of their choice."""
    world = World()
    world.deliver(sqs_batch(sqs_record("{", source="planted"), sqs_record({}, source="planted")))
    assert {receipt.source for receipt in world.witness.receipts} == {"unknown"}
    assert MalformedRequest.code in {receipt.error_code for receipt in world.witness.receipts}
