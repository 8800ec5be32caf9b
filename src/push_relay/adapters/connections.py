"""The account's connections, counted over the whole fleet, on DynamoDB.

One item, `connections#<account>`, with a lease for each connection: who holds one may call the vendor until
the lease ends. A worker that is killed gives its own back by the lease's end.
"""

import math
import random
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from push_relay.adapters.table import CLOCK_SKEW, ConditionFailed, Item, Table, number, text
from push_relay.core.errors import LedgerUnavailable
from push_relay.core.sender import RESERVE, TimeLeft

#: Seconds to wait for a connection before what is to be sent is parked.
PATIENCE = 10.0
#: Seconds between two looks: at first, and after a few of them.
_PAUSE, _LONGEST_PAUSE = 0.1, 2.0
#: Writes in one look: the first finds out what is taken, the others may each lose what it found to another.
_LOOKS = 3


class DynamoDbConnections:
    """Leases of an account's connections."""

    def __init__(
        self,
        table: Table,
        account: str,
        limit: int,
        now: Callable[[], float],
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._table = table
        self._key = {"pk": text(f"connections#{account}")}
        self._limit = limit
        self._now = now
        self._sleep = sleep

    @contextmanager
    def held(self, wanted: int, time_left: TimeLeft) -> Iterator[int]:
        """Hold up to `wanted` connections; 0 where none came free in PATIENCE seconds.

        Raises LedgerUnavailable where nobody can tell.
        """
        owner = secrets.token_hex(8)
        taken = self._take(wanted, owner, time_left)
        try:
            yield len(taken)
        finally:
            self._give_back(taken, owner)

    def _take(self, wanted: int, owner: str, time_left: TimeLeft) -> list[int]:
        patience = min(PATIENCE, time_left() - 2 * RESERVE)
        waited, pause = 0.0, _PAUSE
        while True:
            taken = self._look(wanted, owner, time_left())
            if taken or waited >= patience:
                return taken
            # Of different lengths, so that waiting workers don't march in step.
            length = min(pause * (0.5 + random.random()), patience - waited)  # noqa: S311 (not secret)
            self._sleep(length)
            waited += length
            pause = min(2 * pause, _LONGEST_PAUSE)

    def _look(self, wanted: int, owner: str, seconds: float) -> list[int]:
        """Lease up to `wanted` connections of those that are free now."""
        free = random.sample(range(self._limit), self._limit)
        try:
            # Each further write knows what the one before it found taken.
            for _ in range(_LOOKS):
                asked = free[:wanted]
                found = self._lease(asked, owner, seconds)
                if found is None:
                    return asked
                free = [number for number in free if number in found]
                if not free:
                    break
        except LedgerUnavailable:
            # Whether the one that failed was taken, nobody knows.
            self._give_back(list(range(self._limit)), owner)
            raise
        return []

    def _lease(self, asked: list[int], owner: str, seconds: float) -> set[int] | None:
        """Lease all these connections in one write; where one of them is taken, return which are free."""
        now = math.floor(self._now())
        names, until, mine = _names(asked)
        # Its own lease is free to it too: AWS's client sends anew what was taken, but not answered.
        conditions = (
            f"(attribute_not_exists({end}) OR {end} < :now OR {holder} = :owner)"
            for end, holder in zip(until, mine, strict=True)
        )
        settings = [f"{end} = :until" for end in until] + [f"{holder} = :owner" for holder in mine]
        try:
            self._table.update(
                Key=self._key,
                UpdateExpression="SET " + ", ".join(settings),
                ConditionExpression=" AND ".join(conditions),
                ExpressionAttributeNames=names,
                ExpressionAttributeValues={
                    ":until": number(now + math.ceil(seconds) + CLOCK_SKEW),
                    ":owner": text(owner),
                    ":now": number(now - CLOCK_SKEW),
                },
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
            )
        except ConditionFailed as exc:
            ends = {n: int(exc.item.get(f"until_{n}", {}).get("N", "0")) for n in range(self._limit)}
            return {n for n, end in ends.items() if end < now - CLOCK_SKEW or _held_by(exc.item, n) == owner}
        return None

    def _give_back(self, taken: list[int], owner: str) -> None:
        if not taken:
            return
        names, until, mine = _names(taken)
        try:
            self._table.update(
                Key=self._key,
                UpdateExpression="REMOVE " + ", ".join(until + mine),
                ConditionExpression=" AND ".join(f"{holder} = :owner" for holder in mine),
                ExpressionAttributeNames=names,
                ExpressionAttributeValues={":owner": text(owner)},
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
            )
        except ConditionFailed as exc:
            # Others hold some of them by now: its own are fewer than it thought, so this ends.
            self._give_back([n for n in taken if _held_by(exc.item, n) == owner], owner)
        except LedgerUnavailable:
            pass  # the leases end by themselves


def _names(connections: list[int]) -> tuple[dict[str, str], list[str], list[str]]:
    """Name the attributes of connections: all of them, their ends, their holders."""
    until, holders = [f"#until_{n}" for n in connections], [f"#owner_{n}" for n in connections]
    return {name: name[1:] for name in until + holders}, until, holders


def _held_by(item: Item, connection: int) -> str | None:
    return item.get(f"owner_{connection}", {}).get("S")
