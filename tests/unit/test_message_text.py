"""A message from AWS that is not a JSON object is plain text or a list, or it is malformed."""

import json
from pathlib import Path
from typing import Any

import pytest

from fakes import World
from invocations import arrival_of_sqs, notification, sns_invocation, sqs_batch, sqs_record
from push_relay.core.errors import MalformedRequest
from push_relay.core.inbound import envelope
from push_relay.core.inbound.message_text import fields_of
from push_relay.core.outcomes import Outcome

QUEUE = "arn:aws:sqs:eu-west-1:123456789012:loaves"
SUBJECT = "Bread"


@pytest.mark.parametrize(
    ("body", "data"),
    [
        ("The oven is cold", {"text": "The oven is cold"}),
        ("\ufeff The oven\nis cold\n", {"text": "The oven\nis cold"}),
        ("[ALARM] too hot", {"text": "[ALARM] too hot"}),
        ('"The oven is cold"', {"text": "The oven is cold"}),
        ("451", {"text": "451"}),
        ("true", {"text": "true"}),
        ('["a", {"b": 1}]', {"value": ["a", {"b": 1}]}),
        ("half \ud83d of it", {"text": "half \ufffd of it"}),
        ('["half \\ud83d"]', {"value": ["half \ufffd"]}),
        (
            "one bell\x07 in a text of forty characters..",
            {"text": "one bell\x07 in a text of forty characters.."},
        ),
        ("\x1b[31mred\x1b[0m", {"text": "\x1b[31mred\x1b[0m"}),
    ],
)
def test_a_text_or_a_list_becomes_a_document(body: str, data: dict[str, Any]) -> None:
    """Through SNS the text has the notification's subject, and in a queue it has an empty one."""
    with_subject = {**data, "subject": SUBJECT} if "text" in data else data
    without_subject = {**data, "subject": ""} if "text" in data else data
    assert arrival_of_sqs(sqs_record(body)).data == without_subject
    assert arrival_of_sqs(sqs_record(notification(body, Subject=SUBJECT))).data == with_subject
    sns = {"Sns": notification(body, Subject=SUBJECT)}
    assert envelope.unwrap_sns(sns).data == with_subject


@pytest.mark.parametrize(
    "body",
    [
        " \n",
        "\u200b",
        "null",
        "[]",
        '""',
        '{"a": ',
        "{'a': 1}",
        '["a", ',
        "[[",
        '"{}"',
        "a long text with one nul\0",
        "\x01\x02\x03PNG\x04\x05",
        "\ufffd\ufffd\ufffdJFIF\ufffd\ufffd",
        "\ud800",
        "[" * 300_000,
    ],
    ids=ascii,
)
def test_nothing_and_binary_data_and_a_cut_document_are_malformed(body: str) -> None:
    """Nobody can read them, and a cut document is its sender's mistake."""
    for message in (body, notification(body)):
        with pytest.raises(MalformedRequest):
            arrival_of_sqs(sqs_record(message))


def test_a_subject_with_half_of_a_character_is_read() -> None:
    """IAM knows who sent it."""
    given = notification("x", Subject="a\ud83d")
    for came in (arrival_of_sqs(sqs_record(given)), envelope.unwrap_sns({"Sns": given})):
        assert came.data["subject"] == came.headers["sns-subject"] == "a\ufffd"


