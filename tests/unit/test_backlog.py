"""The backlog's adapter: its keys are never confused, its writes have an order, its errors are ours."""

from dataclasses import replace
from typing import Any

import pytest

from contracts.backlog import EVENT, LARGE, NOW, SHELF, WAITING, stored
from fake_client import FakeClient, client_error
from push_relay.adapters import aws
from push_relay.adapters.catalog import _NAME
from push_relay.adapters.dynamodb.backlog import DynamoDbBacklog, shelf_name, shelf_of
from push_relay.adapters.dynamodb.backlog_table import BacklogTable
from push_relay.core.delivery.backlog import Shelf, Waiting, place
from push_relay.core.errors import LedgerUnavailable
from push_relay.core.rules.relay_file import _ACCOUNT_NAME

READ = WAITING._replace(position=place(WAITING))
LARGE_ONE = WAITING._replace(event=replace(EVENT, data={"text": LARGE}))


@pytest.fixture(name="client")
def _client(monkeypatch: pytest.MonkeyPatch) -> FakeClient:
    """Replace every AWS client."""
    return FakeClient.install(monkeypatch)


@pytest.fixture(name="backlog")
def _backlog() -> DynamoDbBacklog:
    """Return the backlog of a worker."""
    return DynamoDbBacklog(BacklogTable("table"), lambda: NOW)


@pytest.mark.parametrize(
    "error",
    [
        client_error("ThrottlingException"),
        client_error("ValidationException"),
        client_error("TimeoutError"),
    ],
    ids=str,
)
def test_every_third_party_exception_is_translated(
    client: FakeClient, backlog: DynamoDbBacklog, error: Exception
) -> None:
    """The text quotes nothing. `put` returns the error for each event."""
    client.error = error
    for call in (
        lambda: backlog.due(SHELF, 1, NOW),
        lambda: backlog.remove([READ]),
        lambda: backlog.tried(READ),
        backlog.shelves,
    ):
        with pytest.raises(LedgerUnavailable) as raised:
            call()
        assert "planted" not in str(raised.value)
        assert raised.value.__suppress_context__ or raised.value.__context__ is None
    results = backlog.put([WAITING, WAITING])
    assert [type(result) for result in results] == [LedgerUnavailable] * 2


def test_a_client_that_cannot_be_made_is_translated_too(
    monkeypatch: pytest.MonkeyPatch, backlog: DynamoDbBacklog
) -> None:
    """A machine without a region is handled like a service that is down."""

    def fail() -> Any:
        raise client_error("NoRegionError")

    monkeypatch.setattr(aws, "dynamodb", fail)
    with pytest.raises(LedgerUnavailable):
        backlog.shelves()


def test_names_of_accounts_and_sources_cannot_contain_the_separator() -> None:
    """Otherwise the events of two shelves could be on one."""
    assert _ACCOUNT_NAME.pattern == "[a-z0-9-]{1,32}"
    assert "#" not in _NAME.pattern


@pytest.mark.parametrize(
    "shelf", [Shelf("a"), Shelf("a", high=True), Shelf("a", source="s"), Shelf("a", high=True, source="s")]
)
def test_a_shelf_is_read_from_its_name(shelf: Shelf) -> None:
    """The registry has names only."""
    assert shelf_of(shelf_name(shelf)) == shelf


@pytest.mark.parametrize("name", ["", "#0", "a", "a#", "a#2", "a#0#s#t", "#shelves", "#part#1"])
def test_another_name_is_not_a_shelf(name: str) -> None:
    """A later version may write it."""
    assert shelf_of(name) is None


def written(client: FakeClient) -> list[str]:
    """Return the shelves of the items that were put or deleted, in the order of the calls."""
    shelves = []
    for operation, arguments in client.calls:
        if operation == "BatchWriteItem":
            for request in arguments["RequestItems"]["table"]:
                (((_, of),),) = (request.items(),)
                shelves.append(of.get("Item", of.get("Key"))["shelf"]["S"])
    return [shelf.rpartition("#")[0] if shelf.startswith("#part#") else shelf for shelf in shelves]


def test_parts_are_written_before_their_event_and_deleted_after_it(
    client: FakeClient, backlog: DynamoDbBacklog
) -> None:
    """A worker that reads the event at any time finds its parts, or no event."""
    stored(backlog, LARGE_ONE)
    shelves = written(client)
    assert shelves[-1] == "default#1"
    assert set(shelves[:-1]) == {"#part"}
    items = [
        r["PutRequest"]["Item"] for _, a in client.calls for r in a.get("RequestItems", {}).get("table", ())
    ]
    client.calls.clear()
    client.answer = {"Items": items[-1:]}

    def answer(arguments: dict[str, Any]) -> dict[str, Any]:
        shelf = arguments["ExpressionAttributeValues"][":shelf"]["S"]
        return {"Items": [item for item in items if item["shelf"]["S"] == shelf]}

    client.answers["Query"] = answer
    (found,) = backlog.due(SHELF, 10, NOW)
    assert isinstance(found, Waiting)
    backlog.remove([found])
    assert written(client) == ["default#1", *shelves[:-1]]


def test_an_event_whose_parts_are_not_written_is_not_stored(
    client: FakeClient, backlog: DynamoDbBacklog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its neighbour is."""
    write = BacklogTable._write_group

    def fail(table: BacklogTable, requests: Any) -> Any:
        if any(key.shelf.startswith("#part#") for key in requests):
            raise LedgerUnavailable("planted")
        return write(table, requests)

    monkeypatch.setattr(BacklogTable, "_write_group", fail)
    neighbour = WAITING._replace(due=0.0)
    first, second = backlog.put([LARGE_ONE, neighbour])
    assert isinstance(first, LedgerUnavailable)
    assert second is None
    ((_, arguments),) = [call for call in client.calls if call[0] == "BatchWriteItem"]
    (request,) = arguments["RequestItems"]["table"]
    assert request["PutRequest"]["Item"]["position"]["S"] == place(neighbour)


def test_reads_are_strongly_consistent(client: FakeClient, backlog: DynamoDbBacklog) -> None:
    """A worker that was announced an event has to find it."""
    backlog.due(SHELF, 10, NOW)
    backlog.shelves()
    assert [arguments["ConsistentRead"] for _, arguments in client.calls] == [True, True]
