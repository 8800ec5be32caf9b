"""Batch windows on a real DynamoDB keep the contract of every store, and their items have a fixed layout."""

from dataclasses import replace

import pytest

from contracts.batches import DUE, ENTRY, WINDOW, BatchStoreContract
from local_aws import LocalAws
from ports import Clock
from push_relay.adapters.dynamodb.batches import KEPT_SECS, DynamoDbBatches
from push_relay.adapters.dynamodb.table import Item, LedgerTable, text
from push_relay.core.delivery.batching import Added
from push_relay.core.push import Wording


class Workers:
    """Workers that share a table and a clock. Each has a separate store object."""

    def __init__(self, table: LedgerTable) -> None:
        """Stop the clock."""
        self.table, self.clock = table, Clock()

    def windows(self, *, room: int | None = None) -> DynamoDbBatches:  # noqa: ARG002 (pushes have sizes here)
        """Start a worker, and return its windows."""
        return DynamoDbBatches(self.table, self.clock.now)

    def item(self) -> Item:
        """Return the item of the window."""
        return self.table.get(Key={"pk": text("digest#w")})


@pytest.fixture
def workers(local_stores: LocalAws) -> Workers:
    """Return workers with a separate table."""
    return Workers(local_stores.table())


class TestDynamoDbBatches(BatchStoreContract):
    """The batch windows in DynamoDB."""


def test_a_window_is_kept_for_as_long_as_its_end_may_be_parked(workers: Workers) -> None:
    """Its TTL begins at the time at which it is due."""
    workers.windows().add(WINDOW, ENTRY)
    assert workers.item()["expires_at"] == {"N": str(int(DUE) + KEPT_SECS)}


def test_a_push_that_is_added_again_takes_no_further_room(workers: Workers) -> None:
    """A sender that repeats its event must not fill the window."""
    workers.windows().add(WINDOW, ENTRY)
    taken = workers.item()["gathered_bytes"]
    again = replace(ENTRY, wording=Wording("Bread", "in other words"))
    assert workers.windows().add(WINDOW, again) is Added.UNSCHEDULED
    assert workers.item()["gathered_bytes"] == taken


def test_closing_a_window_without_pushes_makes_no_item(workers: Workers) -> None:
    """The end of a window may be scheduled twice."""
    assert workers.windows().close("w") is None
    assert workers.item() == {}
