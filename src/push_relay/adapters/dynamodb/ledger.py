"""The ledger in DynamoDB. A push is one item, and each act on it one conditional update.

The item does not contain the push's content. Moments are whole seconds since the epoch.

| attribute         | pushes                      | meaning                                                  |
|-------------------|-----------------------------|----------------------------------------------------------|
| `pk`              | all                         | `push#<key>`                                             |
| `status`          | all                         | `claimed`, `parked`, an outcome, or `gathered` (batched) |
| `expires_at`      | all                         | TTL: when the ledger forgets the push                    |
| `owner`           | claimed                     | the worker that has claimed it                           |
| `lease_until`     | claimed                     | when the claim ends                                      |
| `since`           | parked, settled             | when it was parked or settled                            |
| `error_code`      | parked, failed              | why                                                      |
| `source`          | parked                      | the source of its event                                  |
| `event_id`        | parked                      | the id of its event                                      |
| `window`          | of a batch window           | which one, until the push is settled                     |
| `replay_id`       | replayed                    | the last replay that claimed it                          |
| `unknown_sends`   | sent without a clear answer | how often, until the push is settled                     |
"""

import math
import secrets
from collections.abc import Callable
from contextlib import suppress

from push_relay.adapters.dynamodb.table import ConditionFailed, LedgerTable, number, text
from push_relay.core.clock import CLOCK_SKEW_SECS
from push_relay.core.delivery.ledger import CLAIMED, LEDGER_MEMORY_SECS, PARKED, REPLAYABLE, Claim
from push_relay.core.errors import ClaimHeld
from push_relay.core.event import Replay
from push_relay.core.push import Receipt

PREFIX = "push#"

# Free are a push without an item, one that is forgotten or parked, and one whose lease has ended.
_FREE = (
    "attribute_not_exists(pk) OR expires_at <= :now OR #status = :parked"
    " OR (#status = :claimed AND lease_until <= :now)"
)
_REPLAYED = " OR (#status IN ({}) AND (attribute_not_exists(replay_id) OR replay_id <> :replay_id))"


