"""The ledger on DynamoDB: a push is claimed before it is sent, and settled after.

One item for each push, `push#<key>`. It holds nothing of the push's content. Moments are whole seconds since
the epoch.

| attribute         | of which pushes | meaning |
|---|---|---|
| `status`          | all       | claimed, parked, or the outcome that it was settled with |
| `expires_at`      | all       | when the ledger forgets it |
| `owner`, `lease_until` | claimed | whose claim it is, and when the claim ends |
| `since`           | others    | when it was parked or settled |
| `error_code`      | failed, parked | why |
| `source`, `event_id` | parked | its event |
| `window`          | gathered  | the batch window it goes into, until it is settled |
| `replay_id`       | replayed  | the last replay that claimed it |
| `unknown_sends`   | sent without a clear answer | how often, until it is settled |
"""

import math
import secrets
from collections.abc import Callable
from contextlib import suppress

from push_relay.adapters.dynamodb.table import ConditionFailed, LedgerTable, number, text
from push_relay.core.clock import CLOCK_SKEW_SECS
from push_relay.core.delivery.sender import Claim
from push_relay.core.errors import ClaimHeld
from push_relay.core.event import Replay
from push_relay.core.outcomes import Outcome
from push_relay.core.push import BATCHED, Receipt

#: Seconds that the ledger remembers a push: an event that comes again within them is a duplicate.
LEDGER_MEMORY_SECS = 14 * 24 * 3600
PREFIX = "push#"

_CLAIMED, _PARKED = "claimed", "parked"
# What may be claimed: nothing there, forgotten, a lease that has ended, a push that waits.
_FREE = (
    "attribute_not_exists(pk) OR expires_at <= :now OR #status = :parked"
    " OR (#status = :claimed AND lease_until <= :now)"
)
# What a replay may claim besides: once, since its message may come again when the push has ended anew.
_OVERRULED = {
    Replay.NO: (),
    Replay.FAILED: (Outcome.FAILED,),
    Replay.ALL: (Outcome.FAILED, Outcome.DELIVERED, BATCHED),
}
_REPLAYED = " OR (#status IN ({}) AND (attribute_not_exists(replay_id) OR replay_id <> :replay_id))"


class DynamoDbLedger:
    """Claims and settlements, each one conditional write."""

    def __init__(self, table: LedgerTable, now: Callable[[], float]) -> None:
        self._table = table
        self._now = now
        # Whose claim it is, so that a worker whose lease has ended cannot undo its successor's.
        self._owner = secrets.token_hex(8)

    def claim(
        self,
        key: str,
        lease: float,
        replay: Replay = Replay.NO,
        replay_id: str = "",
        forget_before: float = 0.0,
    ) -> Claim:
        """Claim a push for `lease` seconds: granted where nobody has it and it is not settled.

        A replay takes what has failed too, and a forced one what was delivered; each of them once. What was
        settled before `forget_before` is free, as if the ledger had forgotten it.
        """
        now = math.floor(self._now())
        values = {
            ":now": number(now),
            ":claimed": text(_CLAIMED),
            ":parked": text(_PARKED),
            ":owner": text(self._owner),
            ":lease": number(math.ceil(self._now() + lease) + CLOCK_SKEW_SECS),
            ":expires": number(now + LEDGER_MEMORY_SECS),
        }
        condition, marked = _FREE, ""
        if overruled := {f":{status}": text(status) for status in _OVERRULED[replay]}:
            values |= overruled | {":replay_id": text(replay_id)}
            condition += _REPLAYED.format(", ".join(overruled))
            marked = ", replay_id = :replay_id"
        if forget_before > 0:
            # Parked and settled pushes have `since`, and what is parked is free anyway.
            values[":forget_before"] = number(math.floor(forget_before))
            condition += " OR since < :forget_before"
        try:
            # An update, and no put: the window of a gathered push outlives the claim of a worker that died.
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
            status = exc.item.get("status", {}).get("S", "")
            return {_CLAIMED: Claim.HELD, Outcome.FAILED: Claim.FAILED}.get(status, Claim.SETTLED)
        return Claim.GRANTED

    def settle(self, key: str, status: str, error_code: str = "") -> None:
        """Record a claimed push's end. A claim that another worker has taken over is left to it."""
        self._end(key, status, "lease_until, #owner, #window, unknown_sends", error_code=error_code)

    def error_code_of(self, key: str) -> str:
        """Return the error code with which a push was settled; empty where there is none."""
        return self._table.get(Key={"pk": text(PREFIX + key)}).get("error_code", {}).get("S", "")

    def release(self, key: str, receipt: Receipt) -> None:
        """Give a claim back, and say what the push waits for."""
        about = {"source": receipt.source, "event_id": receipt.event_id}
        self._end(key, _PARKED, "lease_until, #owner", error_code=receipt.error_code or "", **about)

    def clear_parked(self, key: str) -> None:
        """Forget that a push was parked, as its time would make it; what is claimed or settled stands."""
        with suppress(ConditionFailed):
            self._table.update(
                Key={"pk": text(PREFIX + key)},
                UpdateExpression="SET expires_at = :now REMOVE unknown_sends",
                ConditionExpression="#status = :parked",
                ExpressionAttributeNames={"#status": "status"},
                ExpressionAttributeValues={
                    ":now": number(math.floor(self._now())),
                    ":parked": text(_PARKED),
                },
            )

    def count_unknown(self, key: str) -> int:
        """Count a call of unknown fate of a claimed push; return how many it has had since it was settled."""
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
            # Another worker has taken the claim over, and counts its own calls.
            return 1
        return int(item["unknown_sends"]["N"])

    def note_window(self, key: str, window: str, *, again: bool = False) -> str:
        """Note the digest's window that a claimed push goes into, and return the one that is noted."""
        try:
            item = self._table.update(
                Key={"pk": text(PREFIX + key)},
                UpdateExpression=f"SET #window = {':window' if again else 'if_not_exists(#window, :window)'}",
                ConditionExpression="#owner = :owner",
                ExpressionAttributeNames={"#window": "window", "#owner": "owner"},
                ExpressionAttributeValues={":window": text(window), ":owner": text(self._owner)},
                ReturnValues="UPDATED_NEW",
            )
        except ConditionFailed:
            raise ClaimHeld("another worker has taken over the claim of this push") from None
        return item["window"]["S"]

    def _end(self, key: str, status: str, gone: str, **about: str) -> None:
        now = math.floor(self._now())
        told = {name: value for name, value in about.items() if value}
        with suppress(ConditionFailed):
            self._table.update(
                Key={"pk": text(PREFIX + key)},
                UpdateExpression="SET #status = :status, since = :now, expires_at = :expires"
                + "".join(f", #{name} = :{name}" for name in told)
                + f" REMOVE {gone}",
                ConditionExpression="#owner = :owner",
                ExpressionAttributeNames={
                    "#status": "status",
                    "#owner": "owner",
                    **({"#window": "window"} if "#window" in gone else {}),
                    **{f"#{name}": name for name in told},
                },
                ExpressionAttributeValues={
                    ":status": text(status),
                    ":owner": text(self._owner),
                    ":now": number(now),
                    ":expires": number(now + LEDGER_MEMORY_SECS),
                    **{f":{name}": text(value) for name, value in told.items()},
                },
            )
