"""The stores in memory, which the unit tests and the bench use, do what the ones in DynamoDB do."""

from typing import Any

import pytest

from contracts.batches import BatchStoreContract
from contracts.ledger import LedgerContract
from fakes import Clock
from stores import BatchStore, Ledger


class Workers:
    """Workers that share a ledger, windows and a clock."""

    def __init__(self) -> None:
        self.clock = Clock()
        self._ledger, self._windows = Ledger(self.clock.now), BatchStore()

    def one(self) -> Ledger:
        """Start a worker, and return its ledger."""
        return self._ledger.another()

    def windows(self, *, room: int | None = None) -> Any:
        """Start a worker, and return its windows."""
        windows = self._windows.another()
        windows.room = room or windows.room
        return windows


@pytest.fixture
def workers() -> Workers:
    """Return workers without any pushes."""
    return Workers()


class TestLedger(LedgerContract):
    """The ledger in memory."""


class TestBatchStore(BatchStoreContract):
    """The batch windows in memory."""
