"""Workers that share one account's permits in one table, and call a vendor. The test moves their clock."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from ports import CREDENTIALS, Clock, PushApi
from push_relay.adapters.dynamodb.permits import DynamoDbPermits
from push_relay.adapters.dynamodb.table import LedgerTable, number, text
from push_relay.core.account import Account
from push_relay.core.delivery.account_permits import AccountPermits
from push_relay.core.delivery.encoding import Credentials
from push_relay.core.delivery.permits import DayCalls, Permits
from push_relay.core.delivery.quota import Quota
from push_relay.core.errors import QuotaExhausted, RelayError
from push_relay.core.push import Push, Recipient, RecipientKind, Wording

NORMAL = Push(Recipient(RecipientKind.USER, "u-1"), Wording("t", "b"), "key")
HIGH = replace(NORMAL, high=True)
#: The day on which the clock begins.
TODAY = "2027-01-15"
_CALL_SECS, _INVOCATION_SECS = 10.0, 60.0


class Fleet:
    """Workers that share a table, a clock and a vendor.

    reports  calls and limits that were reported
    budgets  calls of a day that a source may use, by its name
    """

    def __init__(self, table: LedgerTable) -> None:
        """Begin without a worker."""
        self.table, self.clock, self.vendor = table, Clock(), PushApi()
        self.reports: list[tuple[int, int]] = []
        self.budgets: dict[str, int] = {}

    def permits(
        self, account: Account | None = None, report: Any = None, *, name: str = "default"
    ) -> AccountPermits:
        """Start a process."""
        return AccountPermits(
            DynamoDbPermits(self.table, name, self.clock.now),
            Quota(account or Account(), self.budgets),
            self.clock,
            report or (lambda calls, limit: self.reports.append((calls, limit))),
        )

    def worker(
        self,
        account: Account | None = None,
        report: Any = None,
        *,
        name: str = "default",
        credentials: Credentials = CREDENTIALS,
    ) -> Callable[[Push], None]:
        """Start a process, and return a function that sends a push from it."""
        permits = self.permits(account, report, name=name)
        return lambda push: self.send(permits, push, credentials)

    def send(self, permits: AccountPermits, push: Push = NORMAL, given: Credentials = CREDENTIALS) -> None:
        """Send a push in a session of its own."""
        session = permits.session(lambda: _INVOCATION_SECS)
        try:
            with session.call(push, given, _CALL_SECS) as seconds:
                self.vendor.send(push, given, "-", seconds)
        finally:
            session.finish()

    def fails(self, error: Exception | None) -> None:
        """Make the vendor fail from now on, or recover."""
        self.vendor.judge = lambda _push, _credentials: error

    def stop(self, error: RelayError) -> None:
        """Let a worker open the circuit, and then let the vendor recover."""
        self.fails(error)
        with suppress(type(error)):
            self.worker()(NORMAL)
        self.vendor.calls.clear()
        self.fails(None)

    def spent(self, calls: int, day: str = TODAY) -> None:
        """Set the number of a day's calls, as the version before counts them."""
        self.table.update(
            Key={"pk": text(f"quota#default#{day}")},
            UpdateExpression="SET calls = :calls",
            ExpressionAttributeValues={":calls": number(calls)},
        )

    def stored(self, name: str = "default") -> Permits:
        """Return the permits of an account."""
        return DynamoDbPermits(self.table, name, self.clock.now).read()

    def calls(self) -> DayCalls:
        """Return the stored calls of the day on which the clock begins."""
        return self.stored().calls.get(TODAY, DayCalls())


def moment(text_: str, zone: str = "UTC") -> float:
    """Return a local time in seconds since the epoch."""
    return datetime.fromisoformat(text_).replace(tzinfo=ZoneInfo(zone)).timestamp()


def exhausted(send: Callable[[Push], None], push: Push = HIGH) -> QuotaExhausted:
    """Return the error with which a push was refused."""
    with pytest.raises(QuotaExhausted) as refusal:
        send(push)
    return refusal.value
