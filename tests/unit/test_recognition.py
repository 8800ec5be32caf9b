"""A message is assigned to its source, and an EventBridge event in an SNS message is unwrapped if allowed."""

import json
from pathlib import Path
from typing import Any

import pytest

from fakes import World
from front_door import function_url, world_of
from invocations import bus_event, notification, sns_invocation, sqs_batch, sqs_record
from push_relay.adapters.catalog import read_routing_file
from push_relay.core.errors import ConfigurationInvalid
from push_relay.core.outcomes import Outcome
from signers import CASES
from sns_sender import TOPIC, sns_message, sns_signed

BUS_TOPIC = "arn:aws:sns:eu-west-1:123456789012:events"
SNS_HTTP = next(case for case in CASES if case.name == "sns-http version 2")
WORDS = {"words": "warm"}
#: Match rules of one source each.
BY_BUS = 'eventbridge_source = "kiln"'
BY_AWS = 'eventbridge_source = "aws.health"'
BY_ANY_BUS = 'eventbridge_source = "*"'
BY_TOPIC = 'sns_topic = "arn:*:events"'
BY_AWS_IN_TOPIC = 'sns_topic = "arn:*:events"\neventbridge_source = "aws.*"'
BY_ANY_BUS_IN_TOPIC = 'sns_topic = "arn:*:events"\neventbridge_source = "*"'
BY_LIKE_AWS_IN_TOPIC = 'sns_topic = "arn:*:events"\neventbridge_source = "aws*"'


def world(directory: Path, *rules: str, topics: str = "") -> World:
    """Return a relay with one source for each match rule. Each source pushes the document's words."""
    routes = [f"[aws]\neventbridge_topics = [{topics}]"]
    for number, rule in enumerate(rules):
        folder = directory / "sources" / f"source-{number}"
        folder.mkdir(parents=True)
        about = f'title = "Source {number}"\ndocs = "none"'
        message = f'[[message]]\ntitle = "{number}"\nbody = "{{{{ data.words || \'whole\' }}}}"'
        (folder / "source.toml").write_text(f"{about}\n[[match]]\n{rule}\n{message}")
        (folder / "schema.json").write_text("{}")
        routes.append(f'[[route]]\nsource = "source-{number}"\nto = ["external:4711"]')
    (directory / "relay.toml").write_text("\n".join(routes))
    return World(sources=directory / "sources", routes=directory / "relay.toml")


def published(event: Any, **more: Any) -> dict[str, Any]:
    """Return the notification that SNS makes of an event."""
    return notification(event, topic=BUS_TOPIC, **more)


def pushed(here: World, given: dict[str, Any]) -> list[tuple[str, str]]:
    """Deliver a notification through the queue and directly. Return the pushes, which must be the same."""
    seen = []
    for invocation in (sqs_batch(sqs_record(given)), sns_invocation(given)):
        before = len(here.vendor.calls)
        here.ledger.items.clear()
        here.deliver(invocation)
        seen.append([(c.push.wording.title, c.push.wording.body) for c in here.vendor.calls[before:]])
    assert seen[0] == seen[1]
    return seen[0]


@pytest.mark.parametrize(
    ("rules", "source", "expected"),
    [
        ([BY_BUS], "kiln", []),
        ([BY_AWS], "aws.health", []),
        ([BY_ANY_BUS], "aws.health", []),
        ([BY_ANY_BUS_IN_TOPIC], "aws.health", []),
        ([BY_LIKE_AWS_IN_TOPIC], "awsome", []),
        ([BY_AWS_IN_TOPIC], "kiln", []),
        ([BY_AWS_IN_TOPIC], "aws.health", [("0", "warm")]),
        ([BY_TOPIC], "kiln", [("0", "whole")]),
        ([BY_TOPIC], "aws.health", [("0", "whole")]),
        ([BY_BUS, BY_TOPIC], "kiln", [("1", "whole")]),
        ([BY_AWS, BY_TOPIC], "aws.health", [("1", "whole")]),
        ([f"{BY_TOPIC}\n[[match]]\n{BY_AWS_IN_TOPIC}"], "aws.health", [("0", "warm")]),
        ([BY_AWS_IN_TOPIC, BY_TOPIC], "aws.health", []),  # ambiguous
    ],
)
def test_an_event_in_a_notification_is_unwrapped_only_for_a_rule_that_requires_it(
    rules: list[str], source: str, expected: list[tuple[str, str]], tmp_path: Path
) -> None:
    """The author of a message's text could write any event."""
    assert pushed(world(tmp_path, *rules), published(bus_event(WORDS, source=source))) == expected


