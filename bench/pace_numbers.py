"""The arithmetic of the goals: from the times of calls to busy connections, serial trips and order."""

import json
import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any, Final, NamedTuple

#: Bytes of an item that one write unit pays for.
_UNIT_BYTES: Final = 1024
#: An item of a transaction costs this many times as much.
_IN_TRANSACTION: Final = 2
#: The read unit of a read that may be eventually consistent.
_EVENTUALLY_CONSISTENT: Final = 0.5


class Span(NamedTuple):
    """A time from `began` to `ended`, in seconds."""

    began: float
    ended: float


class TableCall(NamedTuple):
    """A call of DynamoDB: its name, its write units, and its time on the machine's monotonic clock."""

    name: str
    units: int
    span: Span


def total_secs(calls: Collection[Span]) -> float:
    """Return the seconds from the beginning of the first call to the end of the last one."""
    return max(call.ended for call in calls) - min(call.began for call in calls)


def busy_percent(calls: Collection[Span], connections: int) -> float:
    """Return the share of the connections' time in which the vendor had a call, in percent."""
    in_calls = sum(call.ended - call.began for call in calls)
    return round(100 * in_calls / (connections * total_secs(calls)), 1)


def busy_secs(calls: Collection[Span], interval: Span) -> float:
    """Return the seconds that calls lasted inside an interval, all together."""
    return sum(max(0.0, min(call.ended, interval.ended) - max(call.began, interval.began)) for call in calls)


def serial_trips(table: Collection[Span], vendor: Collection[Span]) -> int:
    """Return how many of the table's calls the pushes waited for, one after the other.

    Calls that overlap are one trip. A call does not count if the vendor has a call for most of its time,
    because nothing waits for it then.
    """
    trips, ended = 0, -math.inf
    waited_for = (call for call in table if 2 * _shared_secs(call, vendor) < call.ended - call.began)
    # The greatest number of calls of which no two overlap: always the one next that ends first.
    for call in sorted(waited_for, key=lambda each: each.ended):
        if call.began >= ended:
            trips, ended = trips + 1, call.ended
    return trips


def _shared_secs(call: Span, others: Collection[Span]) -> float:
    """Return the seconds of a call in which at least one of the others was in progress."""
    shared, since = 0.0, call.began
    for other in sorted(others):
        began, ended = max(since, other.began), min(call.ended, other.ended)
        if ended > began:
            shared, since = shared + ended - began, ended
    return shared


def write_units(name: str, parameters: Mapping[str, Any]) -> int:
    """Return the write units of a call of DynamoDB, approximately: one for each item and KB of its request.

    The local DynamoDB does not report what a call has consumed.
    """
    factor = _IN_TRANSACTION if name in {"TransactWriteItems", "ExecuteTransaction"} else 1
    return factor * sum(
        math.ceil(len(json.dumps(part, default=str)) / _UNIT_BYTES) for part in _writes(name, parameters)
    )


def _writes(name: str, parameters: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield the part of a request for each item that it writes."""
    match name:
        case "PutItem" | "UpdateItem" | "DeleteItem":
            yield parameters
        case "BatchWriteItem":
            for items in parameters["RequestItems"].values():
                yield from items
        case "TransactWriteItems":
            yield from parameters["TransactItems"]
        case "ExecuteStatement" | "BatchExecuteStatement" | "ExecuteTransaction":
            statements = parameters.get("Statements") or parameters.get("TransactStatements") or [parameters]
            yield from (each for each in statements if not each["Statement"].upper().startswith("SELECT"))


def read_units(name: str, parameters: Mapping[str, Any]) -> float:
    """Return the read units of a call of DynamoDB, if what it reads is not larger than 4 KB."""
    if name not in {"GetItem", "Query"}:
        return 0.0
    return 1.0 if parameters.get("ConsistentRead") else _EVENTUALLY_CONSISTENT


def inversion_percent(ranks: Sequence[int], width: int) -> float:
    """Return how many neighbours are in reverse order, in percent.

    Calls that are made at the same time have no order, so fewer than `width` ranks in between do not count.

    ranks  the place at which each call should have been made, in the order in which the calls were made
    width  the number of connections
    """
    pairs = list(pairwise(ranks))
    wrong = sum(first - second >= width for first, second in pairs)
    return round(100 * wrong / max(1, len(pairs)), 1)


def percent_of(part: float, total: float) -> float:
    """Return a share in percent."""
    return round(100 * part / total, 1)