STACK = """StackId='arn:aws:cloudformation:eu-west-1:123456789012:stack/bakery/1'
Timestamp='2026-11-20T08:31:12.123Z'
ResourceProperties='{
  "Name": "it's"
}'
ResourceStatusReason=''
StackName='bakery'
"""
BUDGET = """AWS Budget Notification November 20, 2026
Dear AWS Customer,

You asked for an alert. Details follow: see below.

Budget Name: Flour
Budgeted Amount: $12.00
Budget Name: Sugar
[1] https://console.aws.amazon.com/
"""
BACKUP = "An AWS Backup job failed. Resource ARN : arn:aws:ec2:x:1:volume/vol-1. BackupJob ID : 1b2345b2-f22c"


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        (
            STACK,
            {
                "StackId": "arn:aws:cloudformation:eu-west-1:123456789012:stack/bakery/1",
                "Timestamp": "2026-11-20T08:31:12.123Z",
                "ResourceProperties": '{\n"Name": "it\'s"\n}',
                "ResourceStatusReason": "",
                "StackName": "bakery",
            },
        ),
        (BUDGET, {"Budget Name": "Flour", "Budgeted Amount": "$12.00"}),
        (BACKUP, {"Resource ARN": "arn:aws:ec2:x:1:volume/vol-1", "BackupJob ID": "1b2345b2-f22c"}),
        ("a='1'\nb='2'\nand a sentence", {}),
        ("a='1'\nb='2", {}),
        ("Note: the oven is cold", {}),
        ("Error: cold\n\nThen a sentence.\n\nCause: no gas", {}),
        ("See http://example.com\nand https://example.com", {}),
        ("at 10:30\nand 11:30", {}),
        ("A rather long beginning of a sentence: one\nA rather long beginning of another: two", {}),
    ],
)
def test_keys_and_values_are_fields_if_there_clearly_are_some(text: str, fields: dict[str, str]) -> None:
    """The names are kept as sent, and the first value of a name counts."""
    assert fields_of(text) == fields
    assert arrival_of_sqs(sqs_record(text)).data.get("fields", {}) == fields


def test_the_fields_of_a_long_text_are_bounded() -> None:
    """Anyone may publish a megabyte of lines."""
    assert len(fields_of("\n".join(f"k{n}: v" for n in range(50_000)))) == 100
    assert fields_of("a: " * 300_000) == {}
    assert fields_of("a " * 300_000 + ":") == {}


def world(directory: Path, match: str) -> World:
    """Return a relay with one source that writes texts, and a route for it."""
    folder = directory / "sources" / "loaves"
    folder.mkdir(parents=True)
    (folder / "source.toml").write_text(
        f'title = "Loaves"\ndocs = "none"\n[[match]]\n{match}\n[[message]]\ntitle = "Text"\n'
        'body = "{{ data.text || to_string(data.value) }}"'
    )
    (folder / "schema.json").write_text("{}")
    (directory / "relay.toml").write_text('[[route]]\nsource = "loaves"\nto = ["external:4711"]')
    return World(sources=directory / "sources", routes=directory / "relay.toml")


def test_a_text_reaches_the_source_that_matches_or_is_named(tmp_path: Path) -> None:
    """By a topic, by a queue, and by the attribute."""
    here = world(tmp_path, 'sns_topic = "*"\n[[match]]\nsqs_queue = "*:loaves"')
    here.deliver(sns_invocation(notification("one")))
    here.deliver(sqs_batch(sqs_record(notification("two", MessageId="2"))))
    here.deliver(sqs_batch(sqs_record("three", message_id="3") | {"eventSourceARN": QUEUE}))
    here.deliver(sqs_batch(sqs_record("four", source="loaves", message_id="4")))
    here.deliver(sqs_batch(sqs_record("[5]", source="loaves", message_id="5")))
    assert [call.push.wording.body for call in here.vendor.calls] == ["one", "two", "three", "four", "[5]"]


@pytest.mark.parametrize(("body", "detail"), [("planted", "not JSON"), ('["planted"]', "not an object")])
def test_a_text_that_no_source_takes_is_malformed(body: str, detail: str, tmp_path: Path) -> None:
    """As before there were sources for texts. The receipt quotes no part of it."""
    here = world(tmp_path, 'sns_topic = "*:others"')
    here.deliver(sqs_batch(sqs_record(notification(body))))
    (receipt,) = here.witness.receipts
    assert (receipt.outcome, receipt.error_code) == (Outcome.REJECTED, "malformed_request")
    assert detail in (receipt.detail or "")
    assert "planted" not in json.dumps(receipt.detail)
