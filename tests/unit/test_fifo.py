"""FIFO queues keep each group's order and run groups in parallel. A failure delays only its own group."""

import random
from threading import Barrier
from typing import Any

import pytest

from event_source import URL, EventSource, words
from fakes import World
from invocations import sqs_batch, sqs_queued, sqs_record
from push_relay.adapters import aws
from push_relay.adapters.process import Threads
from push_relay.core.delivery.wake_up import wake_up
from push_relay.core.errors import VendorRejected, VendorThrottled, VendorUnavailable
from push_relay.core.outcomes import Outcome
from push_relay.core.push import Push

FIFO = "arn:aws:sqs:eu-west-1:123456789012:theirs.fifo"
STANDARD = "arn:aws:sqs:eu-west-1:123456789012:theirs"


def record(name: str, *, arn: str = FIFO, kind: str = "baked") -> dict[str, Any]:
    """Return a record of the group that its name begins with: `a1` is the first record of group `a`."""
    made = sqs_record({"kind": kind, "id": name, "words": name}, source="bakery", message_id=name)
    made["attributes"]["MessageGroupId"] = name[0]
    return {**made, "eventSourceARN": arn}


def batch(*names: str, arn: str = FIFO) -> dict[str, Any]:
    """Return a batch of records."""
    return sqs_batch(*(record(name, arn=arn) for name in names))


def kept(response: dict[str, Any]) -> set[str]:
    """Return the ids of the records that stay in the queue."""
    return {failure["itemIdentifier"] for failure in response["batchItemFailures"]}


def sent_bodies(world: World) -> list[str]:
    """Return the bodies of the pushes that were sent, in order."""
    return [call.push.wording.body for call in world.vendor.calls]


def failing(world: World, *words: str, error: Exception) -> None:
    """Make the vendor fail each push whose body is one of these words."""
    world.vendor.judge = lambda push, _: error if push.wording.body in words else None


def test_a_groups_records_are_sent_in_order() -> None:
    """A record is settled before the next of its group starts, even if several threads send."""
    world = World(threads=Threads(6))
    assert not kept(world.deliver(batch("a1", "b1", "a2", "c1", "a3", "b2")))
    order = sent_bodies(world)
    assert sorted(order) == ["a1", "a2", "a3", "b1", "b2", "c1"]
    assert [name for name in order if name.startswith("a")] == ["a1", "a2", "a3"]
    assert order.index("b1") < order.index("b2")


