"""The account's connections, counted over the whole fleet, on DynamoDB.

One item, `connections#<account>`, with a lease for each connection: who holds one may call the vendor until
the lease ends. A worker that is killed gives its own back by the lease's end.
"""

import math
import random
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from push_relay.adapters.table import ConditionFailed, Table, number, text
from push_relay.core.errors import LedgerUnavailable
from push_relay.core.sender import RESERVE, TimeLeft

#: Seconds to wait for a connection before what is to be sent is parked.
PATIENCE = 10.0
#: Seconds between two looks.
_PAUSE = 0.25
#: Seconds by which clocks of the fleet may differ.
_SKEW = 2


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
        waited = 0.0
        while True:
            numbers = random.sample(range(self._limit), self._limit)
            taken: list[int] = []
            try:
                for connection in numbers:
                    if len(taken) < wanted and self._lease(connection, owner, time_left()):
                        taken.append(connection)
            except LedgerUnavailable:
                # Whether the one that failed was taken, nobody knows.
                self._give_back(numbers, owner)
                raise
            if taken or waited >= patience:
                return taken
            pause = _PAUSE * (0.5 + random.random())  # noqa: S311 (so that waiting workers don't march in step)
            self._sleep(pause)
            waited += pause

    def _lease(self, connection: int, owner: str, seconds: float) -> bool:
        now = math.floor(self._now())
        names = {"#until": f"until_{connection}", "#owner": f"owner_{connection}"}
        try:
            # Its own lease is free to it too: AWS's client sends anew what was taken, but not answered.
            self._table.update(
                Key=self._key,
                UpdateExpression="SET #until = :until, #owner = :owner",
                ConditionExpression="attribute_not_exists(#until) OR #until < :now OR #owner = :owner",
                ExpressionAttributeNames=names,
                ExpressionAttributeValues={
                    ":until": number(now + math.ceil(seconds) + _SKEW),
                    ":owner": text(owner),
                    ":now": number(now - _SKEW),
                },
            )
        except ConditionFailed:
            return False
        return True

    def _give_back(self, taken: list[int], owner: str) -> None:
        for connection in taken:
            names = {"#until": f"until_{connection}", "#owner": f"owner_{connection}"}
            # Where it cannot be given back, its lease ends by itself.
            with suppress(ConditionFailed, LedgerUnavailable):
                self._table.update(
                    Key=self._key,
                    UpdateExpression="REMOVE #until, #owner",
                    ConditionExpression="#owner = :owner",
                    ExpressionAttributeNames=names,
                    ExpressionAttributeValues={":owner": text(owner)},
                )
