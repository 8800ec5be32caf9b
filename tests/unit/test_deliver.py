"""The back door: each record acknowledged, dead-lettered or parked by itself; nothing is swallowed."""

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
    """Return a record of the bakery's that came through somebody else's queue."""
    content = {"kind": kind, "id": f"e-{number}", "words": "warm"}
    return sqs_record(content, source="bakery", message_id=f"m-{number}", attempt=attempt)


def come_again(world: World) -> dict[str, Any]:
    """Let what was parked come due, and deliver it from the queue as SQS would."""
    records = [
        sqs_parked(event, attempt, due, message_id=f"p-{number}")
        for number, (event, attempt, due) in enumerate(world.messages.parked)
    ]
    world.clock.time = max(due for _, _, due in world.messages.parked)
    world.messages.parked.clear()
    return world.deliver(sqs_batch(*records))


def kept(response: dict[str, Any]) -> list[str]:
    """Return the records that SQS is to keep."""
    return [failure["itemIdentifier"] for failure in response["batchItemFailures"]]


def test_ten_good_records_are_ten_pushes() -> None:
    """All acknowledged, nothing parked, nothing dead."""
    world = World()
    assert kept(world.deliver(sqs_batch(*map(baked, range(10))))) == []
    assert world.witness.outcomes == [Outcome.DELIVERED] * 10
    assert len(world.vendor.calls) == 10
    assert not world.messages.dead_letters + world.messages.delayed  # type: ignore[operator]
    assert world.witness.flushes == 1


@pytest.mark.parametrize("bad", range(0, 10, 3))
def test_one_bad_among_ten_is_dead_lettered_and_nine_are_delivered(bad: int) -> None:
    """As it came, with its attributes, its code and its id."""
    world = World()
    records = [*map(baked, range(10))]
    records[bad] = sqs_record('{"planted": ', source="bakery", message_id="bad")
    assert kept(world.deliver(sqs_batch(*records))) == []
    assert world.witness.outcomes.count(Outcome.DELIVERED) == 9
    (buried,) = world.messages.dead_letters
    assert (buried.body, buried.error_code) == ('{"planted": ', "malformed_request")
    origin = {"push-relay-origin-id": "bad", "push-relay-origin-sent": "1800000000000"}
    assert buried.attributes == {"source": "bakery", **origin}


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
def test_what_can_never_be_delivered_is_dead_lettered_with_its_code(
    record: dict[str, Any], code: str
) -> None:
    """And acknowledged: it would come back for nothing."""
    world = World()
    assert kept(world.deliver(sqs_batch(record))) == []
    assert [buried.error_code for buried in world.messages.dead_letters] == [code]
    assert not world.vendor.calls


def test_what_the_vendor_refuses_is_dead_lettered() -> None:
    """With the event's id."""
    world = World()
    world.vendor.judge = lambda _push, _credentials: VendorRejected("no")
    world.deliver(sqs_batch(baked(7)))
    assert [(b.error_code, b.event_id) for b in world.messages.dead_letters] == [("vendor_rejected", "e-7")]


def test_what_was_refused_and_could_not_be_dead_lettered_is_dead_lettered_when_it_comes_again() -> None:
    """It is settled by then, and not tried again; for a duplicate it would be lost."""
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
def test_what_is_not_for_now_is_parked(
    error: Exception, attempt: int, shortest: float, longest: float
) -> None:
    """Queued anew for its next attempt, and the message that brought it acknowledged."""
    world = World()
    world.vendor.judge = lambda _push, _credentials: error
    assert kept(world.deliver(sqs_batch(sqs_copy(baked(), attempt - 1)))) == []
    ((event, coming, due),) = world.messages.parked
    assert (event.id, coming) == ("e-1", attempt + 1)
    assert shortest <= due - world.clock.now() <= longest
    assert not world.messages.delayed
    assert not world.messages.dead_letters
    assert world.witness.attempts == [attempt]


