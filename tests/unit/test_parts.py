"""One bad part of an event does not affect the others, and its dead letter is for that part only."""

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
CORRECTED = 'to = ["user:{{ data.mail }}", "user:one", "user:two"]'
NO_ADDRESS = "route[1].to[1]: a recipient's email address is invalid"


def relay(directory: Path, *routes: str, rules: str = "", mode: DeliveryMode = DeliveryMode.QUEUE) -> World:
    """Return a relay with these routes of the source `shop`, and with message rules before its last one."""
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
    """Return an event whose `mail` is not an email address."""
    data = {"kind": kind, "mail": "planted", "words": "a cake", "none": None}
    return Event("shop", "e-1", kind, data, NOW, "i", "c-1", **more)


def deliver(world: World, given: Event | None = None) -> list[Outcome]:
    """Deliver an event from the queue, and return the outcomes of its parts."""
    before = len(world.witness.receipts)
    assert world.deliver(sqs_batch(sqs_queued(given or event()))) == {"batchItemFailures": []}
    return world.witness.outcomes[before:]


def sent(world: World) -> list[str]:
    """Return the recipients of the calls to the vendor."""
    return [call.push.recipient.value for call in world.vendor.calls]


def share_ledger(world: World, other: World) -> None:
    """Let a relay use another one's ledger."""
    world.change_sender(ledger=other.ledger)


def replay(world: World, dead_letter: DeadLettered) -> None:
    """Replay a dead letter as `relayctl` does."""
    attributes = {
        name: {"DataType": "String", "StringValue": text} for name, text in dead_letter.attributes.items()
    }
    (message,) = outgoing_messages(
        DeadLetter("d-1", dead_letter.body, attributes, NOW), NOW, force=False, replay_id="r-1"
    )
    named = {name: {"stringValue": text["StringValue"]} for name, text in message.attributes.items()}
    world.deliver(sqs_batch({**sqs_record(message.body), "messageAttributes": named}))


def test_an_invalid_recipient_does_not_affect_the_others(tmp_path: Path) -> None:
    """The receipt has the place of the recipient in its route and the cause, but no value."""
    world = relay(tmp_path, BAD)
    assert deliver(world) == [Outcome.FAILED, Outcome.DELIVERED, Outcome.DELIVERED]
    failed = world.witness.receipts[0]
    assert (failed.error_code, failed.detail, failed.event_id) == ("mapping_failed", NO_ADDRESS, "e-1")
    assert sent(world) == ["one", "two"]
    assert [dead_letter.error_code for dead_letter in world.messages.dead_letters] == ["mapping_failed"]


@pytest.mark.parametrize("is_remembered", [True, False], ids=["in the ledger", "not in the ledger"])
def test_the_dead_letter_of_a_recipient_is_replayed_only_to_it(tmp_path: Path, is_remembered: bool) -> None:  # noqa: FBT001
    """The route has been corrected. No other recipient gets a second push, even without the ledger."""
    world = relay(tmp_path, BAD)
    deliver(world)
    corrected = relay(tmp_path, CORRECTED)
    if is_remembered:
        share_ledger(corrected, world)
    replay(corrected, world.messages.dead_letters[0])
    assert sent(corrected) == ["planted"]
    assert corrected.witness.outcomes == [Outcome.DELIVERED]


def test_a_replay_before_the_correction_is_dead_lettered_again(tmp_path: Path) -> None:
    """It is for the same part, and no other recipient gets a push."""
    world = relay(tmp_path, BAD)
    deliver(world)
    replay(world, world.messages.dead_letters[0])
    assert sent(world) == ["one", "two"]
    first, second = (json.loads(dead_letter.body)["skip"] for dead_letter in world.messages.dead_letters)
    assert len(first) == 2
    assert first == second


def test_a_route_whose_condition_raises_an_error_does_not_affect_the_other_routes(tmp_path: Path) -> None:
    """If no other route has a recipient, the event has failed, and is not `filtered`."""
    bad, good = 'when = "`[1]`[::0]"\nto = ["user:one"]', 'to = ["user:two"]'
    world = relay(tmp_path, bad, good)
    assert deliver(world) == [Outcome.FAILED, Outcome.DELIVERED]
    assert world.witness.receipts[0].detail == (
        "route[1].when: ``[1]`[::0]` cannot be evaluated on this event"
    )
    single = relay(tmp_path, bad)
    assert deliver(single) == [Outcome.FAILED]
    corrected = relay(tmp_path, 'to = ["user:one"]', good)
    replay(corrected, world.messages.dead_letters[0])
    assert sent(corrected) == ["one"]


def test_an_event_without_a_message_rule_has_no_failures(tmp_path: Path) -> None:
    """Without wording there are no pushes, so invalid recipients do not matter."""
    world = relay(tmp_path, BAD)
    assert deliver(world, event("unspoken")) == [Outcome.FILTERED]
    assert not world.messages.dead_letters


RULE = '[[message]]\nwhen = "`[1]`[::0]"\ntitle = "Special"\nbody = "never"\n'


