"""`relayctl dead` on a local AWS: the list of dead letters, and the list of parked pushes from the ledger."""

import json
import time
from typing import Any

import boto3
import pytest

from local_aws import LocalAws
from push_relay.adapters.queue import SqsQueue
from push_relay.core.errors import VendorUnavailable
from relayctl.__main__ import main
from relayctl.deadletters.aws_time import AwsClock
from replay_stack import ReplayStack, new_event

pytestmark = pytest.mark.timeout(240)


def list_json(capsys: pytest.CaptureFixture[str], stack: ReplayStack, *options: str) -> dict[str, Any]:
    """Return the output of `relayctl dead --json`."""
    capsys.readouterr()
    assert main(["dead", *stack.resource_options, "--json", *options]) == 0
    document: dict[str, Any] = json.loads(capsys.readouterr().out)
    return document


def test_dead_letters_are_filtered_by_error_code_source_and_age(
    replay_stack: ReplayStack, capsys: pytest.CaptureFixture[str]
) -> None:
    """A replay with the same filter and a limit replays the matching messages and leaves the others dead."""
    replay_stack.dead_letter(*map(new_event, range(3)), error_code="vendor_rejected")
    replay_stack.dead_letter(*map(new_event, range(3, 7)), error_code="mapping_failed")
    replay_stack.dead_letter(new_event(7, source="ovens"), error_code="mapping_failed")
    assert list_json(capsys, replay_stack, "--error-code", "mapping_failed")["count"] == 5
    assert list_json(capsys, replay_stack, "--source", "ovens")["count"] == 1
    assert list_json(capsys, replay_stack, "--older-than", "1h")["count"] == 0
    chosen = ["--error-code", "mapping_failed", "--source", "bakery", "--limit", "2"]
    assert main(["replay", *replay_stack.resource_options, "--yes", *chosen]) == 0
    assert list_json(capsys, replay_stack)["by_error_code"] == {"vendor_rejected": 3, "mapping_failed": 3}


@pytest.mark.parametrize("ahead_secs", [-90, 90])
def test_a_wrong_local_clock_does_not_change_the_ages(
    replay_stack: ReplayStack,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    ahead_secs: int,
) -> None:
    """Ages are measured with the date of AWS's own responses."""
    monkeypatch.setattr(AwsClock.__init__, "__defaults__", (lambda: time.time() + ahead_secs,))
    replay_stack.dead_letter(new_event(1))
    (entry,) = list_json(capsys, replay_stack)["entries"]
    assert entry["age_secs"] < 60
    assert list_json(capsys, replay_stack, "--older-than", "80s")["entries"] == []


def test_one_message_is_printed_by_the_beginning_of_its_id(
    replay_stack: ReplayStack, capsys: pytest.CaptureFixture[str]
) -> None:
    """The standard output contains the body only, so that it can be piped into jq."""
    replay_stack.dead_letter(new_event())
    (entry,) = list_json(capsys, replay_stack)["entries"]
    assert main(["dead", *replay_stack.resource_options, "--show", entry["id"][:8]]) == 0
    assert json.loads(capsys.readouterr().out)["data"]["words"] == "loaf 0"
    assert main(["dead", *replay_stack.resource_options, "--show", "nosuch"]) == 1
    assert "no dead message has the id nosuch" in capsys.readouterr().err


def test_parked_pushes_are_listed_with_what_they_wait_for(
    replay_stack: ReplayStack, capsys: pytest.CaptureFixture[str]
) -> None:
    """The ledger also contains a delivered push, which must not be listed."""
    replay_stack.queue(new_event(1))
    assert replay_stack.deliver_all() == ["delivered"]
    replay_stack.world.vendor.judge = lambda *_: VendorUnavailable("down", retry_after=900)
    replay_stack.queue(new_event(2))
    replay_stack.deliver_all()
    document = list_json(capsys, replay_stack, "--parked")
    assert (document["kind"], document["count"]) == ("parked", 1)
    (entry,) = document["entries"]
    found = (entry["error_code"], entry["source"], entry["event_id"], entry["size_bytes"])
    assert found == ("vendor_unavailable", "bakery", "e-2", None)


def test_an_expired_push_is_not_listed_as_parked(
    replay_stack: ReplayStack, capsys: pytest.CaptureFixture[str]
) -> None:
    """DynamoDB deletes an expired item within days only, so it is still in the table."""
    replay_stack.world.vendor.judge = lambda *_: VendorUnavailable("down", retry_after=1)
    replay_stack.queue(new_event(1))
    # With this clock, no message is delayed.
    sqs = SqsQueue(replay_stack.queue_url, replay_stack.dead_letter_url, lambda: time.time() + 60)
    replay_stack.deliver_once(sqs)
    assert list_json(capsys, replay_stack, "--parked")["count"] == 1
    replay_stack.world.clock.time += 8 * 86_400
    replay_stack.deliver_once(sqs)
    document = list_json(capsys, replay_stack, "--parked")
    assert replay_stack.outcomes() == ["parked", "expired"]
    assert (document["count"], document["queue"]) == (0, {"visible": 0, "delayed": 0, "in_hand": 0})
    items = boto3.client("dynamodb").scan(TableName=replay_stack.table)["Items"]
    assert [item["status"]["S"] for item in items] == ["parked"]


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["dead", "--stack", "nosuch"], 1),
        (["dead", "--table", "nosuch", "--parked"], 1),
        (["dead", "--table", "nosuch"], 1),
        (["replay", "--stack", "nosuch", "--yes"], 1),
        (["replay", "--dead-letter-url", "http://127.0.0.1:1/nosuch", "--yes"], 1),
    ],
)
def test_a_missing_resource_is_reported_in_one_line(
    local_stores: LocalAws, arguments: list[str], code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """The person on call must not have to read a traceback at three in the morning."""
    assert local_stores
    assert main(arguments) == code
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert error.startswith(f"{arguments[0]}: ")