def test_the_longest_wait_that_was_named_counts() -> None:
    """Several pushes of one event come back together."""
    world = World()
    world.vendor.errors = [VendorThrottled("slow", retry_after=s) for s in (10, 500, 20)]
    world.deliver(sqs_batch(baked(kind="everybody")))
    assert 500 <= world.messages.parked[0][2] - world.clock.now() <= 510


def test_a_parked_record_comes_back_and_only_what_is_left_is_sent() -> None:
    """One of three was throttled: the two others are left alone, and not even asked after."""
    world = World()
    world.vendor.errors = [None, VendorThrottled("slow")]
    assert kept(world.deliver(sqs_batch(baked(kind="everybody")))) == []
    assert kept(come_again(world)) == []
    assert world.witness.outcomes[3:] == [Outcome.DELIVERED]
    assert [call.push.recipient.value for call in world.vendor.calls] == ["one", "two", "three", "two"]
    assert world.witness.attempts == [1, 2]


def test_refused_and_throttled_at_once_is_dead_lettered_once_and_parked() -> None:
    """Each with its own push alone: the dead one for a person, the parked one for later."""
    world = World()
    world.vendor.errors = [VendorRejected("no"), VendorThrottled("slow")]
    assert kept(world.deliver(sqs_batch(baked(kind="everybody")))) == []
    keys = [call.push.key for call in world.vendor.calls]
    ((parked, _, _),) = world.messages.parked
    assert kept(come_again(world)) == []
    (buried,) = world.messages.dead_letters
    assert json.loads(buried.body)["only"] == [keys[0]]
    assert parked.only == (keys[1],)
    assert world.witness.outcomes[3:] == [Outcome.DELIVERED]


@pytest.mark.parametrize("kind", ["broken", "everybody"])
def test_a_record_is_kept_where_the_queue_does_not_answer(kind: str) -> None:
    """Neither dead-lettered nor parked: it comes again by itself; told, and the others go on."""
    world = World()
    world.messages.break_down()
    world.vendor.judge = lambda push, _: VendorThrottled("slow") if push.recipient.value == "two" else None
    assert kept(world.deliver(sqs_batch(baked(1), baked(2, kind)))) == ["m-2"]
    assert [trouble[1] for trouble in world.witness.troubles] == ["queue_unavailable"]
    assert world.witness.outcomes.count(Outcome.DELIVERED) >= 1


@pytest.mark.parametrize("invocation", [sqs_batch(), {"Records": []}])
def test_an_empty_batch_is_no_work(invocation: dict[str, Any]) -> None:
    """SQS's own poller sends one to try the function."""
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
def test_an_invocation_that_is_none_is_dead_lettered_whole(invocation: Any) -> None:
    """Nothing of it is passed over."""
    world = World()
    assert kept(world.deliver(invocation)) == []
    (buried,) = world.messages.dead_letters
    assert buried.error_code == "malformed_request"
    assert ("planted" in str(invocation)) is ("planted" in buried.body) or not isinstance(invocation, dict)
    assert not world.vendor.calls


DIRECT = pytest.mark.parametrize(
    "invocation",
    [sns_invocation(notification({"degrees": 451})), bus_event({"degrees": 451})],
    ids=["SNS", "EB"],
)


@DIRECT
def test_a_direct_invocation_is_delivered(invocation: dict[str, Any]) -> None:
    """Without any queue."""
    world = World()
    assert kept(world.deliver(invocation)) == []
    assert world.witness.outcomes == [Outcome.DELIVERED]
    assert not world.messages.queued


@DIRECT
def test_a_direct_invocation_is_parked_by_queueing_it(invocation: dict[str, Any]) -> None:
    """It does not lie in any queue yet; from there it is delivered as it was recognised."""
    world = World()
    world.vendor.errors = [VendorThrottled("slow", retry_after=60)]
    assert kept(world.deliver(invocation)) == []
    ((_, attempt, due),) = world.messages.parked
    assert attempt == 2
    assert 60 <= due - world.clock.now() <= 70
    come_again(world)
    assert world.witness.outcomes == [Outcome.PARKED, Outcome.DELIVERED]


