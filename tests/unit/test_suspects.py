"""A message that killed the function is a suspect: it is handled alone, and at last dead-lettered."""

from pathlib import Path
from typing import Any

import pytest

from event_source import ARN, URGENT_ROUTES, Killed, bakery_record, words
from fakes import World
from invocations import sqs_batch, sqs_record
from push_relay.adapters import aws
from push_relay.core.outcomes import Outcome


@pytest.fixture(autouse=True)
def _own_clients(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give each test AWS clients of its own."""
    monkeypatch.setattr(aws, "_clients", {})


NOBODY: dict[str, Any] = {"batchItemFailures": []}


def sent_words(world: World) -> list[str]:
    """Return the texts of the pushes that the vendor was sent, in order."""
    return [words(call) for call in world.vendor.calls]


# --- one invocation ------------------------------------------------------------------------------------


@pytest.mark.parametrize("receives", [3, 4, 5])
def test_a_message_that_was_received_often_is_copied_and_the_others_are_delivered(receives: int) -> None:
    """The copy carries the count of crashes, so SQS's own count never reaches its limit."""
    world = World()
    assert (
        world.deliver(sqs_batch(bakery_record("a"), bakery_record("s", receives), bakery_record("b")))
        == NOBODY
    )
    assert sent_words(world) == ["a", "b"]
    assert world.messages.copied == [("handle-s", receives - 1, 0.0)]
    assert world.messages.deleted == ["handle-s"]


@pytest.mark.parametrize(
    "suspect", [bakery_record("s", 2), bakery_record("s", 1, 1), bakery_record("s", 2, 1)]
)
def test_a_suspect_is_handled_alone_and_its_neighbours_are_copied(suspect: dict[str, Any]) -> None:
    """The copies are in the queue, and the originals deleted, before anything is tried."""
    world = World()
    assert world.deliver(sqs_batch(bakery_record("a"), suspect, bakery_record("b", 3))) == NOBODY
    assert sent_words(world) == ["s"]
    assert world.messages.copied == [("handle-a", 0, 0.0), ("handle-b", 2, 0.0)]
    assert world.messages.deleted == ["handle-a", "handle-b"]


def test_neighbours_are_safe_before_the_suspect_is_tried() -> None:
    """A suspect may kill the function at once, and their copies and deletions would be lost."""
    world = World()

    def judge(_push: Any, _credentials: Any) -> Exception | None:
        assert world.messages.deleted == ["handle-a"]
        raise Killed

    world.vendor.judge = judge
    with pytest.raises(Killed):
        world.deliver(sqs_batch(bakery_record("a"), bakery_record("s", 1, 1)))


def test_of_several_suspects_the_one_with_the_fewest_crashes_is_handled() -> None:
    """The fewest crashes make it the least likely cause. The others are copied with their counts."""
    world = World()
    batch = sqs_batch(
        bakery_record("x", 2, 2), bakery_record("s", 1, 2), bakery_record("y", 1, 3), bakery_record("z", 3)
    )
    assert world.deliver(batch) == NOBODY
    assert sent_words(world) == ["s"]
    assert sorted(world.messages.copied) == [("handle-x", 3, 0.0), ("handle-y", 3, 0.0), ("handle-z", 2, 0.0)]


def test_without_a_suspect_nothing_is_copied_or_deleted() -> None:
    """The answer to Lambda acknowledges the batch, so SQS is not called."""
    world = World()
    assert world.deliver(sqs_batch(bakery_record("a"), bakery_record("b"))) == NOBODY
    queue = world.messages
    assert [*queue.copied, *queue.deleted, *queue.delayed] == []


@pytest.mark.parametrize(("receives", "crashes"), [(6, 0), (1, 5), (3, 3), (1, 99)])
def test_after_five_crashes_a_message_is_dead_lettered_without_being_handled(
    receives: int, crashes: int
) -> None:
    """The dead letter has its body and attributes but not the count, so that a replay begins at 0."""
    world = World()
    doomed = bakery_record("x", receives, crashes)
    assert world.deliver(sqs_batch(bakery_record("a"), doomed)) == NOBODY
    assert sent_words(world) == ["a"]
    (dead,) = world.messages.dead_letters
    assert (dead.error_code, dead.body) == ("crashed", doomed["body"])
    origin = {"push-relay-origin-id": "x", "push-relay-origin-sent": "1800000000000"}
    assert dead.attributes == {"source": "bakery", **origin}
    assert world.messages.deleted == ["handle-x"]
    assert not world.messages.copied
    receipt = next(receipt for receipt in world.witness.receipts if receipt.event_id == "x")
    assert (receipt.outcome, receipt.error_code, receipt.source) == (Outcome.FAILED, "crashed", "bakery")


def test_a_message_is_kept_if_its_dead_letter_cannot_be_written() -> None:
    """Its neighbours are delivered."""
    world = World()
    world.messages.break_down()
    answer = world.deliver(sqs_batch(bakery_record("a"), bakery_record("x", 6)))
    assert answer == {"batchItemFailures": [{"itemIdentifier": "x"}]}
    assert sent_words(world) == ["a"]


@pytest.mark.parametrize("source", ["nosuch", "../x", ""])
def test_a_source_that_does_not_exist_makes_no_metric(source: str) -> None:
    """A sender could otherwise make metrics without end, because each name would be a new one."""
    world = World()
    doomed = bakery_record("x", 6)
    doomed["messageAttributes"]["source"]["stringValue"] = source
    world.deliver(sqs_batch(doomed))
    assert [receipt.source for receipt in world.witness.receipts] == ["unknown"]


def test_messages_that_cannot_be_copied_are_handled_with_care() -> None:
    """Suspects are handled last and one by one; a finished message is deleted before the next suspect."""
    world = World()
    world.messages.copy = refuse(world)  # type: ignore[method-assign]
    finished: dict[str, list[str]] = {}

    def judge(push: Any, _credentials: Any) -> Exception | None:
        finished[push.wording.body.strip()] = list(world.messages.deleted)
        return None

    world.vendor.judge = judge
    batch = sqs_batch(bakery_record("s", 1, 2), bakery_record("a"), bakery_record("t", 2), bakery_record("b"))
    assert world.deliver(batch) == NOBODY
    both = ["handle-a", "handle-b"]
    assert finished == {"a": [], "b": [], "t": both, "s": [*both, "handle-t"]}


def test_a_queue_that_is_down_is_not_called_for_every_message() -> None:
    """Each refused copy may take seconds of the function's time."""
    world = World()
    world.messages.break_down()
    world.deliver(sqs_batch(bakery_record("s", 1, 1), *(bakery_record(f"a{number}") for number in range(9))))
    refused = [what for what, _, _ in world.witness.troubles if what == "a message was not copied"]
    assert len(refused) == 2
    assert len(sent_words(world)) == 10


@pytest.mark.parametrize("body", [None, "", 5])
def test_a_message_without_a_body_is_not_copied(body: Any) -> None:
    """SQS would refuse the copy. The message itself is rejected."""
    world = World()
    assert world.deliver(sqs_batch({**bakery_record("a"), "body": body}, bakery_record("s", 1, 1))) == NOBODY
    assert not world.messages.copied
    assert sent_words(world) == ["s"]
    assert [dead.error_code for dead in world.messages.dead_letters] == ["malformed_request"]


def test_a_finished_message_that_was_not_deleted_is_reported_and_acknowledged() -> None:
    """If it is received a second time, it is a duplicate."""
    world = World()
    world.messages.copy = lambda *_: None  # type: ignore[method-assign]
    world.messages.break_down()
    assert world.deliver(sqs_batch(bakery_record("a"), bakery_record("s", 1, 1))) == NOBODY
    ((what, code, _),) = world.witness.troubles
    assert (what, code) == ("a finished message was not deleted", "queue_unavailable")


def test_a_copy_keeps_the_number_of_the_attempt() -> None:
    """The backoff continues to grow, as it would without a copy."""
    world = World()
    world.deliver(sqs_batch(bakery_record("s", 1, 2)))
    assert world.witness.attempts == [3]


def test_a_fifo_queues_records_keep_their_order() -> None:
    """A copy would lose its place. A record may have been received often only because it waited."""
    world = World()
    batch = [{**bakery_record(name, receives), "eventSourceARN": f"{ARN}q.fifo"} for name, receives in FIFO]
    for each in batch:
        each["attributes"]["MessageGroupId"] = each["messageId"][0]
    assert world.deliver(sqs_batch(*batch)) == NOBODY
    assert [name for name in sent_words(world) if name[0] == "a"] == ["a1", "a2"]
    assert sorted(sent_words(world)) == ["a1", "a2", "b1"]
    assert not world.messages.copied
    assert len(world.messages.deleted) == 2


FIFO = [("a1", 9), ("b1", 1), ("a2", 9)]


@pytest.mark.parametrize("receives", [3, 4])
def test_a_fifo_group_that_kills_is_first_only_every_second_time(receives: int) -> None:
    """The other groups are finished and deleted in between, so they do not reach the limit of receives."""
    world = World()

    def judge(push: Any, _credentials: Any) -> Exception | None:
        if push.wording.body.strip() == "b1":
            raise Killed
        return None

    world.vendor.judge = judge
    batch = [
        {**bakery_record(name, receives), "eventSourceARN": f"{ARN}q.fifo"} for name in ("a1", "b1", "c1")
    ]
    for each in batch:
        each["attributes"]["MessageGroupId"] = each["messageId"][0]
    with pytest.raises(Killed):
        world.deliver(sqs_batch(*batch))
    assert world.messages.deleted == ["handle-c1" if receives % 2 else "handle-a1"]


# --- urgent messages -------------------------------------------------------------------------------------


def urgent_world(tmp_path: Path) -> World:
    """Return a world with an urgent route for the bakery and another route for the ovens."""
    routes = tmp_path / "relay.toml"
    routes.write_text(URGENT_ROUTES + '[[route]]\nsource = "ovens"\nto = ["user:one"]\n')
    return World(routes=routes)


def test_urgent_messages_come_back_soon_if_the_function_dies(tmp_path: Path) -> None:
    """They are visible when the invocation must have ended, instead of after six times its timeout."""
    world = urgent_world(tmp_path)
    world.context.seconds = 41
    world.deliver(sqs_batch(bakery_record("a"), bakery_record("b")))
    assert world.messages.delayed == [("handle-a", 46), ("handle-b", 46)]


@pytest.mark.parametrize(
    ("batch", "hidden"),
    [
        ([bakery_record("a")], 0),
        (
            [
                {**bakery_record("a"), "messageAttributes": {}},
                {**bakery_record("b"), "messageAttributes": {}},
            ],
            2,
        ),
        ([sqs_record({"degrees": 1}, source="ovens", message_id=name) for name in "ab"], 0),
        ([bakery_record("a"), bakery_record("s", 1, 1)], 0),
    ],
    ids=["no neighbour", "names no source", "no urgent route", "handled alone"],
)
def test_the_visibility_is_changed_only_if_it_helps(
    tmp_path: Path, batch: list[dict[str, Any]], hidden: int
) -> None:
    """Most batches need no call to SQS."""
    world = urgent_world(tmp_path)
    world.deliver(sqs_batch(*batch))
    assert len(world.messages.delayed) == hidden


def test_a_batch_is_delivered_although_its_timeout_cannot_be_changed(tmp_path: Path) -> None:
    """The role may lack the right for a queue of the deployer's own."""
    world = urgent_world(tmp_path)
    world.messages.break_down()
    assert world.deliver(sqs_batch(bakery_record("a"), bakery_record("b"))) == NOBODY
    assert len(sent_words(world)) == 2
    assert [code for _, code, _ in world.witness.troubles] == ["queue_unavailable"]


def refuse(world: World) -> Any:
    """Return a `copy` that the queue refuses, while everything else works."""

    def copy(*_: Any) -> None:
        broken = type(world.messages)()
        broken.break_down()
        broken.delete([{}])

    return copy
