"""One bad part of an event leaves the others alone, and its dead letter is for that part only."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fakes import World
from invocations import sqs_batch, sqs_queued, sqs_record, webhook
from push_relay.core.errors import DeliveryHeld, VendorThrottled
from push_relay.core.event import Event
from push_relay.core.outcomes import Outcome
from push_relay.settings import DeliveryMode
from queues import DeadLettered
from relayctl.deadletters.dead_letter import DeadLetter
from relayctl.deadletters.outgoing import outgoing_messages

NOW = 1_800_000_000.0
BAD = 'to = ["email:{{ data.mail }}", "user:one", "user:two"]'
MENDED = 'to = ["user:{{ data.mail }}", "user:one", "user:two"]'
NO_ADDRESS = "route[1].to[1]: a recipient's email address is invalid"


def relay(directory: Path, *routes: str, rules: str = "", mode: DeliveryMode = DeliveryMode.QUEUE) -> World:
    """Return a relay with routes of one source, `shop`, and with message rules before its last one."""
    folder = directory / "sources" / "shop"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "source.toml").write_text(
        'title = "Shop"\ndocs = "tests"\n[verify]\nscheme = "github"\n[event]\ntype = "data.kind"\n'
        f"{rules}\n[[message]]\nwhen = \"type != 'unspoken'\"\n"
        'title = "Sold"\nbody = "{{ data.words }}"\n'
    )
    (folder / "schema.json").write_text("{}")
    config = directory / "relay.toml"
    config.write_text("\n".join(f'[[route]]\nsource = "shop"\n{route}' for route in routes))
    return World(sources=directory / "sources", routes=config, mode=mode)


def event(kind: str = "sold", **more: Any) -> Event:
    """Return an event whose `mail` is no address."""
    data = {"kind": kind, "mail": "planted", "words": "a cake", "none": None}
    return Event("shop", "e-1", kind, data, NOW, "i", "c-1", **more)


def deliver(world: World, given: Event | None = None) -> list[Outcome]:
    """Deliver an event from the queue; return the outcomes of its parts."""
    before = len(world.witness.receipts)
    assert world.deliver(sqs_batch(sqs_queued(given or event()))) == {"batchItemFailures": []}
    return world.witness.outcomes[before:]


def sent(world: World) -> list[str]:
    """Return to whom the vendor was asked to show something."""
    return [call.push.recipient.value for call in world.vendor.calls]


def share_ledger(world: World, other: World) -> None:
    """Have a relay read and write another one's ledger."""
    world.change_sender(ledger=other.ledger)


def replay(world: World, buried: DeadLettered) -> None:
    """Replay a dead letter as `relayctl` does."""
    attributes = {
        name: {"DataType": "String", "StringValue": text} for name, text in buried.attributes.items()
    }
    (message,) = outgoing_messages(
        DeadLetter("d-1", buried.body, attributes, NOW), NOW, force=False, replay_id="r-1"
    )
    named = {name: {"stringValue": text["StringValue"]} for name, text in message.attributes.items()}
    world.deliver(sqs_batch({**sqs_record(message.body), "messageAttributes": named}))


def test_a_recipient_that_cannot_be_made_fails_alone(tmp_path: Path) -> None:
    """The receipt names the recipient and the reason, and shows no value."""
    world = relay(tmp_path, BAD)
    assert deliver(world) == [Outcome.FAILED, Outcome.DELIVERED, Outcome.DELIVERED]
    failed = world.witness.receipts[0]
    assert (failed.error_code, failed.detail, failed.event_id) == ("mapping_failed", NO_ADDRESS, "e-1")
    assert sent(world) == ["one", "two"]
    assert [buried.error_code for buried in world.messages.dead_letters] == ["mapping_failed"]


@pytest.mark.parametrize("is_remembered", [True, False], ids=["in the ledger", "not in the ledger"])
def test_its_dead_letter_is_replayed_to_it_alone(tmp_path: Path, is_remembered: bool) -> None:  # noqa: FBT001
    """The route has been mended. Nobody else gets a second push, whatever the ledger remembers."""
    world = relay(tmp_path, BAD)
    deliver(world)
    mended = relay(tmp_path, MENDED)
    if is_remembered:
        share_ledger(mended, world)
    replay(mended, world.messages.dead_letters[0])
    assert sent(mended) == ["planted"]
    assert mended.witness.outcomes == [Outcome.DELIVERED]


def test_a_replay_before_the_mending_is_dead_lettered_again(tmp_path: Path) -> None:
    """For the same part, and nobody else hears of it."""
    world = relay(tmp_path, BAD)
    deliver(world)
    replay(world, world.messages.dead_letters[0])
    assert sent(world) == ["one", "two"]
    first, second = (json.loads(buried.body)["skip"] for buried in world.messages.dead_letters)
    assert len(first) == 2
    assert first == second


def test_a_route_whose_condition_fails_leaves_the_other_routes_alone(tmp_path: Path) -> None:
    """If no other route leads to anybody, the event has failed, and is not `filtered`."""
    bad, good = 'when = "contains(data.none, \'x\')"\nto = ["user:one"]', 'to = ["user:two"]'
    world = relay(tmp_path, bad, good)
    assert deliver(world) == [Outcome.FAILED, Outcome.DELIVERED]
    assert world.witness.receipts[0].detail == (
        "route[1].when: `contains(data.none, 'x')` cannot be evaluated on this event"
    )
    lone = relay(tmp_path, bad)
    assert deliver(lone) == [Outcome.FAILED]
    mended = relay(tmp_path, 'to = ["user:one"]', good)
    replay(mended, world.messages.dead_letters[0])
    assert sent(mended) == ["one"]


