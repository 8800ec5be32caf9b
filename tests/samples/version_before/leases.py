"""The record of an account's leases in DynamoDB, one item. Each change is one conditional update.

| attribute        | type   | meaning                                                              |
|------------------|--------|----------------------------------------------------------------------|
| `pk`             | string | `connections#<account>`                                              |
| `owner_<number>` | string | the worker that has leased the connection                            |
| `until_<number>` | number | the end of the lease; absent if the connection is free               |
| `wish_<worker>`  | map    | a worker without a connection waits: since when, and how long it may |
| ... `since`      | number | milliseconds since the epoch                                         |
| ... `until`      | number | the end of the wish                                                  |
| `waiting_until`  | number | the latest end of a wish; absent if no worker waits                  |

Other moments are whole seconds since the epoch. The version before knows `owner_` and `until_` and ignores
wishes.
"""

import math
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from push_relay.adapters.dynamodb.table import ConditionFailed, Item, LedgerTable, number, text
from push_relay.core.clock import CLOCK_SKEW_SECS
from samples.version_before.values import WISH_SECS, Refused, View

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.type_defs import AttributeValueTypeDef

_WISH, _WAITING = "wish_", "waiting_until"


class DynamoDbLeaseRecord:
    """The record of one account, as one worker uses it. `limit` is how many connections the account has.

    Each write returns what the worker sees after it. Every method raises LedgerUnavailable; then it is
    unknown whether the write was made.
    """

    def __init__(
        self, table: LedgerTable, account: str, limit: int, worker: str, now: Callable[[], float]
    ) -> None:
        self._table = table
        self._key = {"pk": text(f"connections#{account}")}
        self._limit = limit
        self.worker = worker
        self._now = now
        self._waiting: list[str] = []  # wishes that are valid
        self._outdated: list[str] = []  # wishes of workers that no longer wait: the next write removes them

    def look(self) -> View:
        """Return how the connections are now."""
        return self._view(self._table.get(Key=self._key))

    def take(self, connections: Iterable[int], secs: float, *, unless_others_wait: bool = False) -> View:
        """Lease connections for so many seconds, all or none, and end the wish. Raises Refused."""
        write = self._write()
        if unless_others_wait:
            write.absent_or_ended(_WAITING, self._ended)
        for connection in connections:
            write.free_or_held(connection, self.worker, self._ended)
            write.lease(connection, self.worker, self._end(secs))
        return self._make(write.remove(_WISH + self.worker))

    def renew(self, connections: Iterable[int], secs: float) -> View:
        """Extend leases, all or none. Raises Refused if another worker has one of them."""
        write = self._write()
        for connection in connections:
            write.held(connection, self.worker)
            write.lease(connection, self.worker, self._end(secs))
        return self._make(write)

    def pass_on(self, heirs: Mapping[int, str | None], secs: float, *, wish: float | None = None) -> View:
        """Return leases, or hand them to workers that wait; all or none. Raises Refused.

        heirs  for each connection the worker that gets it, for `secs` seconds; None frees it
        wish   the moment since which this worker waits from now on
        """
        write = self._write()
        for connection, heir in heirs.items():
            write.held(connection, self.worker)
            if heir is None:
                write.free(connection)
            else:
                write.lease(connection, heir, self._end(secs))
                write.exists(_WISH + heir).remove(_WISH + heir)
        if wish is not None:
            self._set_wish(write, wish)
        return self._make(write)

    def keep(self, connection: int, until: int) -> View:
        """Reserve a connection until a moment: the vendor may still be working on a call.

        Raises Refused if the lease was lost.
        """
        # The name differs from the worker's, so that no later write of this worker ends the reservation.
        reserved = f"{self.worker}-unfinished"
        write = self._write().held(connection, self.worker, reserved)
        return self._make(write.lease(connection, reserved, until))

    def wish(self, since: float, *, renewed: bool) -> View:
        """Wait for a connection, or renew the wish. Raises Refused if there is no wish to renew."""
        write = self._write()
        if renewed:
            write.exists(_WISH + self.worker)
        self._set_wish(write, since)
        return self._make(write)

    def withdraw(self) -> View:
        """End the wish. Raises Refused if there is none: then a connection may have been handed over."""
        own = _WISH + self.worker
        return self._make(self._write().exists(own).remove(own))

    def _end(self, secs: float) -> int:
        return math.ceil(self._now() + secs)

    @property
    def _ended(self) -> int:
        """The moment that has passed on every clock of the fleet."""
        return math.floor(self._now()) - CLOCK_SKEW_SECS

    def _set_wish(self, write: "_Write", since: float) -> None:
        until = number(self._end(WISH_SECS))
        write.set(_WISH + self.worker, {"M": {"since": number(round(since * 1000)), "until": until}})
        write.set(_WAITING, until)

    def _write(self) -> "_Write":
        write = _Write()
        for wish in self._outdated:
            write.remove(wish)
        return write

    def _make(self, write: "_Write") -> View:
        wishes = self._waiting + self._outdated
        if wishes and write.removes(wishes) and not write.sets(_WAITING):
            write.remove(_WAITING)
        try:
            item = self._table.update(Key=self._key, **write.arguments())
        except ConditionFailed as exc:
            raise Refused(self._view(exc.item)) from None
        return self._view(item)

    def _view(self, item: Item) -> View:
        ended = self._ended
        ends = {c: _integer(item.get(f"until_{c}")) for c in range(self._limit)}
        owners = {c: item.get(f"owner_{c}", {}).get("S") for c in range(self._limit)}
        wishes: dict[str, Any] = {name: item[name].get("M", {}) for name in item if name.startswith(_WISH)}
        valid = {name: wish for name, wish in wishes.items() if _integer(wish.get("until")) > ended}
        self._outdated = [name for name in wishes if name not in valid and name != _WISH + self.worker]
        self._waiting = sorted(valid, key=lambda name: (_integer(valid[name].get("since")), name))
        return View(
            free=[c for c, end in ends.items() if end <= ended and owners[c] != self.worker],
            mine={c: ends[c] for c, owner in owners.items() if owner == self.worker},
            waiting=[name.removeprefix(_WISH) for name in self._waiting],
        )


