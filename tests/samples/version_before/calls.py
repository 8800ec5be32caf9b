"""The counts of an account's calls in DynamoDB. Each call is one conditional update.

| attribute        | type   | meaning                                                         |
|------------------|--------|-----------------------------------------------------------------|
| `pk`             | string | `quota#<account>#<day>`, the day as in 2027-01-15               |
| `calls`          | number | all calls of the day                                            |
| `calls#<source>` | number | the calls that count for a source with a budget                 |
| `expires_at`     | number | TTL, in seconds since the epoch                                 |
"""

import math
from collections.abc import Callable, Iterable
from datetime import date

from push_relay.adapters.dynamodb.table import ConditionFailed, LedgerTable, number, text
from push_relay.core.delivery.quota import Allowance
from samples.version_before.values import Counted

#: Seconds that a day's counts are kept after the last call.
KEPT_SECS = 3 * 86_400


class DynamoDbCallCounter:
    """The counts of one account."""

    def __init__(self, table: LedgerTable, account: str, now: Callable[[], float]) -> None:
        self._table = table
        self._account = account
        self._now = now

    def count(self, day: date, allowed: Allowance) -> Counted:
        """Count a call of a day if that is within the allowance. Raises LedgerUnavailable."""
        names = {f"#s{n}": f"calls#{source}" for n, source in enumerate(allowed.counted)}
        budgets = {f":s{n}": number(calls) for n, calls in enumerate(allowed.budgets.values())}
        counting = ", ".join(f"{name} :one" for name in ("calls", *names))
        try:
            item = self._table.update(
                Key={"pk": text(f"quota#{self._account}#{day.isoformat()}")},
                UpdateExpression=f"ADD {counting} SET expires_at = :expires",
                ConditionExpression=_condition(budgets),
                **({"ExpressionAttributeNames": names} if names else {}),
                ExpressionAttributeValues={
                    ":one": number(1),
                    ":allowed": number(allowed.total),
                    ":expires": number(math.floor(self._now()) + KEPT_SECS),
                    **budgets,
                },
                ReturnValues="UPDATED_NEW",
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
            )
        except ConditionFailed as exc:
            return Counted(int(exc.item["calls"]["N"]), is_granted=False)
        return Counted(int(item["calls"]["N"]))


def _condition(budgets: Iterable[str]) -> str:
    """Return the condition for one more call. A call of several sources needs one budget with calls left."""
    condition = "(attribute_not_exists(calls) OR calls < :allowed)"
    left = " OR ".join(f"attribute_not_exists(#{s[1:]}) OR #{s[1:]} < {s}" for s in budgets)
    return f"{condition} AND ({left})" if left else condition
