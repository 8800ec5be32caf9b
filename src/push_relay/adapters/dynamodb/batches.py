"""The batch windows in DynamoDB. A window consists of segments of at most 8 KB, each of them an item.

A write costs a unit for each KB of the whole item, so DynamoDB would throttle a storm into a single item.

| attribute         | items             | meaning                                                     |
|-------------------|-------------------|-------------------------------------------------------------|
| `pk`              | the first segment | `digest#<window>`                                           |
| `pk`              | other segments    | `digest#<window>#<number>`                                  |
| `push_<key>`      | all               | a batched push, as JSON                                     |
| `gathered_bytes`  | all               | the size of its pushes                                      |
| `is_scheduled`    | all               | whether the window's end is known to be scheduled           |
| `closed`          | all               | since when no push is accepted, seconds since the epoch     |
| `recipient_kind`  | all               | the window's recipient: `user`, `email` or `external`       |
| `recipient_value` | all               | the recipient's id or address                               |
| `due`             | all               | when the window ends, seconds since the epoch               |
| `high`            | all               | whether its pushes have high priority                       |
| `push_#segments`  | the first segment | the number of the last segment; absent if there is only one |
| `expires_at`      | all               | TTL, in seconds since the epoch                             |

`push_#segments` is written before the segment of that number, and never after the first segment was closed.
So when the first segment is closed, the others are known. The attribute's name begins like a push's on
purpose: the version before knows no segments, fails to read it as a push, and parks the window's end. If it
ignored the attribute, it would leave pushes out.

The items contain wording and recipients, which are payload: encrypted at rest, and deleted by the TTL.
"""

import json
import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from push_relay.adapters.dynamodb.table import ConditionFailed, Item, LedgerTable, number, text
from push_relay.core.delivery.batching import Added, BatchedPush, Window, overflow
from push_relay.core.push import Recipient, RecipientKind, Wording
from push_relay.core.quick_dataclass import replace, values_of

#: Seconds that a window is kept after its end.
KEPT_SECS = 14 * 24 * 3600
#: Bytes of a segment's pushes, unless there is only one push in it. With the other attributes the item has at
#: most 8 KB.
ROOM_BYTES = 7_600
#: Segments of a window. Pushes that have no room in them go into another window.
MAX_SEGMENTS = 48
#: Windows of which a worker remembers the segment that its last push went into.
_MAX_REMEMBERED = 1_000
_ENTRY = "push_"
_LAST_SEGMENT = "push_#segments"
_FITS = "gathered_bytes <= :room"


class _Known(NamedTuple):
    """A worker's knowledge of a window: the number of its last segment, and whether its end is scheduled."""

    last: int = 0
    is_scheduled: bool = False


_UNKNOWN = _Known()