@pytest.mark.parametrize("rule", [BY_BUS, BY_TOPIC, BY_ANY_BUS_IN_TOPIC])
def test_an_event_on_a_listed_topic_is_unwrapped_for_every_rule(rule: str, tmp_path: Path) -> None:
    """The deployer declares that only EventBridge publishes there."""
    here = world(tmp_path, rule, topics=f'"{BUS_TOPIC}"')
    assert pushed(here, published(bus_event(WORDS, source="kiln"))) == [("0", "warm")]


def test_a_message_with_an_attribute_on_a_listed_topic_is_not_eventbridges(tmp_path: Path) -> None:
    """EventBridge does not set attributes."""
    here = world(tmp_path, BY_BUS, topics=f'"{BUS_TOPIC}"')
    attributes = {"colour": {"Type": "String", "Value": "red"}}
    assert pushed(here, published(bus_event(WORDS, source="kiln"), MessageAttributes=attributes)) == []


def test_a_listed_topic_is_compared_by_its_whole_arn(tmp_path: Path) -> None:
    """Anyone can own a topic of the same name in another account."""
    here = world(tmp_path, BY_BUS, topics=f'"{BUS_TOPIC.replace("123456789012", "999999999999")}"')
    assert pushed(here, published(bus_event(WORDS, source="kiln"))) == []


QUEUE = "arn:aws:sqs:eu-west-1:123456789012:kilns"
BY_QUEUE = 'sqs_queue = "arn:*:kilns"\nwhen = "data.words"'


def test_messages_can_be_matched_by_their_queue(tmp_path: Path) -> None:
    """Some senders cannot set attributes, such as S3 or an EventBridge rule with an input transformer."""
    here = world(tmp_path, BY_QUEUE, BY_TOPIC)
    here.deliver(sqs_batch(sqs_record(WORDS) | {"eventSourceARN": QUEUE}))
    here.deliver(
        sqs_batch(sqs_record(WORDS, message_id="m-2") | {"eventSourceARN": QUEUE.replace("kilns", "x")})
    )
    assert here.witness.outcomes == [Outcome.DELIVERED, Outcome.REJECTED]


def test_a_rule_for_a_queue_does_not_match_a_message_with_an_attribute(tmp_path: Path) -> None:
    """A sender that sets attributes could have named a source, and the body may be somebody else's."""
    here = world(tmp_path, 'sqs_queue = "*"')
    here.deliver(sqs_batch(sqs_record(WORDS, source="mine") | {"eventSourceARN": QUEUE}))
    assert here.witness.outcomes == [Outcome.REJECTED]


@pytest.mark.parametrize("given", [notification(WORDS), bus_event(WORDS)], ids=["SNS", "EB"])
def test_a_rule_for_a_queue_does_not_match_a_message_with_an_envelope(
    given: dict[str, Any], tmp_path: Path
) -> None:
    """The publishers of a topic or a bus are trusted differently from the senders to the queue."""
    here = world(tmp_path, 'sqs_queue = "*"')
    here.deliver(sqs_batch(sqs_record(given) | {"eventSourceARN": QUEUE}))
    assert here.witness.outcomes == [Outcome.REJECTED]


