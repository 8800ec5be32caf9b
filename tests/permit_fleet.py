"""Processes that share the permits of one account. The test moves their clock."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest

from permit_stores import PermitStore
from ports import CREDENTIALS, Clock
from push_relay.core.account import Account
from push_relay.core.delivery.account_permits import AccountPermits
from push_relay.core.delivery.permit_ports import Session
from push_relay.core.delivery.permits import DayCalls
from push_relay.core.delivery.quota import Quota
from push_relay.core.errors import RelayError
from push_relay.core.push import Push, Recipient, RecipientKind, Wording

#: Noon in UTC of 2027-01-15, and the day.
NOON, TODAY = 1_800_014_400.0, "2027-01-15"
ACCOUNT = Account(connect_timeout_secs=2, read_timeout_secs=8, daily_calls=100)
_PUSH = Push(Recipient(RecipientKind.USER, "u-1"), Wording("t", "b"), "", sources=("grafana",))


def pushes(count: int, start: int = 0, **changes: Any) -> list[Push]:
    """Return pushes with keys of their own."""
    return [replace(_PUSH, key=f"push-{number}", **changes) for number in range(start, start + count)]


class Fleet:
    """Processes that share a store and a clock. `reports` are the calls and limits that were reported."""

    def __init__(self, account: Account = ACCOUNT, budgets: dict[str, int] | None = None) -> None:
        """Begin at noon without a worker."""
        self.clock, self.store = Clock(NOON), PermitStore()
        self.quota = Quota(account, budgets or {})
        self.reports: list[tuple[int, int]] = []

    def process(self, clock: Clock | None = None) -> AccountPermits:
        """Start a process, which may have a clock of its own."""
        return AccountPermits(
            self.store,
            self.quota,
            clock or self.clock,
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
