"""Messages that come back unanswered: what kills the function takes no other message with it."""

import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from event_source import ARN, DEAD, EVENTS, READS, SENDS, TIMEOUT, URL, VISIBILITY, EventSource, Killed, words
from fakes import World
from invocations import bus_event, notification, sqs_batch, sqs_queued, sqs_record
from push_relay.adapters import aws
from push_relay.core.event import Event
from push_relay.core.inbound.envelope import unwrap_sqs
from push_relay.core.outcomes import Outcome
from push_relay.entrypoints.queue_record import QueueRecord


@pytest.fixture(autouse=True)
def _clients(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give each test AWS clients of its own."""
    monkeypatch.setattr(aws, "_clients", {})


NOBODY: dict[str, Any] = {"batchItemFailures": []}
URGENT_ROUTES = '[[route]]\nsource = "bakery"\nto = ["user:one"]\npriority = "high"\n'


def record(name: str, receives: int = 1, crashes: int = 0) -> dict[str, Any]:
    """Return a record that was received so often, perhaps a copy after so many crashes."""
    made = sqs_record({"kind": "baked", "id": name, "words": name}, source="bakery", message_id=name)
    made["attributes"]["ApproximateReceiveCount"] = str(receives)
    if crashes:
        counted = {"stringValue": str(crashes), "dataType": "String"}
        made["messageAttributes"]["push-relay-crashes"] = counted
    return made


def said(world: World) -> list[str]:
    """Return what the vendor was sent, in order."""
    return [words(call) for call in world.vendor.calls]


# --- one invocation ------------------------------------------------------------------------------------


@pytest.mark.parametrize("receives", [3, 4, 5])
def test_what_comes_back_again_is_copied_and_the_others_are_delivered(receives: int) -> None:
    """The copy carries the count of crashes, so SQS's own count never gets to the end."""
    world = World()
    assert world.deliver(sqs_batch(record("a"), record("s", receives), record("b"))) == NOBODY
    assert said(world) == ["a", "b"]
    assert world.messages.copied == [("handle-s", receives - 1, 0.0)]
    assert world.messages.deleted == ["handle-s"]


@pytest.mark.parametrize("suspect", [record("s", 2), record("s", 1, 1), record("s", 2, 1)])
def test_a_suspect_is_handled_alone_and_its_neighbours_are_copied(suspect: dict[str, Any]) -> None:
    """The copies are in the queue, and the originals deleted, before anything is tried."""
    world = World()
    assert world.deliver(sqs_batch(record("a"), suspect, record("b", 3))) == NOBODY
    assert said(world) == ["s"]
    assert world.messages.copied == [("handle-a", 0, 0.0), ("handle-b", 2, 0.0)]
    assert world.messages.deleted == ["handle-a", "handle-b"]


def test_neighbours_are_safe_before_the_suspect_is_tried() -> None:
    """A suspect that kills the function leaves nothing of theirs in the air."""
    world = World()

    def judge(_push: Any, _credentials: Any) -> Exception | None:
        assert world.messages.deleted == ["handle-a"]
        raise Killed

    world.vendor.judge = judge
    with pytest.raises(Killed):
        world.deliver(sqs_batch(record("a"), record("s", 1, 1)))


def test_of_several_suspects_the_one_with_the_fewest_crashes_is_handled() -> None:
    """It is the least likely cause. The others keep their counts."""
    world = World()
    batch = sqs_batch(record("x", 2, 2), record("s", 1, 2), record("y", 1, 3), record("z", 3))
    assert world.deliver(batch) == NOBODY
    assert said(world) == ["s"]
    assert sorted(world.messages.copied) == [("handle-x", 3, 0.0), ("handle-y", 3, 0.0), ("handle-z", 2, 0.0)]


def test_without_a_suspect_nothing_is_copied_or_deleted() -> None:
    """The batch's answer acknowledges it, which costs no call."""
    world = World()
    assert world.deliver(sqs_batch(record("a"), record("b"))) == NOBODY
    queue = world.messages
    assert [*queue.copied, *queue.deleted, *queue.delayed] == []


@pytest.mark.parametrize(("receives", "crashes"), [(6, 0), (1, 5), (3, 3), (1, 99)])
def test_after_five_crashes_a_message_is_dead_lettered_without_being_handled(
    receives: int, crashes: int
) -> None:
    """With its own body and attributes, and without the count: a replay begins at 0."""
    world = World()
    doomed = record("x", receives, crashes)
    assert world.deliver(sqs_batch(record("a"), doomed)) == NOBODY
    assert said(world) == ["a"]
    (buried,) = world.messages.dead_letters
    assert (buried.error_code, buried.body) == ("crashed", doomed["body"])
    origin = {"push-relay-origin-id": "x", "push-relay-origin-sent": "1800000000000"}
    assert buried.attributes == {"source": "bakery", **origin}
    assert world.messages.deleted == ["handle-x"]
    assert not world.messages.copied
    told = {receipt.event_id: receipt for receipt in world.witness.receipts}
    assert (told["x"].outcome, told["x"].error_code, told["x"].source) == (
        Outcome.FAILED,
        "crashed",
        "bakery",
    )


def test_a_dead_letter_that_cannot_be_written_is_kept() -> None:
    """And its neighbours are delivered."""
    world = World()
    world.messages.break_down()
    answer = world.deliver(sqs_batch(record("a"), record("x", 6)))
    assert answer == {"batchItemFailures": [{"itemIdentifier": "x"}]}
    assert said(world) == ["a"]


@pytest.mark.parametrize("source", ["nosuch", "../x", ""])
def test_a_source_that_does_not_exist_makes_no_metric(source: str) -> None:
    """Anybody who may send to the queue can name it."""
    world = World()
    doomed = record("x", 6)
    doomed["messageAttributes"]["source"]["stringValue"] = source
    world.deliver(sqs_batch(doomed))
    assert [receipt.source for receipt in world.witness.receipts] == ["unknown"]


def test_what_cannot_be_copied_is_handled_with_care() -> None:
    """Clean messages first, suspects one by one, and what is finished is deleted before the next is tried."""
    world = World()
    world.messages.copy = refuse(world)  # type: ignore[method-assign]
    finished: dict[str, list[str]] = {}

    def judge(push: Any, _credentials: Any) -> Exception | None:
        finished[push.wording.body.strip()] = list(world.messages.deleted)
        return None

    world.vendor.judge = judge
    batch = sqs_batch(record("s", 1, 2), record("a"), record("t", 2), record("b"))
    assert world.deliver(batch) == NOBODY
    both = ["handle-a", "handle-b"]
    assert finished == {"a": [], "b": [], "t": both, "s": [*both, "handle-t"]}


def test_a_queue_that_is_down_is_not_asked_for_every_message() -> None:
    """Each refused copy may take seconds of the function's time."""
    world = World()
    world.messages.break_down()
    world.deliver(sqs_batch(record("s", 1, 1), *(record(f"a{number}") for number in range(9))))
    refused = [what for what, _, _ in world.witness.troubles if what == "a message was not copied"]
    assert len(refused) == 2
    assert len(said(world)) == 10


@pytest.mark.parametrize("body", [None, "", 5])
def test_a_message_without_a_body_is_not_copied(body: Any) -> None:
    """SQS would refuse it; it is rejected as it is."""
    world = World()
    assert world.deliver(sqs_batch({**record("a"), "body": body}, record("s", 1, 1))) == NOBODY
    assert not world.messages.copied
    assert said(world) == ["s"]
    assert [buried.error_code for buried in world.messages.dead_letters] == ["malformed_request"]


def test_what_is_finished_but_not_deleted_is_reported_and_acknowledged() -> None:
    """A failed deletion costs nothing but a second look."""
    world = World()
    world.messages.copy = lambda *_: None  # type: ignore[method-assign]
    world.messages.break_down()
    assert world.deliver(sqs_batch(record("a"), record("s", 1, 1))) == NOBODY
    ((what, code, _),) = world.witness.troubles
    assert (what, code) == ("a finished message was not deleted", "queue_unavailable")


def test_an_attempt_counts_on_through_a_copy() -> None:
    """So the backoff grows as it would have without one."""
    world = World()
    world.deliver(sqs_batch(record("s", 1, 2)))
    assert world.witness.attempts == [3]


def test_a_fifo_queues_records_keep_their_order() -> None:
    """They may have been received often because they waited, so nothing is copied."""
    world = World()
    batch = [{**record(name, receives), "eventSourceARN": f"{ARN}q.fifo"} for name, receives in FIFO]
    for each in batch:
        each["attributes"]["MessageGroupId"] = each["messageId"][0]
    assert world.deliver(sqs_batch(*batch)) == NOBODY
    assert [name for name in said(world) if name[0] == "a"] == ["a1", "a2"]
    assert sorted(said(world)) == ["a1", "a2", "b1"]
    assert not world.messages.copied
    assert len(world.messages.deleted) == 2


FIFO = [("a1", 9), ("b1", 1), ("a2", 9)]


@pytest.mark.parametrize("receives", [3, 4])
def test_a_fifo_group_that_kills_goes_before_others_every_second_time_only(receives: int) -> None:
    """What is finished is deleted, so it is not received again for its sake."""
    world = World()

    def judge(push: Any, _credentials: Any) -> Exception | None:
        if push.wording.body.strip() == "b1":
            raise Killed
        return None

    world.vendor.judge = judge
    batch = [{**record(name, receives), "eventSourceARN": f"{ARN}q.fifo"} for name in ("a1", "b1", "c1")]
    for each in batch:
        each["attributes"]["MessageGroupId"] = each["messageId"][0]
    with pytest.raises(Killed):
        world.deliver(sqs_batch(*batch))
    assert world.messages.deleted == ["handle-c1" if receives % 2 else "handle-a1"]


# --- urgent messages -------------------------------------------------------------------------------------


def urgent_world(tmp_path: Path) -> World:
    """Return a world whose bakery has an urgent route, and whose ovens have none."""
    routes = tmp_path / "relay.toml"
    routes.write_text(URGENT_ROUTES + '[[route]]\nsource = "ovens"\nto = ["user:one"]\n')
    return World(routes=routes)


def test_urgent_messages_come_back_soon_if_the_function_dies(tmp_path: Path) -> None:
    """When it must have ended, with seconds for clocks that differ, and not after six times its timeout."""
    world = urgent_world(tmp_path)
    world.context.seconds = 41
    world.deliver(sqs_batch(record("a"), record("b")))
    assert world.messages.delayed == [("handle-a", 46), ("handle-b", 46)]


@pytest.mark.parametrize(
    ("batch", "hidden"),
    [
        ([record("a")], 0),
        ([{**record("a"), "messageAttributes": {}}, {**record("b"), "messageAttributes": {}}], 2),
        ([sqs_record({"degrees": 1}, source="ovens", message_id=name) for name in "ab"], 0),
        ([record("a"), record("s", 1, 1)], 0),
    ],
    ids=["no neighbour", "names no source", "no urgent route", "handled alone"],
)
def test_the_call_is_made_only_if_it_helps(tmp_path: Path, batch: list[dict[str, Any]], hidden: int) -> None:
    """Most batches cost no call more than before."""
    world = urgent_world(tmp_path)
    world.deliver(sqs_batch(*batch))
    assert len(world.messages.delayed) == hidden


def test_a_batch_is_delivered_although_its_timeout_cannot_be_changed(tmp_path: Path) -> None:
    """A queue of the deployer's own may not allow it."""
    world = urgent_world(tmp_path)
    world.messages.break_down()
    assert world.deliver(sqs_batch(record("a"), record("b"))) == NOBODY
    assert len(said(world)) == 2
    assert [code for _, code, _ in world.witness.troubles] == ["queue_unavailable"]


# --- a queue with poison in it ---------------------------------------------------------------------------


def fill(
    source: EventSource, poisons: int, innocents: int, *, url: str = EVENTS, spread: float = 0.0
) -> None:
    """Put events into a queue, the relay's own and other senders', poison anywhere among them."""
    names = [
        f"{kind} {number}"
        for kind, count in (("bad", poisons), ("good", innocents))
        for number in range(count)
    ]
    source.dice.shuffle(names)
    for name in names:
        kill = f" {source.dice.choice((READS, SENDS))}" if name.startswith("bad") else ""
        content = {"kind": "baked", "id": name, "words": name + kill}
        made = sqs_record(content, source="bakery")
        if source.dice.random() < 0.5:
            event = Event("bakery", name, "baked", content, source.sqs.now, f"i {name}", "c")
            made = sqs_queued(event)
        attributes = {key: value["stringValue"] for key, value in made["messageAttributes"].items()}
        source.sqs.put(url, made["body"], **attributes)
        source.sqs.queues[url][-1].visible_at += source.dice.uniform(0, spread)


def check(source: EventSource, poisons: int, innocents: int) -> float:
    """Check that each innocent was delivered once and each poison is dead; return the longest wait."""
    began = 1_800_000_000.0
    sent = sorted(words(call) for call in source.world.vendor.calls if SENDS not in words(call))
    assert sent == sorted(f"good {number}" for number in range(innocents))
    dead = source.sqs.queues.get(DEAD, [])
    assert sorted(letter.body.count("bad") > 0 for letter in dead) == [True] * poisons
    for letter in dead:
        attributes = {name: value["StringValue"] for name, value in letter.attributes.items()}
        assert attributes["error_code"] == "crashed"
        assert attributes["failed_at"]
        assert "push-relay-crashes" not in attributes
    return max(source.first_at.values()) - began


@pytest.mark.parametrize("seed", range(25))
@pytest.mark.parametrize("poisons", [1, 2, 3, 5])
def test_any_number_of_poisons_takes_no_innocent_along(seed: int, poisons: int) -> None:
    """An innocent message waits for one visibility timeout at most: it meets a poison in its batch once."""
    source = EventSource(World(), random.Random(f"{seed}/{poisons}"))  # noqa: S311 (repeatable)
    fill(source, poisons, 10 - poisons)
    source.run()
    assert check(source, poisons, 10 - poisons) < VISIBILITY + 60
    assert source.deaths <= 5 * poisons


@pytest.mark.parametrize("seed", range(10))
def test_poisons_that_keep_coming_take_no_innocent_along(seed: int) -> None:
    """Fresh poison meets messages that have been spared before: a hundred events within ten minutes."""
    source = EventSource(World(), random.Random(seed))  # noqa: S311 (repeatable)
    fill(source, 20, 80, spread=600)
    source.run()
    assert check(source, 20, 80) < 600 + VISIBILITY + 120


@pytest.mark.parametrize("seed", range(5))
def test_ten_poisons_of_ten_are_all_dead_in_the_end(seed: int) -> None:
    """And nothing else is."""
    source = EventSource(World(), random.Random(seed))  # noqa: S311 (repeatable)
    fill(source, 10, 0)
    source.run()
    assert len(source.sqs.queues[DEAD]) == 10
    assert not source.first_at


@pytest.mark.parametrize("seed", range(10))
def test_urgent_innocents_wait_a_minute(seed: int, tmp_path: Path) -> None:
    """Instead of the visibility timeout, also if the function hangs until its time is up."""
    routes = tmp_path / "relay.toml"
    routes.write_text(URGENT_ROUTES)
    source = EventSource(World(routes=routes), random.Random(seed))  # noqa: S311 (repeatable)
    fill(source, 1, 9)
    source.run()
    assert check(source, 1, 9) < TIMEOUT + 20


@pytest.mark.parametrize("seed", range(10))
def test_a_function_that_hangs_is_a_crash_too(seed: int) -> None:
    """Each costs the function's timeout, and the two workers run one after the other here."""
    source = EventSource(World(), random.Random(seed), dies_after=TIMEOUT)  # noqa: S311 (repeatable)
    fill(source, 2, 8)
    source.run()
    assert check(source, 2, 8) < 2 * VISIBILITY


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("most", [3, 5])
def test_a_standard_queue_of_the_deployers_own_is_as_safe(seed: int, most: int) -> None:
    """What comes back moves to the relay's queue, so a third receive is enough."""
    source = EventSource(World(), random.Random(seed))  # noqa: S311 (repeatable)
    theirs = URL + "theirs"
    source.sqs.max_receives[theirs] = most
    fill(source, 3, 17, url=theirs)
    source.run(theirs)
    source.run()
    sent = sorted(words(call) for call in source.world.vendor.calls if SENDS not in words(call))
    assert sent == sorted(f"good {number}" for number in range(17))
    assert all("bad" in letter.body for letter in source.sqs.queues[DEAD])
    assert len(source.sqs.queues[DEAD]) == 3


@pytest.mark.parametrize("seed", range(5))
def test_a_lost_answer_makes_duplicates_and_nothing_else(seed: int) -> None:
    """Messages that were delivered come back as suspects: each is a duplicate, handled alone."""
    source = EventSource(World(), random.Random(seed))  # noqa: S311 (repeatable)
    fill(source, 0, 10)
    kept, source.sqs.delete_message = source.sqs.delete_message, lambda **_: None  # type: ignore[method-assign]
    source.run(until=lambda: len(source.world.vendor.calls) == 10)
    source.sqs.delete_message = kept  # type: ignore[method-assign]
    source.run()
    assert check(source, 0, 10) < 60
    assert source.world.witness.outcomes.count(Outcome.DUPLICATE) == 10


def test_a_copy_is_the_same_event_and_as_old() -> None:
    """Its push has the same key: where both are handled, one is a duplicate."""
    source = EventSource(World(), random.Random(0))  # noqa: S311 (repeatable)
    given = record("s", 1)
    source.sqs.put(EVENTS, given["body"], source="bakery", theirs="x")
    source.world.deliver(sqs_batch(*(each := source._poll(EVENTS))))
    source.world.messages.copy(each[0], 1, 0.0)
    source.sqs.now += 1000
    (copied,) = [m for m in source.sqs.queues[EVENTS] if m.receives == 0]
    attributes = {name: value["StringValue"] for name, value in copied.attributes.items()}
    assert attributes == {
        "source": "bakery",
        "theirs": "x",
        "push-relay-origin-id": each[0]["messageId"],
        "push-relay-origin-sent": "1800000000000",
        "push-relay-origin-queue": f"{ARN}events",
        "push-relay-crashes": "1",
    }
    source.run()
    assert len(source.world.vendor.calls) == 1
    assert replace(source.world.witness.receipts[0], outcome=Outcome.DUPLICATE, push=None).event_id == "s"


BINARY = {"stringValue": None, "dataType": "Binary"}


@pytest.mark.parametrize(
    ("body", "given"),
    [
        ({"words": "hot"}, {}),
        ({"words": "hot"}, {"source": "bakery"}),
        (notification({"degrees": 451}), {}),
        (notification({"degrees": 451}), {"colour": "red"}),
        (bus_event({"degrees": 451}), {}),
        (bus_event({"degrees": 451}), {"picture": BINARY}),
        (bus_event({"degrees": 451}), {f"a{number}": "x" for number in range(10)}),
    ],
    ids=["plain", "named", "SNS", "data like SNS", "EB", "binary attribute", "ten attributes"],
)
def test_a_copy_is_read_like_its_original(body: dict[str, Any], given: dict[str, Any]) -> None:
    """Envelope, queue, source, identity and age: a match rule that fits the one fits the other."""
    source = EventSource(World(), random.Random(0))  # noqa: S311 (repeatable)
    original = sqs_record(body) | {"eventSourceARN": f"{ARN}theirs"}
    original["messageAttributes"] = {
        name: value if isinstance(value, dict) else {"stringValue": value, "dataType": "String"}
        for name, value in given.items()
    }
    source.world.messages.copy(original, 2, 0.0)
    source.sqs.now += 1000
    (copied,) = source._poll(EVENTS)
    assert copied["messageId"] != original["messageId"]
    assert unwrap_sqs(copied) == unwrap_sqs(original)
    source.world.messages.copy(copied, 3, 0.0)
    (twice,) = source._poll(EVENTS)
    assert unwrap_sqs(twice) == unwrap_sqs(original)
    assert QueueRecord.of_sqs(twice).crashes == 3


def refuse(world: World) -> Any:
    """Return a `copy` that the queue refuses, while everything else works."""

    def copy(*_: Any) -> None:
        broken = type(world.messages)()
        broken.break_down()
        broken.delete({})

    return copy
