"""The messages that a replay sends: the same event as before, with what the relay needs to handle it."""

import json
from dataclasses import replace
from typing import Any

import pytest

from dead_letters import EVENT, FAILED_AT, NOW, dead_letter, failed_invocation, packed, sns_record
from push_relay.core.event import Arrival, Replay, sha256_hex
from push_relay.core.inbound.envelope import unwrap_sqs
from push_relay.core.queue_format import ORIGIN_ATTRIBUTE, SENT_ATTRIBUTE
from push_relay.entrypoints.queue_record import QueueRecord
from relayctl.deadletters.dead_letter import DeadLetter, record
from relayctl.deadletters.outgoing import outgoing_messages, replayed_event


@pytest.mark.parametrize(("force", "replay"), [(False, Replay.FAILED), (True, Replay.ALL)])
def test_an_event_is_replayed_to_all_recipients_of_the_current_routes(*, force: bool, replay: Replay) -> None:
    """The ledger keeps those who have received their push from receiving it again."""
    (message,) = outgoing_messages(packed(), NOW, force=force)
    event = unwrap_sqs(record("m-2", message.body, message.attributes, NOW))
    assert event == replace(EVENT, only=(), replay=replay)
    assert not {"error_code", "event_id", "failed_at"} & message.attributes.keys()


def test_an_event_older_than_the_ledgers_memory_is_replayed_for_its_failed_pushes_only() -> None:
    """The ledger no longer knows which of the other pushes were delivered."""
    old = replace(EVENT, received_at=NOW - 14 * 86_400)
    assert replayed_event(old, NOW, force=False).only == ("old-key",)


def test_another_senders_message_is_sent_unchanged_and_stays_the_same_event() -> None:
    """SQS gives the message a new id. The original id is an attribute, so the identity does not change."""
    dead = dead_letter(
        '{"degrees": 451}',
        source="ovens",
        colour="red",
        error_code="schema_violation",
        event_id="-",
        failed_at=FAILED_AT,
    )
    (message,) = outgoing_messages(dead, NOW, force=False)
    arrival = unwrap_sqs(record("m-2", message.body, message.attributes, NOW))
    assert isinstance(arrival, Arrival)
    assert (message.body, arrival.source, arrival.fallback_id) == (dead.body, "ovens", "m-1")
    assert arrival.identity == f"SQS:m-1:{sha256_hex(dead.body.encode())}"
    assert set(message.attributes) == {"source", "colour", ORIGIN_ATTRIBUTE, SENT_ATTRIBUTE}
    dead_again = replace(dead, message_id="m-9", attributes=message.attributes)
    (second_message,) = outgoing_messages(dead_again, NOW, force=False)
    assert second_message.attributes[ORIGIN_ATTRIBUTE]["StringValue"] == "m-1"


@pytest.mark.parametrize(
    "dead",
    [
        packed(**{"push-relay-crashes": "4"}),
        packed(error_code="crashed", event_id="-", failed_at=FAILED_AT),
        dead_letter(
            '{"degrees": 451}',
            source="ovens",
            **{f"a{n}": "x" for n in range(8)},
            **{"push-relay-crashes": "3"},
        ),
    ],
    ids=["moved by SQS", "dead-lettered by the relay", "another sender's"],
)
def test_a_message_that_has_crashed_the_function_is_replayed_as_a_suspect(dead: DeadLetter) -> None:
    """The relay then handles it alone. Its crashes are counted again from one."""
    (message,) = outgoing_messages(dead, NOW, force=False)
    read = QueueRecord.of_sqs(record("m-2", message.body, message.attributes, NOW))
    assert (read.crashes, read.is_suspect, read.is_doomed) == (1, True, False)


def test_a_message_that_has_not_crashed_the_function_is_not_a_suspect() -> None:
    """Every suspect costs an invocation of its own."""
    dead = dead_letter("{}", error_code="schema_violation", failed_at=FAILED_AT, source="ovens")
    for each in (dead, packed(error_code="vendor_rejected", failed_at=FAILED_AT)):
        (message,) = outgoing_messages(each, NOW, force=False)
        assert "push-relay-crashes" not in message.attributes


def test_a_message_with_ten_attributes_keeps_its_source() -> None:
    """SQS allows ten attributes, so two of the sender's must make room for the origin."""
    dead = dead_letter("{}", **{f"a{n}": "x" for n in range(9)}, source="ovens")
    (message,) = outgoing_messages(dead, NOW, force=False)
    assert len(message.attributes) == 10
    assert {"source", ORIGIN_ATTRIBUTE, SENT_ATTRIBUTE} <= message.attributes.keys()


@pytest.mark.parametrize(
    "dead",
    [
        failed_invocation({"Records": [sns_record({"degrees": 451})]}),
        dead_letter(json.dumps(sns_record({"degrees": 451}))),
    ],
    ids=["moved by Lambda", "dead-lettered by the relay"],
)
def test_a_direct_invocation_by_sns_is_replayed_as_a_queued_notification(dead: DeadLetter) -> None:
    """Its identity is that of the direct invocation, so the replay cannot become a second push."""
    (message,) = outgoing_messages(dead, NOW, force=False)
    arrival = unwrap_sqs(record("m-2", message.body, message.attributes, NOW))
    assert isinstance(arrival, Arrival)
    text = sns_record({"degrees": 451})["Sns"]["Message"]
    assert (arrival.identity, arrival.data) == (f"SNS:sns-1:{sha256_hex(text.encode())}", {"degrees": 451})


@pytest.mark.parametrize("payload", [None, [], {}, {"Records": [{"EventSource": "aws:sqs"}]}, "text"])
def test_an_invocation_without_an_event_cannot_be_replayed(payload: Any) -> None:
    """Its dead letter stays in the queue, and nothing is sent in its place."""
    assert outgoing_messages(failed_invocation(payload), NOW, force=False) == []
