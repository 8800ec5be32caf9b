"""The cool-down of an account in DynamoDB, one item for the whole fleet.

| attribute    | type             | meaning                                                           |
|--------------|------------------|-------------------------------------------------------------------|
| `pk`         | string           | `cooldown#<account>`                                              |
| ...          | string or number | the fields of `Cooldown`; those that are empty or 0 are left out  |
| `expires_at` | number           | TTL, in seconds since the epoch                                   |
"""

import math
from collections.abc import Callable

from push_relay.adapters.dynamodb.table import ConditionFailed, Item, LedgerTable, number, text
from samples.version_before.values import Cooldown

#: Seconds that the state is kept after its last moment. Without a state, calls are allowed.
KEPT_SECS = 3 * 86_400


class DynamoDbCooldown:
    """The state of one account. A worker can only replace the state that it has read."""

    def __init__(self, table: LedgerTable, account: str, now: Callable[[], float]) -> None:
        self._table = table
        self._now = now
        self._key = {"pk": text(f"cooldown#{account}")}

    def read(self) -> Cooldown:
        """Return the state. Raises LedgerUnavailable."""
        return _state(self._table.get(Key=self._key))

    def swap(self, before: Cooldown, after: Cooldown) -> Cooldown:
        """Replace the state if it is still `before`; return the one that is stored afterwards.

        The stamp of `after` must be new. If the answer to a write is lost, AWS's client repeats the write,
        and the stamp shows that the stored state is this worker's own. Raises LedgerUnavailable.
        """
        fields = {name: value for name, value in after._asdict().items() if value}
        absent = [name for name in Cooldown._fields if name not in fields]
        values = {f":{name}": number(v) if isinstance(v, int) else text(v) for name, v in fields.items()}
        last = max(self._now(), after.until, after.probe_until)
        values[":expires"] = number(math.ceil(last) + KEPT_SECS)
        condition = "attribute_not_exists(#stamp)"
        if before.stamp:
            condition, values[":before"] = "#stamp = :before", text(before.stamp)
        try:
            self._table.update(
                Key=self._key,
                UpdateExpression="SET expires_at = :expires"
                + "".join(f", #{name} = :{name}" for name in fields)
                + (" REMOVE " + ", ".join(f"#{name}" for name in absent) if absent else ""),
                ConditionExpression=condition,
                ExpressionAttributeNames={f"#{name}": name for name in Cooldown._fields},
                ExpressionAttributeValues=values,
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
            )
        except ConditionFailed as exc:
            return _state(exc.item)
        return after


def _state(item: Item) -> Cooldown:
    fields = {name: value for name, value in item.items() if name in Cooldown._fields}
    return Cooldown(**{name: int(v["N"]) if "N" in v else v["S"] for name, v in fields.items()})  # type: ignore[arg-type]