def test_an_error_in_a_message_rule_is_reported_beside_the_push(tmp_path: Path) -> None:
    """A later rule writes the wording. The replay of the rule's dead letter sends nothing."""
    world = relay(tmp_path, 'to = ["user:one"]', rules=RULE)
    assert deliver(world) == [Outcome.FAILED, Outcome.DELIVERED]
    assert world.witness.receipts[0].detail == (
        "message[1] of shop, when: ``[1]`[::0]` cannot be evaluated on this event"
    )
    corrected = relay(tmp_path, 'to = ["user:one"]')
    replay(corrected, world.messages.dead_letters[0])
    assert corrected.witness.outcomes == [Outcome.FILTERED]
    assert not sent(corrected)


def test_an_error_in_a_message_rule_fails_the_event_if_no_other_rule_matches(tmp_path: Path) -> None:
    """The failing rule may have been the right one. After a correction, a replay sends it to all."""
    world = relay(tmp_path, BAD, rules=RULE)
    assert deliver(world, event("unspoken")) == [Outcome.FAILED]
    assert not sent(world)
    everything = '[[message]]\ntitle = "Special"\nbody = "now"\n'
    corrected = relay(tmp_path, CORRECTED, rules=everything)
    replay(corrected, world.messages.dead_letters[0])
    assert sent(corrected) == ["planted", "one", "two"]


def test_a_parked_push_does_not_report_other_failures_again(tmp_path: Path) -> None:
    """The failure already has its dead letter."""
    world = relay(tmp_path, BAD)
    world.vendor.errors = [VendorThrottled("slow")]
    assert deliver(world) == [Outcome.FAILED, Outcome.PARKED, Outcome.DELIVERED]
    ((parked, _, _),) = world.parked
    assert deliver(world, parked) == [Outcome.DELIVERED]
    assert len(world.messages.dead_letters) == 1
    replay(relay(tmp_path, BAD), world.messages.dead_letters[0])
    assert sent(world) == ["one", "two", "one"]


def test_a_parked_push_fails_if_its_recipient_has_become_invalid(tmp_path: Path) -> None:
    """A route was changed meanwhile. `filtered` would hide that a recipient got no push."""
    world = relay(tmp_path, BAD)
    assert deliver(world, event(only=("k",))) == [Outcome.FAILED]
    (dead_letter,) = world.messages.dead_letters
    assert json.loads(dead_letter.body)["only"] == ["k"]


def test_a_push_of_unknown_fate_has_a_separate_dead_letter(tmp_path: Path) -> None:
    """A person who corrects the route and replays the other dead letter does not send this push again."""
    world = relay(tmp_path, BAD)
    world.vendor.judge = lambda push, _: DeliveryHeld("lost") if push.recipient.value == "two" else None
    assert deliver(world) == [Outcome.FAILED, Outcome.DELIVERED, Outcome.FAILED]
    dead_letters = {dead_letter.error_code: dead_letter for dead_letter in world.messages.dead_letters}
    assert dead_letters.keys() == {"delivery_held", "mapping_failed"}
    corrected = relay(tmp_path, CORRECTED)
    share_ledger(corrected, world)
    replay(corrected, dead_letters["mapping_failed"])
    assert sent(corrected) == ["planted"]
    replay(corrected, dead_letters["delivery_held"])
    assert sent(corrected) == ["planted", "two"]


def test_in_direct_mode_the_answer_and_the_dead_letter_are_for_the_failed_part(tmp_path: Path) -> None:
    """The sender cannot correct the cause, and will not send the event again."""
    world = relay(tmp_path, BAD, mode=DeliveryMode.DIRECT)
    answer = world.receive(webhook(dict(event().data), source="shop"))
    assert answer["statusCode"] == 202
    assert json.loads(answer["body"])["receipts"] == [
        {"outcome": "failed", "error_code": "mapping_failed", "detail": NO_ADDRESS},
        {"outcome": "delivered"},
        {"outcome": "delivered"},
    ]
    corrected = relay(tmp_path, CORRECTED)
    replay(corrected, world.messages.dead_letters[0])
    assert sent(corrected) == ["planted"]


def test_a_fifo_message_that_is_received_again_is_dead_lettered_once(tmp_path: Path) -> None:
    """The whole message returns while one of its pushes waits, including its bad part."""
    world = relay(tmp_path, BAD)
    record = sqs_record(dict(event().data), source="shop")
    record["attributes"]["MessageGroupId"] = "a"
    record["eventSourceARN"] = "arn:aws:sqs:eu-west-1:123456789012:theirs.fifo"
    world.vendor.errors = [VendorThrottled("slow")]
    assert world.deliver(sqs_batch(record))["batchItemFailures"]
    assert not world.messages.dead_letters
    assert not world.deliver(sqs_batch(record))["batchItemFailures"]
    assert [dead_letter.error_code for dead_letter in world.messages.dead_letters] == ["mapping_failed"]


def test_an_unknown_exception_parks_the_whole_event(tmp_path: Path) -> None:
    """Such an error has no key, so it cannot be limited to a part."""
    world = relay(tmp_path, 'to = ["user:one"]')
    carried = replace(event(), skip=("other",))
    world.change_sources(Broken())
    assert deliver(world, carried) == [Outcome.PARKED]
    ((parked, _, _),) = world.parked
    assert parked == carried


class Broken:
    """Source folders that cannot be read."""

    def named(self, _name: str) -> Any:
        """Raise an unexpected error."""
        raise OSError

    all = named
