"""Windows of digests on DynamoDB, each in segments of 8 KB at the most.

A write costs a unit for each KB of the whole item, so a window in one item would throttle a storm. Its first
segment is the item `digest#<id>`, the others are `digest#<id>#<number>`:

| attribute                            | of           | meaning                                             |
|--------------------------------------|--------------|-----------------------------------------------------|
| `push_<key>`                         | each segment | a gathered push, as JSON                            |
| `gathered_bytes`                     | each segment | what its pushes take                                |
| `is_scheduled`                       | each segment | whether the window's end is known to be scheduled   |
| `closed`                             | each segment | since when no push is let in                        |
| `recipient_kind`, `recipient_value`, | each segment | the window's recipient, end and priority            |
| `due`, `high`                        |              |                                                     |
| `push_#segments`                     | the first    | the number of the last segment, if there are others |
| `expires_at`                         | each segment | the TTL                                             |

`push_#segments` is written before the segment of that number, and never after the first segment is closed.
So when the first is closed, the others are known. Its name begins like a push's: the version before, which
knows no segments, fails to read it as one and parks the window's end, instead of leaving pushes out.

The items hold what will be said and to whom, so they are payload: encrypted at rest, and gone by the TTL.
"""

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from typing import Any, NamedTuple

from push_relay.adapters.dynamodb.table import ConditionFailed, Item, LedgerTable, number, text
from push_relay.core.delivery.batching import Added, BatchedPush, Window, overflow
from push_relay.core.push import Recipient, RecipientKind, Wording

#: Seconds that a window is kept after its end.
KEPT = 14 * 24 * 3600
#: Bytes that a segment's pushes may take together, unless it holds one push alone. With the other attributes
#: it is an item of 8 KB at the most.
ROOM_BYTES = 7_600
#: Segments of a window. What has no room in them goes on into another window.
SEGMENTS = 48
#: Windows of which a worker remembers the segment that took its last push.
_REMEMBERED = 1_000
_ENTRY = "push_"
_LAST_SEGMENT = "push_#segments"
_FITS = "gathered_bytes <= :room"


class _Known(NamedTuple):
    """What a worker knows of a window: the number of its last segment, and whether its end is scheduled."""

    last: int = 0
    is_scheduled: bool = False


_NOTHING = _Known()


class DynamoDbBatches:
    """Windows, each step one conditional write that can be repeated."""

    def __init__(self, table: LedgerTable, now: Callable[[], float]) -> None:
        self._table = table
        self._now = now
        self._latest: dict[str, Window] = {}  # by a window's id: where its next push is tried first
        self._known: dict[str, _Known] = {}

    def latest(self, window: Window) -> Window:
        """Return where a window's next push is tried first: as far as this worker knows, what is not full."""
        known = self._latest.get(window.id)
        while known and known.id != window.id:
            window = replace(window, id=known.id)
            known = self._latest.get(window.id)
        return replace(window, segment=known.segment if known else 0)

    def further(self, window: Window) -> Window:
        """Return where a push goes for which a segment has no room."""
        if window.segment + 1 == SEGMENTS:
            other = overflow(window)
        else:
            other = replace(window, segment=max(window.segment + 1, self._of(window).last))
        self._remember(window, other)
        return other

    def add(self, window: Window, entry: BatchedPush) -> Added:
        """Add an entry to a segment, once; tell what became of it."""
        added = self._put(window, entry, is_new=window.segment <= self._of(window).last)
        if added is None:
            added = self._open(window) or self._put(window, entry, is_new=True) or Added.FULL
        if added in (Added.SCHEDULED, Added.UNSCHEDULED):
            self._remember(window, window)
        return added

    def _put(self, window: Window, entry: BatchedPush, *, is_new: bool) -> Added | None:
        """Put an entry into a segment; None if there is no such segment yet. `is_new`: then it is made."""
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
                # Whoever added it died before they could say so. Who closed it was told to by its schedule.
                return _lies(exc.item, is_scheduled="closed" in exc.item)
            if "closed" in exc.item:
                return Added.CLOSED
            return Added.FULL if exc.item else None
        return _lies(item)

    def _open(self, window: Window) -> Added | None:
        """Note in the first segment that there is one of this number; return CLOSED if it is closed."""
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
        """Let no more in, and return what was gathered; None where there is no such window."""
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
        """Close a segment, also one that nothing has been put into yet; return it."""
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
        return self._known.get(window.id, _NOTHING)

    def _learn(self, window: Window, item: Item) -> None:
        """Remember what the first segment says of its window."""
        if window.segment == 0 and item:
            is_scheduled = bool(item.get("is_scheduled", {}).get("BOOL"))
            self._known[window.id] = _Known(_last(item), is_scheduled)

    def _remember(self, window: Window, latest: Window) -> None:
        if len(self._latest) > _REMEMBERED:
            self._latest.clear()
            self._known.clear()
        self._latest[window.id] = latest


def _lies(item: Item, *, is_scheduled: bool = False) -> Added:
    return Added.SCHEDULED if is_scheduled or item["is_scheduled"]["BOOL"] else Added.UNSCHEDULED


def _key(window: Window) -> dict[str, Any]:
    segment = f"#{window.segment}" if window.segment else ""
    return {"pk": text(f"digest#{window.id}{segment}")}


def _expires(due: float) -> int:
    return math.ceil(due) + KEPT


def _last(item: Item) -> int:
    return int(item.get(_LAST_SEGMENT, {}).get("N", "0"))


def _entries(item: Item) -> dict[str, BatchedPush]:
    """Return a segment's entries by their keys."""
    names = sorted(name for name in item if name.startswith(_ENTRY) and name != _LAST_SEGMENT)
    entries = [_entry(item[name]["S"]) for name in names]
    return {entry.key: entry for entry in entries}


def _stored(entry: BatchedPush) -> dict[str, object]:
    """Return an item's JSON. It has the key `message`, because the version before reads and writes it."""
    fields = asdict(entry)
    fields["message"] = fields.pop("wording")
    return fields


def _entry(written: str) -> BatchedPush:
    fields = json.loads(written)
    wording = Wording(**fields.pop("message"))
    return BatchedPush(**fields, wording=wording)
