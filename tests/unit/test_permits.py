"""The permits of an account: connections, calls and circuit in one write."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest

from permit_stores import PermitStore
from ports import CREDENTIALS, Clock
from push_relay.core.account import Account
from push_relay.core.delivery.account_permits import AccountPermits
from push_relay.core.delivery.permit_session import LanePermits, Session
from push_relay.core.delivery.permits import DayCalls
from push_relay.core.delivery.quota import Quota
from push_relay.core.errors import (
    RelayError,
)
from push_relay.core.push import Push, Recipient, RecipientKind, Wording

#: Noon in UTC of 2027-01-15, and the day.
NOON, TODAY = 1_800_014_400.0, "2027-01-15"
ACCOUNT = Account(connect_timeout_secs=2, read_timeout_secs=8, daily_calls=100)
_PUSH = Push(Recipient(RecipientKind.USER, "u-1"), Wording("t", "b"), "", sources=("grafana",))


def pushes(count: int, start: int = 0, **changes: Any) -> list[Push]:
    """Return pushes with keys of their own."""
    return [replace(_PUSH, key=f"push-{number}", **changes) for number in range(start, start + count)]


class Fleet:
    """Processes that share a store and a clock."""

    def __init__(self, account: Account = ACCOUNT, budgets: dict[str, int] | None = None) -> None:
        """Begin at noon without a worker."""
        self.clock, self.store = Clock(NOON), PermitStore()
        self.quota = Quota(account, budgets or {})
        self.reports: list[tuple[int, int]] = []

    def process(self) -> AccountPermits:
        """Start a process."""
        return AccountPermits(
            self.store,
            self.quota,
            self.clock,
            lambda calls, limit: self.reports.append((calls, limit)),
            lambda _secs: None,
        )

    def session(self, *, drains: bool = False, left: float = 60.0) -> Session:
        """Start a process with one session."""
        return self.process().session(lambda: left, drains=drains)

    def used(self, day: str = TODAY) -> int:
        """Return the calls that are counted on a day."""
        return self.store.permits.calls.get(day, DayCalls()).used

    def leases(self) -> int:
        """Return the number of leases that are stored."""
        return len(self.store.permits.leases)


@pytest.fixture
def fleet() -> Fleet:
    """Return a fleet."""
    return Fleet()


def call(
    session: Session, push: Push, error: Exception | None = None, credentials: Any = CREDENTIALS
) -> float:
    """Make a call that ends with an error, or is answered; return the seconds that it may take."""
    with suppress(*([type(error)] if error else [])), session.call(push, credentials, 60.0) as seconds:
        if error:
            raise error
    return seconds


def raised(action: Callable[[], Any]) -> RelayError:
    """Return the error that an action raises."""
    with pytest.raises(RelayError) as found:
        action()
    return found.value


# --- one write to begin, one to end --------------------------------------------------------------------


def test_a_warm_worker_begins_with_one_write_and_ends_with_one() -> None:
    """A day's calls are drawn in blocks, so that few asks draw."""
    fleet = Fleet(Account())
    process: LanePermits = fleet.process()
    for number in range(3):
        fleet.store.operations.clear()
        session = process.session(lambda: 60.0)
        assert session.ask(pushes(3, number * 10), 3) == [None] * 3
        for push in pushes(3, number * 10):
            call(session, push)
        assert not session.finish()
    assert fleet.store.operations == ["swap", "swap"]
    assert (fleet.used(), fleet.leases()) == (9, 0)