class DynamoDbLedger:
    """The ledger of one worker."""

    def __init__(self, table: LedgerTable, now: Callable[[], float]) -> None:
        self._table = table
        self._now = now
        # A worker whose lease has ended must not change its successor's claim.
        self._owner = secrets.token_hex(8)

    def claim(
        self,
        key: str,
        lease_secs: float,
        replay: Replay = Replay.NO,
        replay_id: str = "",
        forget_before: float = 0.0,
    ) -> Claim:
        """Claim a push for `lease_secs`; see the port for which pushes can be claimed."""
        now = math.floor(self._now())
        values = {
            ":now": number(now),
            ":claimed": text(CLAIMED),
            ":parked": text(PARKED),
            ":owner": text(self._owner),
            ":lease": number(math.ceil(self._now() + lease_secs) + CLOCK_SKEW_SECS),
            ":expires": number(now + LEDGER_MEMORY_SECS),
        }
        condition, marked = _FREE, ""
        if replayable := {f":{status}": text(status) for status in REPLAYABLE[replay]}:
            values |= replayable | {":replay_id": text(replay_id)}
            condition += _REPLAYED.format(", ".join(replayable))
            marked = ", replay_id = :replay_id"
        if forget_before > 0:
            # Only parked and settled pushes have `since`, and parked ones are free anyway.
            values[":forget_before"] = number(math.floor(forget_before))
            condition += " OR since < :forget_before"
        try:
            # An update instead of a put, because the window of a batched push outlives the claim of a worker.
            self._table.update(
                Key={"pk": text(PREFIX + key)},
                UpdateExpression="SET #status = :claimed, #owner = :owner, lease_until = :lease,"
                f" expires_at = :expires{marked} REMOVE since, error_code, #source, event_id",
                ConditionExpression=condition,
                ExpressionAttributeNames={"#status": "status", "#owner": "owner", "#source": "source"},
                ExpressionAttributeValues=values,
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
            )
        except ConditionFailed as exc:
            return Claim.refused(exc.item.get("status", {}).get("S", ""))
        return Claim.GRANTED

    def settle(self, key: str, status: str, error_code: str = "") -> None:
        """Record the end of a claimed push, unless another worker has claimed it in the meantime."""
        self._end(key, status, "lease_until, #owner, #window, unknown_sends", error_code=error_code)

    def error_code_of(self, key: str) -> str:
        """Return the error code that a push was settled with; empty if there is none."""
        return self._table.get(Key={"pk": text(PREFIX + key)}).get("error_code", {}).get("S", "")

    def release(self, key: str, receipt: Receipt) -> None:
        """Park a claimed push, with what it waits for, so that any worker can claim it."""
        about = {"source": receipt.source, "event_id": receipt.event_id}
        self._end(key, PARKED, "lease_until, #owner", error_code=receipt.error_code or "", **about)

    def clear_parked(self, key: str) -> None:
        """Forget a parked push, as if its time had passed. A claimed or settled one stays as it is."""
        with suppress(ConditionFailed):
            self._table.update(
                Key={"pk": text(PREFIX + key)},
                UpdateExpression="SET expires_at = :now REMOVE unknown_sends",
                ConditionExpression="#status = :parked",
                ExpressionAttributeNames={"#status": "status"},
                ExpressionAttributeValues={
                    ":now": number(math.floor(self._now())),
                    ":parked": text(PARKED),
                },
            )

    def count_unknown(self, key: str) -> int:
        """Count a call of unknown fate of a claimed push; return how many there were since it was settled."""
        try:
            item = self._table.update(
                Key={"pk": text(PREFIX + key)},
                UpdateExpression="ADD unknown_sends :one",
                ConditionExpression="#owner = :owner",
                ExpressionAttributeNames={"#owner": "owner"},
                ExpressionAttributeValues={":one": number(1), ":owner": text(self._owner)},
                ReturnValues="UPDATED_NEW",
            )
        except ConditionFailed:
            # Another worker has claimed the push, and counts its own calls.
            return 1
        return int(item["unknown_sends"]["N"])

    def note_window(self, key: str, window: str, *, overwrite: bool = False) -> str:
        """Note the batch window that a claimed push goes into; return the one that is noted."""
        value = ":window" if overwrite else "if_not_exists(#window, :window)"
        try:
            item = self._table.update(
                Key={"pk": text(PREFIX + key)},
                UpdateExpression=f"SET #window = {value}",
                ConditionExpression="#owner = :owner",
                ExpressionAttributeNames={"#window": "window", "#owner": "owner"},
                ExpressionAttributeValues={":window": text(window), ":owner": text(self._owner)},
                ReturnValues="UPDATED_NEW",
            )
        except ConditionFailed:
            raise ClaimHeld("another worker has taken over the claim of this push") from None
        return item["window"]["S"]

    def _end(self, key: str, status: str, removed: str, **about: str) -> None:
        """End a claim. `removed` are attributes that the item no longer has, `about` those that it gets."""
        now = math.floor(self._now())
        given = {name: value for name, value in about.items() if value}
        with suppress(ConditionFailed):
            self._table.update(
                Key={"pk": text(PREFIX + key)},
                UpdateExpression="SET #status = :status, since = :now, expires_at = :expires"
                + "".join(f", #{name} = :{name}" for name in given)
                + f" REMOVE {removed}",
                ConditionExpression="#owner = :owner",
                ExpressionAttributeNames={
                    "#status": "status",
                    "#owner": "owner",
                    **({"#window": "window"} if "#window" in removed else {}),
                    **{f"#{name}": name for name in given},
                },
                ExpressionAttributeValues={
                    ":status": text(status),
                    ":owner": text(self._owner),
                    ":now": number(now),
                    ":expires": number(now + LEDGER_MEMORY_SECS),
                    **{f":{name}": text(value) for name, value in given.items()},
                },
            )
