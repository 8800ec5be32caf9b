"""The claims of pushes and the ends of these claims, written for many pushes at a time.

The way in this module is the default: each write is one conditional update of one item. Ten updates of a
group are made at the same time, so they take about as long as one. `ledger_partiql.py` has the other way.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from push_relay.adapters.dynamodb.table import ConditionFailed, Item, LedgerTable, number, text
from push_relay.core.delivery.ledger import (
    CLAIMED,
    LEDGER_MEMORY_SECS,
    PARKED,
    REPLAYABLE,
    Claim,
    Claimed,
    ClaimRequest,
    Settlement,
)
from push_relay.core.errors import LedgerUnavailable

PREFIX = "push#"

# Free are a push without an item, one that is forgotten or parked, and one whose lease has ended.
_FREE = (
    "attribute_not_exists(pk) OR expires_at <= :now OR #status = :parked"
    " OR (#status = :claimed AND lease_until <= :now)"
)
_REPLAYED = " OR (#status IN ({}) AND (attribute_not_exists(replay_id) OR replay_id <> :replay_id))"


class ClaimWrite(NamedTuple):
    """A claim to be written.

    owner        the name of this claim, which no other claim has
    now          seconds since the epoch, rounded down
    lease_until  seconds since the epoch, rounded up
    """

    request: ClaimRequest
    owner: str
    now: int
    lease_until: int

    @property
    def pk(self) -> str:
        """Return the key of the push's item."""
        return PREFIX + self.request.key

    @property
    def replayable(self) -> tuple[str, ...]:
        """Return the statuses of settled pushes that the claim overrules."""
        return REPLAYABLE[self.request.replay]


class EndWrite(NamedTuple):
    """The end of a claim to be written.

    settlement  with its owner
    now         seconds since the epoch, rounded down
    """

    settlement: Settlement
    now: int

    @property
    def pk(self) -> str:
        """Return the key of the push's item."""
        return PREFIX + self.settlement.key

    @property
    def about(self) -> dict[str, str]:
        """Return the attributes that the item gets beside its status and times."""
        given = self.settlement
        about = {"error_code": given.error_code}
        if given.status == PARKED:
            about |= {"source": given.source, "event_id": given.event_id}
        return {name: value for name, value in about.items() if value}

    @property
    def removed(self) -> tuple[str, ...]:
        """Return the attributes that the item loses. A parked push keeps its window and unknown sends."""
        ended = ("lease_until", "owner")
        return ended if self.settlement.status == PARKED else (*ended, "window", "unknown_sends")


#: Answers of a group of writes, in its order: a value, or why there is none.
type Answers[T] = Sequence[T | LedgerUnavailable]


class GroupWrites(Protocol):
    """A way to write a group. Each method begins it, and returns a function that waits for the answers.

    Neither raises: each write has its own answer.
    """

    def begin_claims(self, writes: Sequence[ClaimWrite]) -> Callable[[], Answers[Claimed]]:
        """Begin to write claims."""
        ...

    def begin_ends(self, writes: Sequence[EndWrite]) -> Callable[[], Answers[None]]:
        """Begin to write the ends of claims. A claim that its owner no longer has is left as it is."""
        ...


class SingleWrites:
    """Writes each item by a conditional update, several at a time."""

    def __init__(self, table: LedgerTable) -> None:
        self._table = table

    def begin_claims(self, writes: Sequence[ClaimWrite]) -> Callable[[], Answers[Claimed]]:
        """Begin to write claims."""
        end = self._table.begin_updates([_claim(write) for write in writes])
        return lambda: [_claimed(write, error) for write, error in zip(writes, end(), strict=True)]

    def begin_ends(self, writes: Sequence[EndWrite]) -> Callable[[], Answers[None]]:
        """Begin to write the ends of claims."""
        end = self._table.begin_updates([_end(write) for write in writes])
        return lambda: [error if isinstance(error, LedgerUnavailable) else None for error in end()]


def _claim(write: ClaimWrite) -> Mapping[str, Any]:
    """Return the update of a claim."""
    request, condition, marked = write.request, _FREE, ""
    values = {
        ":now": number(write.now),
        ":claimed": text(CLAIMED),
        ":parked": text(PARKED),
        ":owner": text(write.owner),
        ":lease": number(write.lease_until),
        ":expires": number(write.now + LEDGER_MEMORY_SECS),
    }
    if replayable := {f":{status}": text(status) for status in write.replayable}:
        values |= replayable | {":replay_id": text(request.replay_id)}
        condition += _REPLAYED.format(", ".join(replayable))
        marked = ", replay_id = :replay_id"
    if request.forget_before > 0:
        # Only parked and settled pushes have `since`, and parked ones are free anyway.
        values[":forget_before"] = number(math.floor(request.forget_before))
        condition += " OR since < :forget_before"
    # An update instead of a put, because the window of a batched push outlives the claim of a worker.
    return {
        "Key": {"pk": text(write.pk)},
        "UpdateExpression": "SET #status = :claimed, #owner = :owner, lease_until = :lease,"
        f" expires_at = :expires{marked} REMOVE since, error_code, #source, event_id",
        "ConditionExpression": condition,
        "ExpressionAttributeNames": {"#status": "status", "#owner": "owner", "#source": "source"},
        "ExpressionAttributeValues": values,
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
    }


def _end(write: EndWrite) -> Mapping[str, Any]:
    """Return the update of the end of a claim."""
    about, removed = write.about, write.removed
    return {
        "Key": {"pk": text(write.pk)},
        "UpdateExpression": "SET #status = :status, since = :now, expires_at = :expires"
        + "".join(f", #{name} = :{name}" for name in about)
        + " REMOVE "
        + ", ".join(f"#{name}" for name in removed),
        "ConditionExpression": "#owner = :owner",
        "ExpressionAttributeNames": {f"#{name}": name for name in ("status", *about, *removed)},
        "ExpressionAttributeValues": {
            ":status": text(write.settlement.status),
            ":owner": text(write.settlement.owner),
            ":now": number(write.now),
            ":expires": number(write.now + LEDGER_MEMORY_SECS),
            **{f":{name}": text(value) for name, value in about.items()},
        },
    }


def _claimed(
    write: ClaimWrite, error: ConditionFailed | LedgerUnavailable | None
) -> Claimed | LedgerUnavailable:
    """Return the answer to a claim, from the error of its update."""
    if isinstance(error, ConditionFailed):
        return answer_of(error.item, write.owner)
    return error or Claimed(Claim.GRANTED, owner=write.owner)


def answer_of(item: Item, owner: str) -> Claimed | LedgerUnavailable:
    """Return the answer to a claim that the stored item refused; LedgerUnavailable if there is no item.

    If the item has the claim's own name, an earlier try of the same write has made the claim, and only its
    answer was lost. The client repeats such a write.
    """
    status = item.get("status", {}).get("S", "")
    if not status:
        return LedgerUnavailable("the ledger refused a claim without an item")
    if status == CLAIMED and item.get("owner", {}).get("S") == owner:
        return Claimed(Claim.GRANTED, owner=owner)
    claim = Claim.refused(status)
    return Claimed(claim, item.get("error_code", {}).get("S", "") if claim is Claim.FAILED else "")
