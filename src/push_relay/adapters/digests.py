"""Windows of digests on DynamoDB: one item each, `digest#<id>`, with an attribute for each gathered push.

The item holds what will be said and to whom, so it is payload: encrypted at rest, and gone by its TTL.
`gathered_bytes` counts what its pushes take, so that it never comes near the 400 KB that an item may have.
"""

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict

from push_relay.adapters.table import ConditionFailed, Item, Table, number, text
from push_relay.core.digest import Added, Entry, Window
from push_relay.core.push import Message, Recipient, RecipientKind

#: Seconds that a window is kept after its end.
KEPT = 14 * 24 * 3600
#: Bytes that a window's pushes may take together; the longest that is gathered takes a third of them.
ROOM = 360_000
_ENTRY = "push_"


class DynamoDbDigests:
    """Windows, each step one conditional write that can be repeated."""

    def __init__(self, table: Table, now: Callable[[], float]) -> None:
        self._table = table
        self._now = now

    def add(self, window: Window, entry: Entry) -> Added:
        """Add an entry, once; tell what became of it."""
        name, written = _ENTRY + entry.key, json.dumps(asdict(entry))
        size = len(name) + len(written)
        try:
            item = self._table.update(
                Key=_key(window.id),
                UpdateExpression="SET #entry = :entry, recipient_kind = :kind, recipient_value = :value,"
                " due = :due, high = :high, expires_at = :expires,"
                " is_scheduled = if_not_exists(is_scheduled, :no) ADD gathered_bytes :size",
                ConditionExpression="attribute_not_exists(closed) AND attribute_not_exists(#entry)"
                " AND (attribute_not_exists(gathered_bytes) OR gathered_bytes <= :room)",
                ExpressionAttributeNames={"#entry": name},
                ExpressionAttributeValues={
                    ":entry": text(written),
                    ":size": number(size),
                    ":room": number(ROOM - size),
                    ":kind": text(window.recipient.kind),
                    ":value": text(window.recipient.value),
                    ":due": number(math.ceil(window.due)),
                    ":high": {"BOOL": window.high},
                    ":expires": number(math.ceil(window.due) + KEPT),
                    ":no": {"BOOL": False},
                },
                ReturnValues="UPDATED_NEW",
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
            )
        except ConditionFailed as exc:
            if name in exc.item:
                # Whoever added it died before they could say so. Who closed it was told to by its schedule.
                return _lies(exc.item, is_scheduled="closed" in exc.item)
            return Added.CLOSED if "closed" in exc.item else Added.FULL
        return _lies(item)

    def scheduled(self, window: Window) -> None:
        """Note that the window's end is scheduled."""
        self._table.update(
            Key=_key(window.id),
            UpdateExpression="SET is_scheduled = :yes",
            ExpressionAttributeValues={":yes": {"BOOL": True}},
        )

    def close(self, window_id: str) -> tuple[Window, Sequence[Entry]] | None:
        """Let no more in, and return what was gathered; None where there is no such window."""
        try:
            item = self._table.update(
                Key=_key(window_id),
                UpdateExpression="SET closed = if_not_exists(closed, :now)",
                ConditionExpression="attribute_exists(due)",
                ExpressionAttributeValues={":now": number(math.floor(self._now()))},
                ReturnValues="ALL_NEW",
            )
        except ConditionFailed:
            return None
        recipient = Recipient(RecipientKind(item["recipient_kind"]["S"]), item["recipient_value"]["S"])
        window = Window(window_id, recipient, float(item["due"]["N"]), bool(item["high"]["BOOL"]))
        entries = [_entry(item[name]["S"]) for name in sorted(item) if name.startswith(_ENTRY)]
        return window, entries


def _lies(item: Item, *, is_scheduled: bool = False) -> Added:
    return Added.SCHEDULED if is_scheduled or item["is_scheduled"]["BOOL"] else Added.UNSCHEDULED


def _key(window_id: str) -> dict[str, dict[str, str]]:
    return {"pk": {"S": f"digest#{window_id}"}}


def _entry(written: str) -> Entry:
    fields = json.loads(written)
    return Entry(**{**fields, "message": Message(**fields["message"])})
