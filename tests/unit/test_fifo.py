"""FIFO queues: order inside a group, groups in parallel, and a failure holds back its own group only."""

import random
from typing import Any

import pytest

from event_source import URL, EventSource, words
from fakes import World
from invocations import sqs_batch, sqs_record
from push_relay.adapters import aws
from push_relay.adapters.process import Threads
from push_relay.core.errors import VendorRejected, VendorThrottled, VendorUnavailable
from push_relay.core.outcomes import Outcome

FIFO = "arn:aws:sqs:eu-west-1:123456789012:theirs.fifo"
STANDARD = "arn:aws:sqs:eu-west-1:123456789012:theirs"


def record(name: str, *, arn: str = FIFO, kind: str = "baked") -> dict[str, Any]:
    """Return a record of the group that its name begins with: `a1` is the first of `a`."""
    made = sqs_record({"kind": kind, "id": name, "words": name}, source="bakery", message_id=name)
    made["attributes"]["MessageGroupId"] = name[0]
    return {**made, "eventSourceARN": arn}


def batch(*names: str, arn: str = FIFO) -> dict[str, Any]:
    """Return a batch of records."""
    return sqs_batch(*(record(name, arn=arn) for name in names))


def kept(response: dict[str, Any]) -> set[str]:
    """Return the records that SQS is to keep."""
    return {failure["itemIdentifier"] for failure in response["batchItemFailures"]}


def said(world: World) -> list[str]:
    """Return what the vendor was told, in order."""
    return [call.push.wording.body for call in world.vendor.calls]


def failing(world: World, *words: str, error: Exception) -> None:
    """Have the vendor fail what says any of these words."""
    world.vendor.judge = lambda push, _: error if push.wording.body in words else None


def test_a_groups_records_are_sent_in_order() -> None:
    """However many at a time: one of a group is settled before the next is begun."""
    world = World(parallel_map=Threads(3))
    assert not kept(world.deliver(batch("a1", "b1", "a2", "c1", "a3", "b2")))
    order = said(world)
    assert sorted(order) == ["a1", "a2", "a3", "b1", "b2", "c1"]
    assert [name for name in order if name.startswith("a")] == ["a1", "a2", "a3"]
    assert order.index("b1") < order.index("b2")


def test_groups_go_together() -> None:
    """The first of each group is in the same wave."""
    waves: list[int] = []

    def parallel_map(function: Any, items: Any, _at_a_time: int) -> list[Any]:
        waves.append(len(items))
        return [function(item) for item in items]

    world = World(parallel_map=parallel_map)
    world.deliver(batch("a1", "a2", "a3", "b1", "b2", "c1"))
    assert waves == [3, 2, 1]


def test_a_failure_holds_back_its_own_group_only() -> None:
    """It is hidden for its delay, and those behind it for as long: they would block the group otherwise."""
    world = World()
    failing(world, "a2", error=VendorThrottled("slow", retry_after=600))
    assert kept(world.deliver(batch("a1", "b1", "a2", "a3", "b2", "a4"))) == {"a2", "a3", "a4"}
    assert sorted(said(world)) == ["a1", "a2", "b1", "b2"]
    assert [handle for handle, _ in world.messages.delayed] == ["handle-a2", "handle-a3", "handle-a4"]
    ((delay),) = {delay for _, delay in world.messages.delayed}
    assert 600 <= delay <= 610
    assert not world.messages.parked
    assert world.witness.outcomes.count(Outcome.PARKED) == 1
    assert len(world.witness.receipts) == 4


def test_what_is_dead_holds_nobody_back() -> None:
    """It would be waited for in vain."""
    world = World()
    failing(world, "a1", error=VendorRejected("no"))
    assert not kept(world.deliver(batch("a1", "a2")))
    assert said(world) == ["a1", "a2"]
    assert len(world.messages.dead_letters) == 1


def test_a_record_that_cannot_be_hidden_holds_its_group_back_all_the_same() -> None:
    """It comes again when the queue's own visibility timeout ends."""
    world = World()
    world.messages.break_down()
    failing(world, "a1", error=VendorThrottled("slow"))
    assert kept(world.deliver(batch("a1", "a2", "b1"))) == {"a1", "a2"}
    assert sorted(said(world)) == ["a1", "b1"]


def test_a_record_that_comes_again_sends_what_is_left() -> None:
    """It is the same message, so all its pushes are asked after; those that are settled are duplicates."""
    world = World()
    world.vendor.errors = [None, VendorThrottled("slow")]
    everybody = record("a1", kind="everybody")
    assert kept(world.deliver(sqs_batch(everybody))) == {"a1"}
    assert not kept(world.deliver(sqs_batch(everybody)))
    assert world.witness.outcomes[3:] == [Outcome.DUPLICATE, Outcome.DELIVERED, Outcome.DUPLICATE]


@pytest.mark.parametrize("arn", [STANDARD, "", None])
def test_groups_of_a_standard_queue_are_no_order(arn: Any) -> None:
    """There they mean fair sharing: all go at once, and what is parked is queued anew."""
    world = World()
    failing(world, "a1", error=VendorThrottled("slow"))
    assert not kept(world.deliver(batch("a1", "a2", arn=arn)))
    assert said(world) == ["a1", "a2"]
    assert len(world.messages.parked) == 1
    assert not world.messages.delayed


def test_a_record_that_breaks_the_unwrapping_is_hidden_with_its_group() -> None:
    """It waits for its backoff, and not for the queue's visibility timeout."""

    class Unreadable(dict[str, Any]):
        """A record whose body breaks its reader."""

        def get(self, key: str, default: Any = None) -> Any:
            """Break at the body."""
            if key == "body":
                raise RuntimeError("planted")
            return super().get(key, default)

    world = World()
    response = world.deliver(sqs_batch(Unreadable(record("a1")), record("a2"), record("b1")))
    assert kept(response) == {"a1", "a2"}
    assert [handle for handle, _ in world.messages.delayed] == ["handle-a1", "handle-a2"]


@pytest.mark.parametrize("seed", range(10))
def test_one_failure_at_the_head_delays_its_group_by_its_own_backoff(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ten records of one group, of which the first meets a 503 once: all are through in order, in seconds."""
    monkeypatch.setattr(aws, "_clients", {})
    source = EventSource(World(), random.Random(seed))  # noqa: S311 (repeatable)
    url = URL + "theirs.fifo"
    for number in range(10):
        made = sqs_record({"kind": "baked", "id": f"a{number}", "words": f"a{number}"})
        source.sqs.send_message(
            QueueUrl=url,
            MessageBody=made["body"],
            MessageAttributes={"source": {"DataType": "String", "StringValue": "bakery"}},
            MessageGroupId="a",
        )
    source.world.vendor.errors = [VendorUnavailable("down")]
    source.run(url)
    assert [words(call) for call in source.world.vendor.calls] == ["a0", *(f"a{n}" for n in range(10))]
    assert source.sqs.now - 1_800_000_000 < 15
