"""The contract of a store of permits: the one in DynamoDB, and the one in memory that other tests use.

A test class inherits the contract, and a fixture `stored` has the permits of one account.
"""

from concurrent.futures import ThreadPoolExecutor
from datetime import date
from typing import Protocol

from push_relay.core.delivery.cooldown import Cooldown
from push_relay.core.delivery.permits import DayCalls, Drawn, Lease, Permits, PermitStore

TODAY = "2027-01-15"
DAY = date.fromisoformat(TODAY)
FULL = Permits(
    leases={0: Lease("drain-a-1", 1_800_014_430), 2: Lease("b-1-unfinished", 1_800_014_490)},
    calls={
        TODAY: DayCalls(5, 50, 7, {"grafana": 3}, {"github": 2}),
        "2027-01-16": DayCalls(used=1, drawn=25),
    },
    cooldown=Cooldown(failures=1, until=1_800_014_450, level=2, day=TODAY, reason="vendor_throttled"),
    announced=True,
    woken=1_800_014_460,
    crashed=True,
    stamp="one",
)
LEASE = Lease("new", 1_800_014_440)


class Stored(Protocol):
    """The permits of an account, and what the version before does to them."""

    @property
    def store(self) -> PermitStore:
        """A store of these permits."""
        ...

    def lease(self, connection: int, owner: str) -> Lease:
        """Lease a connection as the version before does; return the lease."""
        ...

    def count(self, day: date, source: str) -> None:
        """Count a call of a source with a budget as the version before does."""
        ...


class PermitStoreContract:
    """The cases that each store has to pass."""

    def test_the_permits_are_stored_as_they_are(self, stored: Stored) -> None:
        """An account that was never used has the empty ones."""
        assert stored.store.read() == Permits()
        assert stored.store.swap(Permits(), FULL) == FULL
        assert stored.store.read() == FULL
        empty = Permits(stamp="two")
        assert stored.store.swap(FULL, empty) == empty
        assert stored.store.read() == empty

    def test_a_swap_of_permits_that_have_changed_is_refused_and_returns_them(self, stored: Stored) -> None:
        """The worker can decide again without a read."""
        stored.store.swap(Permits(), FULL)
        assert stored.store.swap(Permits(), Permits(stamp="two")) == FULL
        assert stored.store.swap(Permits(stamp="zero"), Permits(stamp="two")) == FULL

    def test_a_repeated_swap_is_seen_to_have_been_made(self, stored: Stored) -> None:
        """AWS's client repeats a write whose answer was lost."""
        stored.store.swap(Permits(), FULL)
        assert stored.store.swap(Permits(), FULL) == FULL

    def test_of_swaps_at_once_one_is_made(self, stored: Stored) -> None:
        """The others learn which."""
        with ThreadPoolExecutor(8) as pool:
            found = pool.map(
                lambda number: stored.store.swap(Permits(), Permits(stamp=f"s-{number}")), range(8)
            )
            assert len({each.stamp for each in found}) == 1

    def test_a_lease_that_the_version_before_takes_makes_a_swap_fail(self, stored: Stored) -> None:
        """The stamp is as it was, but the lease is not. A swap that changes others is made, and keeps it."""
        known = stored.store.swap(Permits(), Permits(stamp="one"))
        before = stored.lease(0, "before")
        found = stored.store.swap(known, known._replace(leases={0: LEASE}, stamp="two"))
        assert found == known._replace(leases={0: before})
        found = stored.store.swap(known, known._replace(leases={1: LEASE}, stamp="two"))
        assert found == Permits(leases={0: before, 1: LEASE}, stamp="two")

    def test_a_draw_gets_what_the_limit_allows(self, stored: Stored) -> None:
        """It shows what the version before has counted."""
        stored.count(DAY, "grafana")
        assert stored.store.draw(DAY, 6, 10) == Drawn(6, 7, {"grafana": 1})
        assert stored.store.draw(DAY, 6, 10) == Drawn(3, 10, {"grafana": 1})
        assert stored.store.draw(DAY, 6, 10) == Drawn(0, 10, {"grafana": 1})
        assert stored.store.draw(date(2027, 1, 16), 6, 4) == Drawn(4, 4)

    def test_draws_at_once_never_exceed_the_limit(self, stored: Stored) -> None:
        """Together they get all of it."""
        with ThreadPoolExecutor(8) as pool:
            drawn = list(pool.map(lambda _: stored.store.draw(DAY, 7, 40), range(8)))
        assert sum(each.calls for each in drawn) == 40
