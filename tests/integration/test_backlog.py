"""The backlog on a real DynamoDB keeps the contract of every backlog, and its items have a fixed layout."""

import re
import time
import zlib
from dataclasses import replace
from typing import Any
from unittest.mock import ANY

import pytest

import boto_clients
from contracts.backlog import EVENT, LARGE, NOW, SHELF, WAITING, BacklogContract, ids, numbered, stored
from local_aws import LocalAws
from push_relay.adapters.dynamodb import backlog as adapter
from push_relay.adapters.dynamodb.backlog import PART_SECS, DynamoDbBacklog
from push_relay.adapters.dynamodb.backlog_table import BacklogTable, Key
from push_relay.adapters.dynamodb.table import Item
from push_relay.core.delivery.backlog import Shelf, Unreadable, Waiting, place
from push_relay.core.errors import LedgerUnavailable
from push_relay.core.queue_format import pack, unpack
from relayctl.project import ROOT

LARGE_ONE = WAITING._replace(event=replace(EVENT, data={"text": LARGE}))


class Workers:
    """Workers that share a table. Each has a separate backlog object."""

    def __init__(self, table: BacklogTable) -> None:
        """Use a table."""
        self.table = table

    def one(self) -> DynamoDbBacklog:
        """Start a worker."""
        return DynamoDbBacklog(self.table, lambda: NOW)

    def items(self) -> dict[str, list[Item]]:
        """Return all items by their shelves."""
        found: dict[str, list[Item]] = {}
        for item in boto_clients.dynamodb().scan(TableName=self.table.name)["Items"]:
            found.setdefault(item["shelf"]["S"], []).append(item)
        return found

    def change(self, waiting: Waiting, **attributes: Any) -> None:
        """Change attributes of an event's item. None removes one."""
        name = f"{waiting.shelf.account}#1"
        (item,) = boto_clients.dynamodb().query(
            TableName=self.table.name,
            KeyConditionExpression="shelf = :shelf AND #position = :position",
            ExpressionAttributeNames={"#position": "position"},
            ExpressionAttributeValues={":shelf": {"S": name}, ":position": {"S": place(waiting)}},
        )["Items"]
        changed = {key: value for key, value in {**item, **attributes}.items() if value is not None}
        boto_clients.dynamodb().put_item(TableName=self.table.name, Item=changed)


@pytest.fixture
def workers(local_stores: LocalAws) -> Workers:
    """Return workers with a separate table."""
    return Workers(local_stores.backlog_table())


class TestDynamoDbBacklog(BacklogContract):
    """The backlog in DynamoDB."""


def test_an_item_shows_what_waits_and_why(workers: Workers) -> None:
    """People read it. The event is in it as a queue message's body, compressed."""
    stored(workers.one(), WAITING)
    items = workers.items()
    (item,) = items["default#1"]
    body = zlib.decompress(bytes(item.pop("packed")["B"]))
    assert len(item.pop("stamp")["S"]) == 16
    assert body.decode() == pack(EVENT).body
    assert {name: next(iter(value.values())) for name, value in item.items()} == {
        "shelf": "default#1",
        "position": place(WAITING),
        "account": "default",
        "priority": "normal",
        "source": "bakery",
        "event_id": "e-1",
        "reason": "quota_exhausted",
        "due": "1799999990",
        "expected": "1800003600",
        "attempt": "3",
        "tries": "1",
        "stored_at": "1800000000",
        "version": "1",
    }
    assert items["#shelves"] == [
        {"shelf": {"S": "#shelves"}, "position": {"S": "#"}, "names": {"SS": ["default#1"]}}
    ]


def test_an_item_does_not_show_a_forged_name_of_a_source(workers: Workers) -> None:
    """It may hold anything, and may be larger than an item. The event itself keeps it."""
    backlog = workers.one()
    forged = WAITING._replace(event=replace(EVENT, source="canary@example.com" * 30_000, identity="forged"))
    assert backlog.put([forged, WAITING]) == [None, None]
    names = {item["source"]["S"] for item in workers.items()["default#1"]}
    assert [name[:7] for name in sorted(names)] == ["bakery", "sha256:"]
    assert forged.event in [each.event for each in backlog.due(SHELF, 2, NOW) if isinstance(each, Waiting)]


