"""The store of permits in memory, which tests use, does what the one in DynamoDB does."""

from datetime import date

import pytest

from contracts.permits import PermitStoreContract
from permit_stores import PermitStore
from push_relay.core.delivery.permits import Lease


class Stored:
    """The permits in memory."""

    def __init__(self) -> None:
        self.store = PermitStore()

    def lease(self, connection: int, owner: str) -> Lease:
        """Lease a connection without a stamp."""
        lease, permits = Lease(owner, 1_800_000_000), self.store.permits
        self.store.permits = permits._replace(leases={**permits.leases, connection: lease})
        return lease

    def count(self, day: date, source: str) -> None:
        """Count a call."""
        self.store.totals[day] += 1
        self.store.others[day][source] = self.store.others[day].get(source, 0) + 1


@pytest.fixture
def stored() -> Stored:
    """Return permits that were never used."""
    return Stored()


class TestPermitStore(PermitStoreContract):
    """The store in memory."""