def _integer(value: Any) -> int:
    return int(value["N"]) if value else 0


class _Write:
    """The parts of one conditional update."""

    def __init__(self) -> None:
        self._sets: dict[str, str] = {}
        self._removes: dict[str, None] = {}
        self._conditions: list[str] = []
        self._names: dict[str, str] = {}
        self._values: dict[str, AttributeValueTypeDef] = {}

    def lease(self, connection: int, owner: str, until: int) -> "_Write":
        return self.set(f"until_{connection}", number(until)).set(f"owner_{connection}", text(owner))

    def free(self, connection: int) -> "_Write":
        return self.remove(f"until_{connection}").remove(f"owner_{connection}")

    def set(self, attribute: str, value: "AttributeValueTypeDef") -> "_Write":
        name = self._name(attribute)
        self._removes.pop(name, None)
        self._sets[name] = self._value(value)
        return self

    def remove(self, attribute: str) -> "_Write":
        self._removes[self._name(attribute)] = None
        return self

    def exists(self, attribute: str) -> "_Write":
        self._conditions.append(f"attribute_exists({self._name(attribute)})")
        return self

    def held(self, connection: int, *owners: str) -> "_Write":
        owner = self._name(f"owner_{connection}")
        alternatives = " OR ".join(f"{owner} = {self._value(text(name))}" for name in owners)
        self._conditions.append(f"({alternatives})")
        return self

    def absent_or_ended(self, attribute: str, moment: int, alternative: str = "") -> "_Write":
        name = self._name(attribute)
        ended = f"{name} <= {self._value(number(moment))}"
        self._conditions.append(f"(attribute_not_exists({name}) OR {ended}{alternative})")
        return self

    def free_or_held(self, connection: int, owner: str, ended: int) -> "_Write":
        # A worker's own lease is free to it too, because AWS's client repeats a write whose answer was lost.
        own = f" OR {self._name(f'owner_{connection}')} = {self._value(text(owner))}"
        return self.absent_or_ended(f"until_{connection}", ended, own)

    def removes(self, attributes: Iterable[str]) -> bool:
        return all(f"#{attribute}" in self._removes for attribute in attributes)

    def sets(self, attribute: str) -> bool:
        return f"#{attribute}" in self._sets

    def arguments(self) -> dict[str, Any]:
        update = "SET " + ", ".join(f"{name} = {value}" for name, value in self._sets.items())
        parts = [update] if self._sets else []
        parts += ["REMOVE " + ", ".join(self._removes)] if self._removes else []
        given = {
            "UpdateExpression": " ".join(parts),
            "ConditionExpression": " AND ".join(self._conditions),
            "ExpressionAttributeNames": self._names,
            "ExpressionAttributeValues": self._values,
        }
        return {
            **{name: value for name, value in given.items() if value},
            "ReturnValues": "ALL_NEW",
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        }

    def _name(self, attribute: str) -> str:
        self._names[f"#{attribute}"] = attribute
        return f"#{attribute}"

    def _value(self, value: "AttributeValueTypeDef") -> str:
        known = next((name for name, given in self._values.items() if given == value), None)
        name = known or f":v{len(self._values)}"
        self._values[name] = value
        return name
