"""`relayctl waiting` on a local AWS: the list, and the way back into the queue of the version before."""

import json
import time
from dataclasses import replace
from typing import Any

import pytest

from local_aws import LocalAws
from push_relay.adapters.dynamodb.backlog import DynamoDbBacklog
from push_relay.adapters.dynamodb.backlog_table import BacklogTable
from push_relay.core.delivery.backlog import Shelf, Waiting
from push_relay.core.inbound.envelope import unwrap_sqs
from push_relay.core.queue_format import progress
from relayctl.__main__ import main
from replay_stack import ReplayStack, new_event

PLANTED = "Unmentionable"


@pytest.fixture
def table(local_stores: LocalAws, replay_stack: ReplayStack) -> BacklogTable:
    """Return the table of a backlog with events of two accounts."""
    assert replay_stack
    table, now = local_stores.backlog_table(), time.time()
    shelf = Shelf("default")
    events = [replace(new_event(n), type=PLANTED, data={"kind": "baked", "words": PLANTED}) for n in range(4)]
    results = DynamoDbBacklog(table, time.time).put(
        [
            Waiting(shelf, events[0], "circuit_open", expected=now + 3700),
            Waiting(shelf, events[1], "vendor_unavailable", now + 7300, attempt=4),
            Waiting(Shelf("default", high=True), events[2], "circuit_open"),
            Waiting(Shelf("north", source="bakery"), events[3], "budget_exhausted", now + 90_000),
        ]
    )
    assert list(results) == [None] * 4
    return table


def listed(capsys: pytest.CaptureFixture[str], table: BacklogTable, *options: str) -> dict[str, Any]:
    """Return the output of `relayctl waiting --json`."""
    capsys.readouterr()
    assert main(["waiting", "--backlog-table", table.name, "--json", *options]) == 0
    document: dict[str, Any] = json.loads(capsys.readouterr().out)
    return document


def test_the_list_has_all_that_waits(table: BacklogTable, capsys: pytest.CaptureFixture[str]) -> None:
    """Urgent events are first, then those of each account in the order in which they are sent."""
    document = listed(capsys, table)
    rows = [
        (e["account"], e["priority"], e["event_id"], e["reason"], e["attempt"]) for e in document["entries"]
    ]
    assert rows == [
        ("default", "urgent", "e-2", "circuit_open", 1),
        ("default", "normal", "e-0", "circuit_open", 1),
        ("default", "normal", "e-1", "vendor_unavailable", 4),
        ("north", "normal", "e-3", "budget_exhausted", 1),
    ]
    assert document["by_reason"] == {"circuit_open": 2, "vendor_unavailable": 1, "budget_exhausted": 1}
    assert [round(each["in_secs"] or 0, -3) for each in document["entries"]] == [0, 4000, 7000, 90_000]
    assert PLANTED not in json.dumps(document)


def test_the_list_can_be_limited(table: BacklogTable, capsys: pytest.CaptureFixture[str]) -> None:
    """The counts are those of everything."""
    document = listed(capsys, table, "--account", "default", "--limit", "1")
    assert (document["count"], len(document["entries"])) == (3, 1)
    assert listed(capsys, table, "--account", "south")["count"] == 0
    assert main(["waiting", "--backlog-table", table.name, "--limit", "1"]) == 0
    text = capsys.readouterr().out
    assert "4 events waiting (no stack)" in text
    assert "... and 3 more" in text
    assert PLANTED not in text


def test_everything_goes_back_into_the_queue(
    table: BacklogTable,
    replay_stack: ReplayStack,
    local_stores: LocalAws,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """One account may go first. The messages are those of the version before."""
    options = ["waiting", "--backlog-table", table.name, "--queue-url", replay_stack.queue_url, "--requeue"]
    assert main([*options, "--yes", "--account", "north"]) == 0
    assert listed(capsys, table)["count"] == 3
    assert main([*options, "--yes"]) == 0
    assert "requeued 3" in " ".join(capsys.readouterr().out.split())
    assert listed(capsys, table)["count"] == 0
    assert main([*options, "--yes"]) == 0
    assert "nothing waits" in capsys.readouterr().out
    # The other messages are delayed, because they are due later.
    found = [unwrap_sqs(record) for record in local_stores.received(replay_stack.queue_url)]
    assert sorted(event.id for event in found) == ["e-0", "e-2"]


def test_a_requeued_event_keeps_its_attempt_and_reason(
    table: BacklogTable, replay_stack: ReplayStack, local_stores: LocalAws
) -> None:
    """The version before goes on with it."""
    options = ["--backlog-table", table.name, "--queue-url", replay_stack.queue_url]
    assert main(["waiting", *options, "--requeue", "--yes", "--limit", "1"]) == 0
    (record,) = local_stores.received(replay_stack.queue_url)
    assert progress(record) == (1, 0.0, "circuit_open", 0)


def test_nothing_is_requeued_without_a_yes(
    table: BacklogTable, replay_stack: ReplayStack, capsys: pytest.CaptureFixture[str]
) -> None:
    """The input of a script is not a terminal."""
    options = ["waiting", "--backlog-table", table.name, "--queue-url", replay_stack.queue_url, "--requeue"]
    assert main(options) == 2
    assert "use --yes" in capsys.readouterr().err
    assert listed(capsys, table)["count"] == 4


@pytest.mark.parametrize(
    "arguments",
    [
        ["--stack", "nosuch"],
        ["--backlog-table", "nosuch"],
        ["--queue-url", "q"],
        ["--backlog-table", "t", "--requeue"],
    ],
    ids=" ".join,
)
def test_a_missing_resource_is_reported_in_one_line(
    local_stores: LocalAws, arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """The person on call must not have to read a traceback at three in the morning."""
    assert local_stores
    assert main(["waiting", *arguments]) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert error.startswith("waiting: ")