def test_a_message_that_is_not_recognised_has_a_receipt_with_the_remedy(tmp_path: Path) -> None:
    """The receipt does not quote the message."""
    here = world(tmp_path, BY_BUS)
    here.deliver(sns_invocation(published(bus_event({"words": "planted"}, source="kiln"))))
    here.deliver(sns_invocation(published({"words": "planted"})))
    attributes = {"source": {"Type": "String", "Value": "planted"}}
    here.deliver(sns_invocation(published({"words": "planted"}, MessageAttributes=attributes)))
    looks_like_event, plain, named = (receipt.detail or "" for receipt in here.witness.receipts)
    assert "`[aws] eventbridge_topics`" in looks_like_event
    assert "eventbridge_topics" not in plain + named
    assert "the message names no source" in plain
    assert "attribute `source` names no source" in named
    assert "route in relay.toml" in plain
    assert "planted" not in looks_like_event + plain + named


def test_a_forged_inner_id_does_not_make_the_genuine_event_a_duplicate(tmp_path: Path) -> None:
    """The identity is from SNS, on a listed topic too."""
    here = world(tmp_path, BY_ANY_BUS, topics=f'"{BUS_TOPIC}"')
    here.deliver(sns_invocation(published(bus_event(WORDS, source="kiln"), MessageId="outer")))
    here.deliver(sqs_batch(sqs_record(bus_event(WORDS, source="kiln"))))
    assert here.witness.outcomes == [Outcome.DELIVERED, Outcome.DELIVERED]


def test_a_publishers_attribute_is_not_used_as_the_source_in_metrics(tmp_path: Path) -> None:
    """The attribute `source` is not the name of a source, and the matching source rejects the body."""
    here = world(tmp_path, BY_TOPIC)
    (tmp_path / "sources/source-0/schema.json").write_text('{"required": ["degrees"]}')
    attributes = {"source": {"Type": "String", "Value": "planted"}}
    here.deliver(sns_invocation(published(WORDS, MessageAttributes=attributes)))
    (receipt,) = here.witness.receipts
    assert (receipt.error_code, receipt.source) == ("schema_violation", "source-0")


@pytest.mark.parametrize(
    ("match", "topics", "expected"),
    [
        ("", [], "whole"),
        ('eventbridge_source = "aws.*"', [], "whole"),
        ('sns_topic = "*"\neventbridge_source = "aws.*"', [], "detail"),
        ("", [TOPIC], "detail"),
    ],
)
def test_the_same_rules_apply_over_http(match: str, topics: list[str], expected: str, tmp_path: Path) -> None:
    """The URL determines the source, and SNS signs the text of any author."""
    top = 'handshake = "sns"' + (f"\n[[match]]\n{match}" if match else "")
    listed = f"[aws]\neventbridge_topics = {json.dumps(topics)}"
    here = world_of(tmp_path, SNS_HTTP, top=top, policy=f'topics = ["{TOPIC}"]\n{listed}')
    event = bus_event(WORDS, source="aws.health")
    sent = sns_signed(sns_message(json.dumps(event).encode()), b"sns")
    assert here.receive(function_url(sent))["statusCode"] == 202
    ((queued, _),) = here.messages.queued
    assert queued.data == (WORDS if expected == "detail" else event)


@pytest.mark.parametrize(
    "topics", ['"*"', '"events"', '"arn:aws:sns:eu-west-1:123456789012:*"', f'"{BUS_TOPIC}", "x"', "7", '""']
)
def test_an_invalid_topic_is_found_at_build_time(topics: str, tmp_path: Path) -> None:
    """A pattern would trust topics that the deployer has not listed."""
    file = tmp_path / "relay.toml"
    file.write_text(f"# one\n[aws]\neventbridge_topics = [{topics}]")
    with pytest.raises(ConfigurationInvalid, match=r"relay\.toml:3: aws\.eventbridge_topics"):
        read_routing_file(file)


def test_a_misspelt_key_is_found_at_build_time(tmp_path: Path) -> None:
    """Otherwise it would be ignored silently."""
    file = tmp_path / "relay.toml"
    file.write_text("[aws]\neventbridge_topic = []")
    with pytest.raises(ConfigurationInvalid, match=r"relay\.toml:2: aws\.eventbridge_topic"):
        read_routing_file(file)