@DIRECT
@pytest.mark.parametrize("error", [VendorThrottled("slow"), VendorRejected("no")], ids=["park", "bury"])
def test_a_direct_invocation_fails_where_it_can_neither_be_delivered_nor_kept(
    invocation: dict[str, Any], error: Exception
) -> None:
    """Lambda tries it again, and has a dead-letter queue of its own."""
    world = World()
    world.vendor.errors = [error]
    world.messages.break_down()
    with pytest.raises(InvocationFailed, match="the queue did not answer"):
        world.deliver(invocation)
    assert world.witness.flushes == 1


def test_a_direct_invocation_that_is_refused_is_dead_lettered_as_an_event() -> None:
    """It can be replayed to the queue as it is; what never became one is kept as it came."""
    world = World()
    world.vendor.judge = lambda _push, _credentials: VendorRejected("no")
    world.deliver(bus_event({"degrees": 451}))
    world.deliver(bus_event({"nothing": "fits"}))
    event, raw = world.messages.dead_letters
    assert event.attributes == {"push-relay-event": "1", "source": "ovens"}
    assert Event(**json.loads(event.body)).data == {"degrees": 451}
    assert json.loads(raw.body) == bus_event({"nothing": "fits"})
    assert raw.attributes == {}


class Broken(Messages):
    """A queue whose failure nobody has foreseen."""

    def __init__(self) -> None:
        """Break."""
        super().__init__()
        self.error = RuntimeError("planted@example.com")


@pytest.mark.parametrize(
    "invocation", [sqs_batch(baked(kind="broken")), sns_invocation(notification("{")), bus_event({})], ids=str
)
def test_an_unknown_exception_fails_the_invocation_without_its_text(invocation: dict[str, Any]) -> None:
    """Never acknowledged; Lambda logs what is raised, so it says type and place alone."""
    world = World()
    world.messages = Broken()
    with pytest.raises(InvocationFailed) as failed:
        world.deliver(invocation)
    assert str(failed.value) == world.witness.troubles[0][2]
    assert "RuntimeError at queues.py" in str(failed.value)
    assert failed.value.__suppress_context__
    assert world.witness.flushes == 1


class Unreadable(dict[str, Any]):
    """A record that breaks whoever looks into it."""

    def get(self, key: str, default: Any = None) -> Any:
        """Break at the body."""
        if key in ("body", "Sns"):
            raise RuntimeError("planted")
        return super().get(key, default)


def test_a_record_that_breaks_the_unwrapping_is_parked_and_the_others_delivered() -> None:
    """One record's unknown trouble is its own."""
    world = World()
    assert kept(world.deliver(sqs_batch(Unreadable(baked(1)), baked(2)))) == ["m-1"]
    assert sorted(world.witness.outcomes) == [Outcome.DELIVERED, Outcome.PARKED]
    assert "planted" not in str(world.witness.receipts)


def test_a_notification_that_breaks_the_unwrapping_fails_the_invocation() -> None:
    """There is no event that could be queued, so Lambda keeps it."""
    record = Unreadable(sns_invocation(notification({}))["Records"][0])
    with pytest.raises(InvocationFailed):
        World().deliver({"Records": [record]})


def test_the_attempt_is_what_sqs_counts() -> None:
    """Junk counts as the first."""
    counts: list[Any] = ["3", "x", "", "٣", "9" * 5_000, None, 7]
    records = [baked() | {"attributes": {"ApproximateReceiveCount": count}} for count in counts]
    assert [QueueRecord.of_sqs(record).attempt for record in records] == [3, 1, 1, 1, 1, 1, 1]


def test_what_is_malformed_says_nothing_of_a_source() -> None:
    """Strangers must not be able to make metrics."""
    world = World()
    world.deliver(sqs_batch(sqs_record("{", source="planted"), sqs_record({}, source="planted")))
    assert {receipt.source for receipt in world.witness.receipts} == {"unknown"}
    assert MalformedRequest.code in {receipt.error_code for receipt in world.witness.receipts}
