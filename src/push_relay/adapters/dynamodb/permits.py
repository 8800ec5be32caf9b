"""The permits of an account in DynamoDB, one item. A change is one conditional update.

| attribute        | type   | meaning                                                                     |
|------------------|--------|-----------------------------------------------------------------------------|
| `pk`             | string | `connections#<account>`                                                     |
| `owner_<number>` | string | the worker that has leased the connection                                   |
| `until_<number>` | number | the end of the lease; absent if the connection is free                      |
| `stamp`          | string | differs with each write of this version; absent: this version wrote nothing |
| `calls`          | map    | by day: a map of `used`, `drawn`, `elsewhere`, `sources`, `others`          |
| `cooldown`       | map    | the fields of `Cooldown`; those that are empty or 0 are left out            |
| `announced`      | bool   | whether events were announced; absent: no                                   |
| `woken`          | number | until when a wake-up is expected; absent: none is                           |
| `crashed`        | bool   | whether a worker died while it drained; absent: no                          |

The item never expires, because the version before keeps its leases in it. That version knows `owner_` and
`until_`, changes them without the stamp, and ignores the rest. So a change covers the stamp and each lease
that it changes.

Calls are drawn from the item `quota#<account>#<day>`, in which the version before counts each of its calls:

| attribute        | type   | meaning                                                               |
|------------------|--------|-----------------------------------------------------------------------|
| `calls`          | number | all calls of the day: those of the version before, and the drawn ones |
| `calls#<source>` | number | calls of the version before that count for a source with a budget     |
| `expires_at`     | number | TTL, in seconds since the epoch                                       |
"""

import math
from collections.abc import Callable, Iterator, Mapping
from datetime import date
from typing import Any

from push_relay.adapters.dynamodb.table import ConditionFailed, Item, LedgerTable, Value, number, text
from push_relay.core.delivery.cooldown import Cooldown
from push_relay.core.delivery.permits import DayCalls, Drawn, Lease, Permits, WriteUnknown
from push_relay.core.errors import LedgerUnavailable

#: Seconds that a day's counts are kept after the last draw.
KEPT_SECS = 3 * 86_400
#: Attempts of a draw. Between two of them others have drawn so many that this one did not fit any more.
_ATTEMPTS = 10
_OF_SOURCE = "calls#"


class DynamoDbPermits:
    """The permits of one account. Every method raises LedgerUnavailable."""

    def __init__(self, table: LedgerTable, account: str, now: Callable[[], float]) -> None:
        self._table = table
        self._account = account
        self._now = now
        self._key = {"pk": text(f"connections#{account}")}

    def read(self) -> Permits:
        """Return the permits as they are now."""
        return self._permits(self._table.get(Key=self._key))

    def swap(self, before: Permits, after: Permits) -> Permits:
        """Replace the permits if they are still `before`; return those that are stored afterwards.

        If the answer to a write is lost, AWS's client repeats the write. Then the stamp shows that the stored
        permits are this worker's own.
        """
        update = _Update()
        update.expect("stamp", text(before.stamp) if before.stamp else None)
        for connection in sorted({*before.leases, *after.leases}):
            old, new = before.leases.get(connection), after.leases.get(connection)
            if old != new:
                owner, until = f"owner_{connection}", f"until_{connection}"
                update.expect(until, number(old.until) if old else None)
                if old:
                    update.expect(owner, text(old.owner))
                update.set(owner, text(new.owner) if new else None)
                update.set(until, number(new.until) if new else None)
        update.set("stamp", text(after.stamp))
        update.set("calls", {"M": {day: _map(calls) for day, calls in after.calls.items()}})
        update.set("cooldown", _map(after.cooldown))
        update.set("announced", {"BOOL": True} if after.announced else None)
        update.set("woken", number(after.woken) if after.woken else None)
        update.set("crashed", {"BOOL": True} if after.crashed else None)
        try:
            item = self._table.update(Key=self._key, **update.arguments())
        except ConditionFailed as exc:
            found = self._permits(exc.item)
            if exc.is_repeated and found.stamp != after.stamp:
                raise WriteUnknown(found) from None
            return found
        return self._permits(item)

    def draw(self, day: date, count: int, limit: int) -> Drawn:
        """Count calls of a day, as many as the limit allows.

        If the answer is lost, AWS's client repeats the write, and the calls are counted twice.
        """
        count = min(count, limit)
        for _ in range(_ATTEMPTS):
            try:
                item = self._drawn(day, count, limit)
            except ConditionFailed as exc:
                total = _integer(exc.item.get("calls"))
                if total >= limit:
                    return Drawn(0, total, _sources(exc.item))
                count = min(count, limit - total)
            else:
                return Drawn(count, _integer(item.get("calls")), _sources(item))
        raise LedgerUnavailable("too many workers draw the account's calls at once")

    def _drawn(self, day: date, count: int, limit: int) -> Item:
        return self._table.update(
            Key={"pk": text(f"quota#{self._account}#{day.isoformat()}")},
            UpdateExpression="ADD calls :count SET expires_at = :expires",
            ConditionExpression="attribute_not_exists(calls) OR calls <= :most",
            ExpressionAttributeValues={
                ":count": number(count),
                ":most": number(limit - count),
                ":expires": number(math.floor(self._now()) + KEPT_SECS),
            },
            ReturnValues="ALL_NEW",
            ReturnValuesOnConditionCheckFailure="ALL_OLD",
        )

    def _permits(self, item: Item) -> Permits:
        cooldown: Any = item.get("cooldown", {}).get("M", {})
        if "stamp" not in item:
            # The version before may be in the middle of an outage.
            cooldown = self._table.get(Key={"pk": text(f"cooldown#{self._account}")})
        days: Any = item.get("calls", {}).get("M", {})
        return Permits(
            leases=dict(_leases(item)),
            calls={day: DayCalls(**_fields(DayCalls, each["M"])) for day, each in days.items()},
            cooldown=Cooldown(**_fields(Cooldown, cooldown)),
            announced=bool(item.get("announced", {}).get("BOOL")),
            woken=_integer(item.get("woken")),
            crashed=bool(item.get("crashed", {}).get("BOOL")),
            stamp=item.get("stamp", {}).get("S", ""),
        )


