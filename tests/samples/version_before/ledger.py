"""The ledger as the version before wrote it: a frozen copy, which tests run beside the present one.

Do not adapt it. It does not import the relay, so it does not change with it.
"""

import math
import secrets
from collections.abc import Callable
from typing import Any

MEMORY_SECS = 14 * 24 * 3600
SKEW_SECS = 2
REPLAYABLE = {"no": (), "failed": ("failed",), "all": ("failed", "delivered", "gathered")}
_FREE = (
    "attribute_not_exists(pk) OR expires_at <= :now OR #status = :parked"
    " OR (#status = :claimed AND lease_until <= :now)"
)
_REPLAYED = " OR (#status IN ({}) AND (attribute_not_exists(replay_id) OR replay_id <> :replay_id))"


def text(value: str) -> dict[str, str]:
    """Return DynamoDB's form of a text."""
    return {"S": value}


def number(value: int) -> dict[str, str]:
    """Return DynamoDB's form of a whole number."""
    return {"N": str(value)}


class LedgerOfTheVersionBefore:
    """The ledger of one worker. Its owner is the worker, for all of its claims."""

    def __init__(self, client: Any, table: str, now: Callable[[], float]) -> None:
        self._client = client
        self._table = table
        self._now = now
        self._owner = secrets.token_hex(8)

    def claim(
        self, key: str, lease_secs: float, replay: str = "no", replay_id: str = "", forget_before: float = 0.0
    ) -> str:
        """Claim a push; return `granted`, `held`, `failed` or `settled`."""
        now = math.floor(self._now())
        values = {
            ":now": number(now),
            ":claimed": text("claimed"),
            ":parked": text("parked"),
            ":owner": text(self._owner),
            ":lease": number(math.ceil(self._now() + lease_secs) + SKEW_SECS),
            ":expires": number(now + MEMORY_SECS),
        }
        condition, marked = _FREE, ""
        if replayable := {f":{status}": text(status) for status in REPLAYABLE[replay]}:
            values |= replayable | {":replay_id": text(replay_id)}
            condition += _REPLAYED.format(", ".join(replayable))
            marked = ", replay_id = :replay_id"
        if forget_before > 0:
            values[":forget_before"] = number(math.floor(forget_before))
            condition += " OR since < :forget_before"
        try:
            self._update(
                key,
                UpdateExpression="SET #status = :claimed, #owner = :owner, lease_until = :lease,"
                f" expires_at = :expires{marked} REMOVE since, error_code, #source, event_id",
                ConditionExpression=condition,
                ExpressionAttributeNames={"#status": "status", "#owner": "owner", "#source": "source"},
                ExpressionAttributeValues=values,
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
            )
        except self._client.exceptions.ConditionalCheckFailedException as exc:
            status = exc.response.get("Item", {}).get("status", {}).get("S", "")
            return {"claimed": "held", "failed": "failed"}.get(status, "settled")
        return "granted"

    def settle(self, key: str, status: str, error_code: str = "") -> None:
        """Record the end of a claimed push."""
        self._end(key, status, "lease_until, #owner, #window, unknown_sends", error_code=error_code)

    def park(self, key: str, error_code: str, source: str, event_id: str) -> None:
        """Park a claimed push."""
        about = {"error_code": error_code, "source": source, "event_id": event_id}
        self._end(key, "parked", "lease_until, #owner", **about)

    def count_unknown(self, key: str) -> int:
        """Count a call of unknown fate of a claimed push."""
        answer = self._update(
            key,
            UpdateExpression="ADD unknown_sends :one",
            ConditionExpression="#owner = :owner",
            ExpressionAttributeNames={"#owner": "owner"},
            ExpressionAttributeValues={":one": number(1), ":owner": text(self._owner)},
            ReturnValues="UPDATED_NEW",
        )
        return int(answer["Attributes"]["unknown_sends"]["N"])

    def note_window(self, key: str, window: str) -> str:
        """Note the batch window that a claimed push goes into; return the one that is noted."""
        answer = self._update(
            key,
            UpdateExpression="SET #window = if_not_exists(#window, :window)",
            ConditionExpression="#owner = :owner",
            ExpressionAttributeNames={"#window": "window", "#owner": "owner"},
            ExpressionAttributeValues={":window": text(window), ":owner": text(self._owner)},
            ReturnValues="UPDATED_NEW",
        )
        return str(answer["Attributes"]["window"]["S"])

    def _end(self, key: str, status: str, removed: str, **about: str) -> None:
        now = math.floor(self._now())
        given = {name: value for name, value in about.items() if value}
        names = {"#status": "status", "#owner": "owner", **{f"#{name}": name for name in given}}
        values = {
            ":status": text(status),
            ":owner": text(self._owner),
            ":now": number(now),
            ":expires": number(now + MEMORY_SECS),
            **{f":{name}": text(value) for name, value in given.items()},
        }
        try:
            self._update(
                key,
                UpdateExpression="SET #status = :status, since = :now, expires_at = :expires"
                + "".join(f", #{name} = :{name}" for name in given)
                + f" REMOVE {removed}",
                ConditionExpression="#owner = :owner",
                ExpressionAttributeNames=names | ({"#window": "window"} if "#window" in removed else {}),
                ExpressionAttributeValues=values,
            )
        except self._client.exceptions.ConditionalCheckFailedException:
            return

    def _update(self, key: str, **arguments: Any) -> Any:
        return self._client.update_item(TableName=self._table, Key={"pk": text(f"push#{key}")}, **arguments)
