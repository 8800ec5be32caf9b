"""Messages that come back unanswered: what ends the function takes no other message with it."""

from typing import Any

import pytest

from fakes import World
from invocations import sqs_batch, sqs_record


class Killed(BaseException):
    """What no handler catches: the end of the process."""


def record(name: str, receives: int = 1) -> dict[str, Any]:
    """Return a record that was received so often."""
    content = {"kind": "baked", "id": name, "words": name}
    return sqs_record(content, source="bakery", message_id=name, attempt=receives)


@pytest.fixture
def world() -> World:
    """Return a world in which a push that says `poison` ends the function."""
    world = World()

    def judge(push: Any, _credentials: Any) -> Exception | None:
        if push.message.body == "poison":
            raise Killed
        return None

    world.vendor.judge = judge
    return world


def said(world: World) -> list[str]:
    """Return what the vendor was told, in order."""
    return [call.push.message.body for call in world.vendor.calls]


def test_what_kills_is_handled_last_and_alone_when_the_others_have_been_deleted(world: World) -> None:
    """So that they are not received again and again for its sake, until SQS takes them for dead."""
    with pytest.raises(Killed):
        world.deliver(sqs_batch(record("poison", 3), record("a"), record("b", 2), record("c")))
    assert said(world)[:3] == ["a", "b", "c"]
    assert world.messages.forgotten == ["handle-a", "handle-b", "handle-c"]


@pytest.mark.parametrize("ahead", [-1, 0, 1])
def test_two_more_receives_free_all_that_met_it(world: World, ahead: int) -> None:
    """Those that come after it one time go before it the next."""
    innocent = [f"{where}{number}" for where in "az" for number in range(4)]
    left = innocent
    for receives in (3, 4):
        world.ledger.states.clear()  # by when they come again, the killed one's claim has ended
        batch = [record(name, receives) for name in left]
        with pytest.raises(Killed):
            world.deliver(sqs_batch(*batch, record("poison", max(receives + ahead, 3))))
        left = [name for name in left if f"handle-{name}" not in world.messages.forgotten]
    assert sorted(world.messages.forgotten) == [f"handle-{name}" for name in innocent]


@pytest.mark.parametrize("receives", [1, 2])
def test_in_peace_nothing_is_deleted_one_by_one(world: World, receives: int) -> None:
    """The batch's answer acknowledges it, which costs no call."""
    assert world.deliver(sqs_batch(record("a", receives), record("b", receives))) == {"batchItemFailures": []}
    assert not world.messages.forgotten


def test_a_suspect_that_does_no_harm_is_acknowledged_like_any_other(world: World) -> None:
    """It was its neighbour."""
    assert world.deliver(sqs_batch(record("a", 3), record("b", 4))) == {"batchItemFailures": []}
    assert sorted(said(world)) == ["a", "b"]
    assert len(world.messages.forgotten) == 1


def test_what_is_kept_is_not_deleted(world: World) -> None:
    """Where its own end could not be brought about."""
    world.messages.break_down()
    answer = world.deliver(sqs_batch({**record("a"), "body": "not JSON"}, record("b", 3)))
    assert answer == {"batchItemFailures": [{"itemIdentifier": "a"}]}
    assert said(world) == ["b"]


def test_what_cannot_be_deleted_is_told_and_acknowledged_in_the_end(world: World) -> None:
    """A deletion that fails costs nothing but a second look."""
    world.messages.break_down()
    assert world.deliver(sqs_batch(record("a"), record("b", 3))) == {"batchItemFailures": []}
    assert said(world) == ["a", "b"]
    ((what, code, _),) = world.witness.troubles
    assert (what, code) == ("a finished message was not deleted", "queue_unavailable")


def test_a_fifo_queues_records_keep_their_order(world: World) -> None:
    """They may have been received often because they waited."""
    arn = "arn:aws:sqs:eu-west-1:123456789012:theirs.fifo"
    batch = [{**record(name, receives), "eventSourceARN": arn} for name, receives in (("a", 9), ("b", 1))]
    for each in batch:
        each["attributes"]["MessageGroupId"] = "g"
    world.deliver(sqs_batch(*batch))
    assert said(world) == ["a", "b"]
    assert not world.messages.forgotten