def _leases(item: Item) -> Iterator[tuple[int, Lease]]:
    for name, value in item.items():
        connection = name.removeprefix("until_")
        if connection != name and connection.isdigit():
            owner = item.get(f"owner_{connection}", {}).get("S", "")
            yield int(connection), Lease(owner, _integer(value))


def _sources(item: Item) -> dict[str, int]:
    return {
        name.removeprefix(_OF_SOURCE): _integer(value)
        for name, value in item.items()
        if name.startswith(_OF_SOURCE)
    }


def _integer(value: Any) -> int:
    return int(value["N"]) if value else 0


def _map(fields: DayCalls | Cooldown) -> Value:
    """Return DynamoDB's form of fields; those that are empty or 0 are left out."""
    return {"M": {name: _value(value) for name, value in fields._asdict().items() if value}}


def _value(value: Any) -> Value:
    if isinstance(value, Mapping):
        return {"M": {name: number(each) for name, each in value.items()}}
    return number(value) if isinstance(value, int) else text(value)


def _fields(names: type[DayCalls | Cooldown], stored: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a map or an item. Those that a later version may have added are ignored."""
    return {name: _python(value) for name, value in stored.items() if name in names._fields}


def _python(value: Any) -> Any:
    if "M" in value:
        return {name: int(each["N"]) for name, each in value["M"].items()}
    return int(value["N"]) if "N" in value else value["S"]


class _Update:
    """The parts of one conditional update. Each value is in it once, because 50 leases have few owners."""

    def __init__(self) -> None:
        self._sets: list[str] = []
        self._removes: list[str] = []
        self._conditions: list[str] = []
        self._names: dict[str, str] = {}
        self._values: dict[str, Value] = {}

    def expect(self, attribute: str, value: Value | None) -> None:
        """Require that an attribute has a value, or that it is absent."""
        name = self._name(attribute)
        is_as_expected = f"{name} = {self._place(value)}" if value else f"attribute_not_exists({name})"
        self._conditions.append(is_as_expected)

    def set(self, attribute: str, value: Value | None) -> None:
        """Set or remove an attribute."""
        name = self._name(attribute)
        if value:
            self._sets.append(f"{name} = {self._place(value)}")
        else:
            self._removes.append(name)

    def arguments(self) -> dict[str, Any]:
        """Return the arguments of the call."""
        update = "SET " + ", ".join(self._sets)
        if self._removes:
            update += " REMOVE " + ", ".join(self._removes)
        return {
            "UpdateExpression": update,
            "ConditionExpression": " AND ".join(self._conditions),
            "ExpressionAttributeNames": self._names,
            "ExpressionAttributeValues": self._values,
            "ReturnValues": "ALL_NEW",
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        }

    def _name(self, attribute: str) -> str:
        self._names[f"#{attribute}"] = attribute
        return f"#{attribute}"

    def _place(self, value: Value) -> str:
        known = next((place for place, given in self._values.items() if given == value), None)
        place = known or f":v{len(self._values)}"
        self._values[place] = value
        return place