class DynamoDbBatches:
    """The windows, as one worker uses them. Each step is a conditional write that can be repeated."""

    def __init__(self, table: LedgerTable, now: Callable[[], float]) -> None:
        self._table = table
        self._now = now
        self._latest: dict[str, Window] = {}  # by the window's id: where its next push is tried first
        self._known: dict[str, _Known] = {}

    def latest(self, window: Window) -> Window:
        """Return the segment that is not full, as far as this worker knows."""
        known = self._latest.get(window.id)
        while known and known.id != window.id:
            window = replace(window, id=known.id)
            known = self._latest.get(window.id)
        return replace(window, segment=known.segment if known else 0)

    def further(self, window: Window) -> Window:
        """Return where a push goes if a segment has no room for it."""
        if window.segment + 1 == MAX_SEGMENTS:
            other = overflow(window)
        else:
            other = replace(window, segment=max(window.segment + 1, self._of(window).last))
        self._remember(window, other)
        return other

    def add(self, window: Window, entry: BatchedPush) -> Added:
        """Add a push to a segment, once."""
        added = self._put(window, entry, is_new=window.segment <= self._of(window).last)
        if added is None:
            added = self._open(window) or self._put(window, entry, is_new=True) or Added.FULL
        if added in (Added.SCHEDULED, Added.UNSCHEDULED):
            self._remember(window, window)
        return added

    def _put(self, window: Window, entry: BatchedPush, *, is_new: bool) -> Added | None:
        """Put a push into a segment; return None if the segment does not exist. `is_new` creates it."""
        name, written = _ENTRY + entry.key, json.dumps(_stored(entry), ensure_ascii=False)
        size = len(name) + len(written.encode())
        is_scheduled = window.segment > 0 and self._of(window).is_scheduled
        try:
            item = self._table.update(
                Key=_key(window),
                UpdateExpression="SET #entry = :entry, recipient_kind = :kind, recipient_value = :value,"
                " due = :due, high = :high, expires_at = :expires,"
                " is_scheduled = if_not_exists(is_scheduled, :scheduled) ADD gathered_bytes :size",
                ConditionExpression="attribute_not_exists(closed) AND attribute_not_exists(#entry) AND "
                + (f"(attribute_not_exists(gathered_bytes) OR {_FITS})" if is_new else _FITS),
                ExpressionAttributeNames={"#entry": name},
                ExpressionAttributeValues={
                    ":entry": text(written),
                    ":size": number(size),
                    ":room": number(ROOM_BYTES - size),
                    ":kind": text(window.recipient.kind),
                    ":value": text(window.recipient.value),
                    ":due": number(math.ceil(window.due)),
                    ":high": {"BOOL": window.high},
                    ":expires": number(_expires(window.due)),
                    ":scheduled": {"BOOL": is_scheduled},
                },
                ReturnValues="UPDATED_NEW",
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
            )
        except ConditionFailed as exc:
            self._learn(window, exc.item)
            if name in exc.item:
                # The worker that added it died before it could settle the push. A window is closed by its
                # scheduled end, so a closed one was scheduled.
                return _added(exc.item, is_scheduled="closed" in exc.item)
            if "closed" in exc.item:
                return Added.CLOSED
            return Added.FULL if exc.item else None
        return _added(item)

    def _open(self, window: Window) -> Added | None:
        """Note in the first segment that a segment of this number exists; return CLOSED if it is closed."""
        try:
            item = self._table.update(
                Key=_key(replace(window, segment=0)),
                UpdateExpression="SET #last = :number, is_scheduled = if_not_exists(is_scheduled, :no)",
                ConditionExpression="attribute_exists(due) AND attribute_not_exists(closed)"
                " AND (attribute_not_exists(#last) OR #last < :number)",
                ExpressionAttributeNames={"#last": _LAST_SEGMENT},
                ExpressionAttributeValues={":number": number(window.segment), ":no": {"BOOL": False}},
                ReturnValues="UPDATED_NEW",
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
            )
        except ConditionFailed as exc:
            item = exc.item
        if not item or "closed" in item:
            return Added.CLOSED
        self._learn(replace(window, segment=0), item)
        return None

    def scheduled(self, window: Window) -> None:
        """Note that the window's end is scheduled."""
        self._known[window.id] = self._of(window)._replace(is_scheduled=True)
        for segment in {0, window.segment}:
            self._table.update(
                Key=_key(replace(window, segment=segment)),
                UpdateExpression="SET is_scheduled = :yes",
                ExpressionAttributeValues={":yes": {"BOOL": True}},
            )

    def close(self, window_id: str) -> tuple[Window, Sequence[BatchedPush]] | None:
        """Close a window, and return its pushes; None if there is no such window."""
        nobody = Recipient(RecipientKind.USER, "")
        try:
            first = Window(window_id, nobody, self._now())
            item = self._close(first, ConditionExpression="attribute_exists(due)")
        except ConditionFailed:
            return None
        recipient = Recipient(RecipientKind(item["recipient_kind"]["S"]), item["recipient_value"]["S"])
        window = Window(window_id, recipient, float(item["due"]["N"]), bool(item["high"]["BOOL"]))
        entries = _entries(item)
        for segment in range(1, _last(item) + 1):
            entries |= _entries(self._close(replace(window, segment=segment)))
        return window, [*entries.values()]

    def _close(self, window: Window, **condition: str) -> Item:
        """Close a segment, even one that contains no push yet; return it."""
        return self._table.update(
            Key=_key(window),
            UpdateExpression="SET closed = if_not_exists(closed, :now),"
            " expires_at = if_not_exists(expires_at, :expires)",
            ExpressionAttributeValues={
                ":now": number(math.floor(self._now())),
                ":expires": number(_expires(window.due)),
            },
            ReturnValues="ALL_NEW",
            **condition,
        )

    def _of(self, window: Window) -> _Known:
        return self._known.get(window.id, _UNKNOWN)

    def _learn(self, window: Window, item: Item) -> None:
        """Remember what the first segment shows of its window."""
        if window.segment == 0 and item:
            is_scheduled = bool(item.get("is_scheduled", {}).get("BOOL"))
            self._known[window.id] = _Known(_last(item), is_scheduled)

    def _remember(self, window: Window, latest: Window) -> None:
        if len(self._latest) > _MAX_REMEMBERED:
            self._latest.clear()
            self._known.clear()
        self._latest[window.id] = latest


def _added(item: Item, *, is_scheduled: bool = False) -> Added:
    return Added.SCHEDULED if is_scheduled or item["is_scheduled"]["BOOL"] else Added.UNSCHEDULED


def _key(window: Window) -> dict[str, Any]:
    segment = f"#{window.segment}" if window.segment else ""
    return {"pk": text(f"digest#{window.id}{segment}")}


def _expires(due: float) -> int:
    return math.ceil(due) + KEPT_SECS


def _last(item: Item) -> int:
    return int(item.get(_LAST_SEGMENT, {}).get("N", "0"))


def _entries(item: Item) -> dict[str, BatchedPush]:
    """Return a segment's pushes by their keys."""
    names = sorted(name for name in item if name.startswith(_ENTRY) and name != _LAST_SEGMENT)
    entries = [_entry(item[name]["S"]) for name in names]
    return {entry.key: entry for entry in entries}


def _stored(entry: BatchedPush) -> dict[str, object]:
    """Return a push's JSON. The wording's name is `message`, which the version before reads and writes."""
    fields = values_of(entry)
    fields["message"] = values_of(fields.pop("wording"))
    return fields


def _entry(written: str) -> BatchedPush:
    fields = json.loads(written)
    wording = Wording(**fields.pop("message"))
    return BatchedPush(**fields, wording=wording)
