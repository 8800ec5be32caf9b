"""The ledger in DynamoDB. A push is one item, and each act on it one conditional update.

The item does not contain the push's content. Moments are whole seconds since the epoch.

| attribute         | pushes                      | meaning                                                  |
|-------------------|-----------------------------|----------------------------------------------------------|
| `pk`              | all                         | `push#<key>`                                             |
| `status`          | all                         | `claimed`, `parked`, an outcome, or `gathered` (batched) |
| `expires_at`      | all                         | TTL: when the ledger forgets the push                    |
| `owner`           | claimed                     | the name of the claim, which no other claim has          |
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
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress

from push_relay.adapters.dynamodb.ledger_writes import (
    PREFIX,
    ClaimWrite,
    EndWrite,
    GroupWrites,
    SingleWrites,
)
from push_relay.adapters.dynamodb.table import ConditionFailed, LedgerTable, number, text
from push_relay.core.clock import CLOCK_SKEW_SECS
from push_relay.core.delivery.ledger import PARKED, Claim, Claimed, ClaimRequest, Settlement
from push_relay.core.errors import ClaimHeld, LedgerUnavailable

#: The claims that a worker remembers. An invocation that is stopped leaves its claims in the memory of its
#: process; the oldest ones are dropped. The claims of one invocation are far fewer.
MOST_CLAIMS = 10_000


class DynamoDbLedger:
    """The ledger of one worker. `writes` is the way in which groups are written; default: single updates."""

    def __init__(
        self, table: LedgerTable, now: Callable[[], float], writes: GroupWrites | None = None
    ) -> None:
        self._table = table
        self._now = now
        self._writes = writes or SingleWrites(table)
        self._owned = OwnedClaims()

    def begin_claims(
        self, requests: Sequence[ClaimRequest]
    ) -> Callable[[], Sequence[Claimed | LedgerUnavailable]]:
        """Begin to claim pushes, in one round trip."""
        now = self._now()
        writes = [
            ClaimWrite(
                request,
                # A name for each claim, and not for each worker. Otherwise a claim that an earlier try of
                # this write has made could not be distinguished from an earlier claim of this worker.
                secrets.token_hex(8),
                math.floor(now),
                math.ceil(now + request.lease_secs) + CLOCK_SKEW_SECS,
            )
            for request in requests
        ]
        end = self._writes.begin_claims(writes)

        def claimed() -> Sequence[Claimed | LedgerUnavailable]:
            answers = end()
            for request, answer in zip(requests, answers, strict=True):
                if isinstance(answer, Claimed) and answer.claim is Claim.GRANTED:
                    self._owned.add(request.key, answer.owner)
            return answers

        return claimed

    def begin_ends(
        self, settlements: Sequence[Settlement]
    ) -> Callable[[], Sequence[LedgerUnavailable | None]]:
        """Begin to end claims, in one round trip."""
        now = math.floor(self._now())
        owned: dict[int, Settlement] = {}
        for index, settlement in enumerate(settlements):
            # Without a claim of this worker there is nothing to end.
            if owner := settlement.owner or self._owned.of(settlement.key):
                owned[index] = settlement._replace(owner=owner)
        end = self._writes.begin_ends([EndWrite(settlement, now) for settlement in owned.values()])

        def ended() -> Sequence[LedgerUnavailable | None]:
            errors = list[LedgerUnavailable | None]([None] * len(settlements))
            for (index, settlement), answer in zip(owned.items(), end(), strict=True):
                errors[index] = answer
                if answer is None:
                    self._owned.remove(settlement.key, settlement.owner)
            return errors

        return ended

    def settle(self, key: str, status: str, error_code: str = "") -> None:
        """Record the end of a claimed push, unless it was claimed again in the meantime."""
        (error,) = self.begin_ends([Settlement(key, status, error_code)])()
        if error:
            raise error

    def error_code_of(self, key: str) -> str:
        """Return the error code that a push was settled with; empty if there is none."""
        return self._table.get(Key={"pk": text(PREFIX + key)}).get("error_code", {}).get("S", "")

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
        # If another worker has claimed the push, it counts its own calls.
        if not (owner := self._owned.of(key)):
            return 1
        try:
            item = self._table.update(
                Key={"pk": text(PREFIX + key)},
                UpdateExpression="ADD unknown_sends :one",
                ConditionExpression="#owner = :owner",
                ExpressionAttributeNames={"#owner": "owner"},
                ExpressionAttributeValues={":one": number(1), ":owner": text(owner)},
                ReturnValues="UPDATED_NEW",
            )
        except ConditionFailed:
            return 1
        return int(item["unknown_sends"]["N"])

    def note_window(self, key: str, window: str, *, overwrite: bool = False) -> str:
        """Note the batch window that a claimed push goes into; return the one that is noted."""
        owner = self._owned.of(key)
        value = ":window" if overwrite else "if_not_exists(#window, :window)"
        lost = ClaimHeld("another worker has taken over the claim of this push")
        if not owner:
            raise lost
        try:
            item = self._table.update(
                Key={"pk": text(PREFIX + key)},
                UpdateExpression=f"SET #window = {value}",
                ConditionExpression="#owner = :owner",
                ExpressionAttributeNames={"#window": "window", "#owner": "owner"},
                ExpressionAttributeValues={":window": text(window), ":owner": text(owner)},
                ReturnValues="UPDATED_NEW",
            )
        except ConditionFailed:
            raise lost from None
        return item["window"]["S"]


class OwnedClaims:
    """The names of the claims that a worker was granted and has not ended. Threads may share it."""

    def __init__(self, most: int = MOST_CLAIMS) -> None:
        self._most = most
        self._owners: dict[str, str] = {}  # the oldest claim first
        self._lock = threading.Lock()

    def add(self, key: str, owner: str) -> None:
        """Remember the claim of a push, instead of the one before."""
        with self._lock:
            self._owners.pop(key, None)
            self._owners[key] = owner
            if len(self._owners) > self._most:
                del self._owners[next(iter(self._owners))]

    def of(self, key: str) -> str:
        """Return the name of the last claim of a push; empty if there is none."""
        return self._owners.get(key, "")

    def remove(self, key: str, owner: str) -> None:
        """Forget a claim that has ended. A later claim of the push stays."""
        with self._lock:
            if self._owners.get(key) == owner:
                del self._owners[key]