def test_nothing_fails_of_an_event_that_no_message_is_about(tmp_path: Path) -> None:
    """Its recipients are of no concern."""
    world = relay(tmp_path, BAD)
    assert deliver(world, event("unspoken")) == [Outcome.FILTERED]
    assert not world.messages.dead_letters


RULE = '[[message]]\nwhen = "contains(data.none, \'x\')"\ntitle = "Special"\nbody = "never"\n'


def test_a_message_rule_whose_condition_fails_is_reported_beside_the_push(tmp_path: Path) -> None:
    """A later rule writes the words. The dead letter of the rule sends nothing when it is replayed."""
    world = relay(tmp_path, 'to = ["user:one"]', rules=RULE)
    assert deliver(world) == [Outcome.FAILED, Outcome.DELIVERED]
    assert world.witness.receipts[0].detail == (
        "message[1] of shop, when: `contains(data.none, 'x')` cannot be evaluated on this event"
    )
    mended = relay(tmp_path, 'to = ["user:one"]')
    replay(mended, world.messages.dead_letters[0])
    assert mended.witness.outcomes == [Outcome.FILTERED]
    assert not sent(mended)


def test_a_message_rule_that_fails_where_no_other_holds_fails_the_event(tmp_path: Path) -> None:
    """It may have been the one. Mended and replayed, it is sent to all."""
    world = relay(tmp_path, BAD, rules=RULE)
    assert deliver(world, event("unspoken")) == [Outcome.FAILED]
    assert not sent(world)
    everything = '[[message]]\ntitle = "Special"\nbody = "now"\n'
    mended = relay(tmp_path, MENDED, rules=everything)
    replay(mended, world.messages.dead_letters[0])
    assert sent(mended) == ["planted", "one", "two"]


def test_what_waits_for_a_recipient_does_not_report_the_others_again(tmp_path: Path) -> None:
    """The failure has its dead letter since the first time."""
    world = relay(tmp_path, BAD)
    world.vendor.errors = [VendorThrottled("slow")]
    assert deliver(world) == [Outcome.FAILED, Outcome.PARKED, Outcome.DELIVERED]
    ((parked, _, _),) = world.messages.parked
    assert deliver(world, parked) == [Outcome.DELIVERED]
    assert len(world.messages.dead_letters) == 1
    replay(relay(tmp_path, BAD), world.messages.dead_letters[0])
    assert sent(world) == ["one", "two", "one"]


def test_what_waits_for_a_recipient_that_cannot_be_made_any_more_fails(tmp_path: Path) -> None:
    """A route was changed meanwhile. `filtered` would hide that somebody got no push."""
    world = relay(tmp_path, BAD)
    assert deliver(world, event(only=("k",))) == [Outcome.FAILED]
    (buried,) = world.messages.dead_letters
    assert json.loads(buried.body)["only"] == ["k"]


def test_a_push_of_unknown_fate_has_a_dead_letter_of_its_own(tmp_path: Path) -> None:
    """A person who mends the route and replays the other one does not send it again."""
    world = relay(tmp_path, BAD)
    world.vendor.judge = lambda push, _: DeliveryHeld("lost") if push.recipient.value == "two" else None
    assert deliver(world) == [Outcome.FAILED, Outcome.DELIVERED, Outcome.FAILED]
    letters = {buried.error_code: buried for buried in world.messages.dead_letters}
    assert letters.keys() == {"delivery_held", "mapping_failed"}
    mended = relay(tmp_path, MENDED)
    share_ledger(mended, world)
    replay(mended, letters["mapping_failed"])
    assert sent(mended) == ["planted"]
    replay(mended, letters["delivery_held"])
    assert sent(mended) == ["planted", "two"]


def test_in_direct_mode_the_answer_names_the_part_and_the_letter_is_for_it(tmp_path: Path) -> None:
    """The sender has done nothing wrong, and will not send again."""
    world = relay(tmp_path, BAD, mode=DeliveryMode.DIRECT)
    answer = world.receive(webhook(dict(event().data), source="shop"))
    assert answer["statusCode"] == 202
    assert json.loads(answer["body"])["receipts"] == [
        {"outcome": "failed", "error_code": "mapping_failed", "detail": NO_ADDRESS},
        {"outcome": "delivered"},
        {"outcome": "delivered"},
    ]
    mended = relay(tmp_path, MENDED)
    replay(mended, world.messages.dead_letters[0])
    assert sent(mended) == ["planted"]


def test_a_fifo_record_that_comes_back_is_dead_lettered_once(tmp_path: Path) -> None:
    """It comes back whole while a push of it waits, and its bad part with it."""
    world = relay(tmp_path, BAD)
    record = sqs_record(dict(event().data), source="shop")
    record["attributes"]["MessageGroupId"] = "a"
    record["eventSourceARN"] = "arn:aws:sqs:eu-west-1:123456789012:theirs.fifo"
    world.vendor.errors = [VendorThrottled("slow")]
    assert world.deliver(sqs_batch(record))["batchItemFailures"]
    assert not world.messages.dead_letters
    assert not world.deliver(sqs_batch(record))["batchItemFailures"]
    assert [buried.error_code for buried in world.messages.dead_letters] == ["mapping_failed"]


def test_an_exception_that_nobody_knows_of_comes_again_for_all_that_is_not_settled(tmp_path: Path) -> None:
    """It has no key to single it out by: what has one is left to its own receipt."""
    world = relay(tmp_path, 'to = ["user:one"]')
    carried = replace(event(), skip=("other",))
    world.change_sources(Broken())
    assert deliver(world, carried) == [Outcome.PARKED]
    ((parked, _, _),) = world.messages.parked
    assert parked == carried


class Broken:
    """Source folders that cannot be read."""

    def named(self, _name: str) -> Any:
        """Raise what nobody expects."""
        raise OSError

    all = named
