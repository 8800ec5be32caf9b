"""Workers that count their calls of one account in one table. The test moves their clock."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from ports import CREDENTIALS, Clock, PushApi
from push_relay.adapters.dynamodb.table import LedgerTable, number, text
from push_relay.core.account import Account
from push_relay.core.delivery.quota import Quota
from push_relay.core.errors import QuotaExhausted
from push_relay.core.push import Push, Recipient, RecipientKind, Wording
from samples.version_before.calls import DynamoDbCallCounter
from samples.version_before.daily_quota import DailyQuota

NORMAL = Push(Recipient(RecipientKind.USER, "u-1"), Wording("t", "b"), "key")
HIGH = replace(NORMAL, high=True)


class Fleet:
    """Workers that share a table, a clock and a vendor."""

    def __init__(self, table: LedgerTable) -> None:
        """Begin without a worker."""
        self.table, self.clock, self.vendor = table, Clock(), PushApi()
        self.reports: list[tuple[int, int]] = []
        self.budgets: dict[str, int] = {}

    def worker(
        self, account: Account | None = None, report: Any = None, *, name: str = "default"
    ) -> Callable[[Push], None]:
        """Start a worker, and return a function that sends a push from it."""
        quota = self.quota(account, report, name=name)
        return lambda push: quota.send(push, CREDENTIALS, "-", 1.0)

    def quota(
        self, account: Account | None = None, report: Any = None, *, name: str = "default"
    ) -> DailyQuota:
        """Start a worker."""
        return DailyQuota(
            self.vendor,
            DynamoDbCallCounter(self.table, name, self.clock.now),
            Quota(account or Account(), self.budgets),
            self.clock,
            report or (lambda calls, limit: self.reports.append((calls, limit))),
        )

    def spent(self, calls: int) -> None:
        """Set the number of today's calls."""
        day = datetime.fromtimestamp(self.clock.now(), ZoneInfo("UTC")).date()
        self.table.update(
            Key={"pk": text(f"quota#default#{day}")},
            UpdateExpression="SET calls = :calls",
            ExpressionAttributeValues={":calls": number(calls)},
        )


def exhausted(send: Callable[[Push], None], push: Push = HIGH) -> QuotaExhausted:
    """Return the error with which a push was refused."""
    with pytest.raises(QuotaExhausted) as refusal:
        send(push)
    return refusal.value