def test_groups_are_sent_in_parallel(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first record of each group belongs to the first wave, and the second to the second."""
    world = World(threads=Threads(6))
    waves: list[int] = []
    claim_all, together = world.ledger.claim_all, Barrier(3, timeout=10)

    def count(requests: Any) -> Any:
        waves.append(len(requests))
        return claim_all(requests)

    def judge(push: Push, _credentials: object) -> None:
        if push.wording.body.endswith("1"):
            together.wait()

    monkeypatch.setattr(world.ledger, "claim_all", count)
    world.vendor.judge = judge
    assert not kept(world.deliver(batch("a1", "a2", "a3", "b1", "b2", "c1")))
    assert waves == [3, 2, 1]
    assert world.witness.outcomes == [Outcome.DELIVERED] * 6


def test_a_record_that_waits_for_a_connection_is_stored_too_and_keeps_its_place() -> None:
    """A worker with a connection sends it from the backlog, and then it is a duplicate in its queue."""
    world = World()
    permits = world.permits["default"]
    permits.free = 0
    assert kept(world.deliver(batch("a1", "a2"))) == {"a1", "a2"}
    assert [handle for handle, _ in world.messages.delayed] == ["handle-a1", "handle-a2"]
    ((delay),) = {delay for _, delay in world.messages.delayed}
    assert 0 < delay <= 60
    ((stored, attempt, _),) = world.parked
    assert (stored.data["words"], attempt, world.reasons) == ("a1", 1, ["connections_busy"])
    assert permits.announcements == 1
    permits.free = 3
    world.deliver(sqs_batch(sqs_queued(wake_up("default", world.clock.now()))))
    assert not world.parked
    assert not kept(world.deliver(batch("a1", "a2")))
    assert sent_bodies(world) == ["a1", "a2"]
    assert world.witness.outcomes[-2:] == [Outcome.DUPLICATE, Outcome.DELIVERED]


def test_a_failure_delays_only_its_own_group() -> None:
    """The records behind the failed one get the same delay. Otherwise they would block the group longer."""
    world = World()
    failing(world, "a2", error=VendorThrottled("slow", retry_after=600))
    assert kept(world.deliver(batch("a1", "b1", "a2", "a3", "b2", "a4"))) == {"a2", "a3", "a4"}
    assert sorted(sent_bodies(world)) == ["a1", "a2", "b1", "b2"]
    assert [handle for handle, _ in world.messages.delayed] == ["handle-a2", "handle-a3", "handle-a4"]
    ((delay),) = {delay for _, delay in world.messages.delayed}
    assert 600 <= delay <= 610
    assert not world.parked
    assert world.witness.outcomes.count(Outcome.PARKED) == 1
    assert len(world.witness.receipts) == 4


def test_a_dead_lettered_record_does_not_delay_its_group() -> None:
    """It is never retried, so there is nothing to wait for."""
    world = World()
    failing(world, "a1", error=VendorRejected("no"))
    assert not kept(world.deliver(batch("a1", "a2")))
    assert sent_bodies(world) == ["a1", "a2"]
    assert len(world.messages.dead_letters) == 1


def test_a_record_whose_delay_cannot_be_set_still_holds_back_its_group() -> None:
    """The queue redelivers it when its visibility timeout ends."""
    world = World()
    world.messages.break_down()
    failing(world, "a1", error=VendorThrottled("slow"))
    assert kept(world.deliver(batch("a1", "a2", "b1"))) == {"a1", "a2"}
    assert sorted(sent_bodies(world)) == ["a1", "b1"]


def test_a_redelivered_record_sends_only_the_pushes_that_are_not_settled() -> None:
    """It is the same queue message, so the ledger is read for all its pushes. Settled ones are duplicates."""
    world = World()
    world.vendor.errors = [None, VendorThrottled("slow")]
    everybody = record("a1", kind="everybody")
    assert kept(world.deliver(sqs_batch(everybody))) == {"a1"}
    assert not kept(world.deliver(sqs_batch(everybody)))
    assert world.witness.outcomes[3:] == [Outcome.DUPLICATE, Outcome.DELIVERED, Outcome.DUPLICATE]


@pytest.mark.parametrize("arn", [STANDARD, "", None])
def test_groups_of_a_standard_queue_have_no_order(arn: Any) -> None:
    """There a group id means fair sharing only. A push that fails temporarily is queued again."""
    world = World()
    failing(world, "a1", error=VendorThrottled("slow"))
    assert not kept(world.deliver(batch("a1", "a2", arn=arn)))
    assert sent_bodies(world) == ["a1", "a2"]
    assert len(world.parked) == 1
    assert not world.messages.delayed


def test_a_record_that_cannot_be_unwrapped_is_delayed_with_its_group() -> None:
    """The delay is the computed backoff and not the queue's visibility timeout."""

    class Unreadable(dict[str, Any]):
        """A record that raises when its body is read."""

        def get(self, key: str, default: Any = None) -> Any:
            """Fail if the body is asked for."""
            if key == "body":
                raise RuntimeError("planted")
            return super().get(key, default)

    world = World()
    response = world.deliver(sqs_batch(Unreadable(record("a1")), record("a2"), record("b1")))
    assert kept(response) == {"a1", "a2"}
    assert [handle for handle, _ in world.messages.delayed] == ["handle-a1", "handle-a2"]


@pytest.mark.parametrize("seed", range(10))
def test_a_failure_of_the_first_record_delays_its_group_by_one_backoff(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The vendor answers the first of ten records with one 503. All ten are sent in order within seconds."""
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