def test_the_reference_lists_the_attributes_of_the_items(workers: Workers) -> None:
    """People read the table with other tools too."""
    stored(workers.one(), WAITING, LARGE_ONE._replace(due=0.0))
    found = {name for items in workers.items().values() for item in items for name in item}
    page = (ROOT / "docs/reference.md").read_text("utf-8")
    section = page.partition("\n### An event that waits\n")[2].partition("\n## ")[0]
    cells = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `")]
    assert {name for cell in cells for name in re.findall(r"`([^`]+)`", cell)} == found - {
        "shelf",
        "position",
    }


def test_a_position_is_due_time_arrival_and_a_mark() -> None:
    """The digits are so many that texts sort like the times until the year 5138."""
    due, arrival, mark = place(WAITING).split("#")
    assert (due, arrival, len(mark)) == ("01799999990", "01799999940000", 16)
    # Without a due time the arrival counts, less the seconds by which clocks may differ.
    assert place(WAITING._replace(due=0.0)).startswith("01799999938#")
    assert place(WAITING._replace(event=replace(EVENT, received_at=-5.0))).split("#")[1] == "0" * 14
    far = WAITING._replace(due=2e11, event=replace(EVENT, received_at=9e12))
    assert place(far)[:26] == "9" * 11 + "#" + "9" * 14


@pytest.mark.parametrize(
    ("shelf", "name"),
    [
        (Shelf("default", high=True), "default#0"),
        (Shelf("north"), "north#1"),
        (Shelf("north", source="bakery"), "north#1#bakery"),
    ],
    ids=["urgent", "normal", "budget"],
)
def test_the_name_of_a_shelf(workers: Workers, shelf: Shelf, name: str) -> None:
    """It is the partition key."""
    stored(workers.one(), WAITING._replace(shelf=shelf))
    assert set(workers.items()) == {"#shelves", name}
    assert workers.one().shelves() == [shelf]


def test_the_registry_is_written_once_before_the_first_event(
    workers: Workers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If it cannot be written, no event is on a shelf that nobody would find."""
    calls: list[str] = []
    call = BacklogTable._call

    def recorded(table: BacklogTable, operation: str, **arguments: Any) -> Any:
        calls.append(operation)
        if len(calls) == 1:
            raise LedgerUnavailable("planted")
        return call(table, operation, **arguments)

    monkeypatch.setattr(BacklogTable, "_call", recorded)
    backlog = workers.one()
    (error,) = backlog.put([WAITING])
    assert isinstance(error, LedgerUnavailable)
    assert calls == ["UpdateItem"]
    stored(backlog, WAITING)
    stored(backlog, numbered(2))
    assert calls == ["UpdateItem", "UpdateItem", "BatchWriteItem", "BatchWriteItem"]
    assert ids(backlog.due(SHELF, 10, NOW)) in (["e-1", "e-2"], ["e-2", "e-1"])


@pytest.mark.parametrize(
    "damage",
    [
        {"version": {"S": "2"}},
        {"version": None},
        {"packed": {"B": b"no zlib"}},
        {"packed": {"B": zlib.compress(b'{"source": 1}')}},
        {"packed": None},
        {"due": {"S": "soon"}},
        {"attempt": None},
    ],
    ids=str,
)
def test_an_unreadable_item_blocks_no_other(workers: Workers, damage: dict[str, Any]) -> None:
    """It is returned with all that a dead letter needs, and it can be removed."""
    backlog = workers.one()
    second = numbered(2, due=NOW - 5)
    stored(backlog, WAITING, second)
    workers.change(WAITING, **damage)
    bad, good = backlog.due(SHELF, 10, NOW)
    assert good == second._replace(position=place(second), stamp=ANY)
    assert isinstance(bad, Unreadable)
    assert (bad.source, bad.event_id, bad.reason) == ("bakery", "e-1", "quota_exhausted")
    if "packed" not in damage:
        assert unpack(bad.body.encode(), "1") == EVENT
    backlog.remove([bad])
    assert backlog.due(SHELF, 10, NOW) == [good]


def test_an_unknown_shelf_in_the_registry_blocks_no_other(workers: Workers) -> None:
    """A later version may have other shelves."""
    stored(workers.one(), WAITING)
    workers.table.update(
        Key("#shelves", "#"),
        UpdateExpression="ADD #names :new",
        ExpressionAttributeNames={"#names": "names"},
        ExpressionAttributeValues={":new": {"SS": ["default#2", "#1", "default#1#a#b", "default"]}},
    )
    assert workers.one().shelves() == [SHELF]


# --- events that are larger than an item ------------------------------------------------------------------


def parts(workers: Workers) -> list[Item]:
    """Return all parts."""
    return [item for name, items in workers.items().items() if name.startswith("#part#") for item in items]


def test_parts_expire_and_events_do_not(workers: Workers) -> None:
    """A worker may die before it has stored the event of its parts."""
    stored(workers.one(), LARGE_ONE)
    assert len(parts(workers)) >= 2
    assert {part["expires_at"]["N"] for part in parts(workers)} == {str(int(NOW) + PART_SECS)}
    (item,) = workers.items()["default#1"]
    assert "expires_at" not in item
    assert "packed" not in item


def test_the_parts_are_removed_with_their_event(workers: Workers) -> None:
    """Otherwise they would be kept for two months."""
    backlog = workers.one()
    stored(backlog, LARGE_ONE)
    backlog.remove(backlog.due(SHELF, 10, NOW))
    assert set(workers.items()) == {"#shelves"}


def test_an_event_that_is_stored_during_its_removal_keeps_its_parts(workers: Workers) -> None:
    """SQS may hand out its message again while another worker finishes it."""
    backlog = workers.one()
    stored(backlog, LARGE_ONE)
    found = backlog.due(SHELF, 10, NOW)
    delete = backlog._table.delete_all
    deleted = 0

    def slowly(keys: Any) -> None:
        nonlocal deleted
        delete(keys)
        deleted += 1
        if deleted == 1:
            stored(workers.one(), LARGE_ONE)

    backlog._table.delete_all = slowly  # type: ignore[method-assign]
    backlog.remove(found)
    del backlog._table.delete_all
    assert workers.one().due(SHELF, 10, NOW) == [each._replace(stamp=ANY) for each in found]


def test_an_event_that_is_removed_while_it_is_read_is_left_out(workers: Workers) -> None:
    """Its parts are gone, and it is not damaged."""
    backlog, other = workers.one(), workers.one()
    stored(backlog, LARGE_ONE)
    query = backlog._table.query

    def slowly(shelf: str, **arguments: Any) -> Any:
        for page in query(shelf, **arguments):
            if shelf == "default#1" and not arguments.get("position"):
                other.remove(other.due(SHELF, 10, NOW))
            yield page

    reader = workers.one()
    reader._table = BacklogTable(workers.table.name)
    reader._table.query = slowly  # type: ignore[method-assign]
    assert reader.due(SHELF, 10, NOW) == []


def test_an_event_whose_parts_are_missing_is_unreadable(workers: Workers) -> None:
    """It must not stay at the front of its shelf forever."""
    stored(workers.one(), LARGE_ONE)
    workers.table.delete_all([Key.of(parts(workers)[0])])
    (found,) = workers.one().due(SHELF, 10, NOW)
    assert isinstance(found, Unreadable)


@pytest.mark.parametrize("count", [{"N": "2.5"}, {"N": "9" * 30}, {"N": "-1"}, {"S": "two"}, None], ids=str)
def test_an_event_without_a_number_of_parts_is_unreadable(workers: Workers, count: Any) -> None:
    """It blocks no other, and takes no memory."""
    second = numbered(2, due=NOW - 5)
    stored(workers.one(), LARGE_ONE, second)
    workers.change(LARGE_ONE, parts=count)
    bad, good = workers.one().due(SHELF, 10, NOW)
    assert isinstance(bad, Unreadable)
    assert good == second._replace(position=place(second), stamp=ANY)


def test_a_call_returns_a_limited_number_of_bytes(workers: Workers, monkeypatch: pytest.MonkeyPatch) -> None:
    """A thousand large events would fill the function's memory. The next call goes on."""
    monkeypatch.setattr(adapter, "READ_BYTES", 1)
    stored(workers.one(), numbered(1), numbered(2))
    backlog = workers.one()
    (first,) = backlog.due(SHELF, 10, NOW)
    backlog.remove([first])
    (second,) = backlog.due(SHELF, 10, NOW)
    assert sorted(ids([first, second])) == ["e-1", "e-2"]


# --- a DynamoDB that throttles ----------------------------------------------------------------------------


class Throttled(BacklogTable):
    """A table of which DynamoDB leaves the second half of each group unprocessed for some calls."""

    def __init__(self, name: str, calls: int) -> None:
        """Leave requests unprocessed in that many calls."""
        super().__init__(name)
        self.left = calls

    def _call(self, operation: str, **arguments: Any) -> Any:
        if operation != "BatchWriteItem" or not self.left:
            return super()._call(operation, **arguments)
        self.left -= 1
        requests = arguments["RequestItems"][self.name]
        half = len(requests) // 2
        if half:
            super()._call(operation, RequestItems={self.name: requests[:half]})
        return {"UnprocessedItems": {self.name: requests[half:]}}


def test_requests_that_dynamodb_leaves_unprocessed_are_repeated(
    workers: Workers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A throttled table does not refuse the call."""
    monkeypatch.setattr(time, "sleep", lambda _secs: None)
    backlog = DynamoDbBacklog(Throttled(workers.table.name, 3), lambda: NOW)
    stored(backlog, *(numbered(number) for number in range(60)))
    assert len(workers.one().due(SHELF, 100, NOW)) == 60
    backlog = DynamoDbBacklog(Throttled(workers.table.name, 3), lambda: NOW)
    backlog.remove(workers.one().due(SHELF, 100, NOW))
    assert workers.one().due(SHELF, 100, NOW) == []


def test_an_event_that_stays_unprocessed_is_not_stored(
    workers: Workers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each event has its own answer, so that the others can be acknowledged."""
    monkeypatch.setattr(time, "sleep", lambda _secs: None)
    backlog = DynamoDbBacklog(Throttled(workers.table.name, 99), lambda: NOW)
    results = backlog.put([numbered(number) for number in range(25)])
    known = {each.event.id for each in workers.one().due(SHELF, 100, NOW) if isinstance(each, Waiting)}
    assert [error is None for error in results] == [f"e-{number}" in known for number in range(25)]
    assert 0 < len(known) < 25
    with pytest.raises(LedgerUnavailable, match="throttled"):
        backlog.remove(workers.one().due(SHELF, 100, NOW))
