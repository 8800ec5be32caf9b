"""The account's cool-down on DynamoDB: one item, `cooldown#default`, for the whole fleet.

Its attributes are the fields of `core.cooldown.Cooldown`, without those that are empty or 0, and
`expires_at`. The version before kept its circuit in `circuit#default`; that item is not used any more.
"""

import math
from collections.abc import Callable

from push_relay.adapters.table import ConditionFailed, Item, LedgerTable, number, text
from push_relay.core.delivery.cooldown import Cooldown

#: Seconds that the state is kept after its last moment. A state that is gone allows calls.
KEPT_SECS = 3 * 86_400


class DynamoDbCooldown:
    """The state, which changes only from the one that a worker has seen."""

    def __init__(self, table: LedgerTable, now: Callable[[], float]) -> None:
        self._table = table
        self._now = now
        self._key = {"pk": text("cooldown#default")}

    def read(self) -> Cooldown:
        """Return the state as it is now. Raises LedgerUnavailable."""
        return _state(self._table.get(Key=self._key))

    def swap(self, before: Cooldown, after: Cooldown) -> Cooldown:
        """Replace a state if it is still `before`; return the one that is stored in the end.

        The stamp of `after` has to be new. It shows that a write was this worker's own if its answer was lost
        and AWS's client has repeated it. Raises LedgerUnavailable.
        """
        given = {name: value for name, value in after._asdict().items() if value}
        gone = [name for name in Cooldown._fields if name not in given]
        values = {f":{name}": number(v) if isinstance(v, int) else text(v) for name, v in given.items()}
        last = max(self._now(), after.until, after.probe_until)
        values[":expires"] = number(math.ceil(last) + KEPT_SECS)
        condition = "attribute_not_exists(#stamp)"
        if before.stamp:
            condition, values[":before"] = "#stamp = :before", text(before.stamp)
        try:
            self._table.update(
                Key=self._key,
                UpdateExpression="SET expires_at = :expires"
                + "".join(f", #{name} = :{name}" for name in given)
                + (" REMOVE " + ", ".join(f"#{name}" for name in gone) if gone else ""),
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
