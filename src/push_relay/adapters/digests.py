"""Windows of digests on DynamoDB: one item each, `digest#<id>`, with an attribute for each gathered push.

The item holds what will be said and to whom, so it is payload: encrypted at rest, and gone by its TTL.
"""

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict

from push_relay.adapters.table import ConditionFailed, Table, number, text
from push_relay.core.digest import Entry, Window
from push_relay.core.push import Message, Recipient, RecipientKind

#: Seconds that a window is kept after its end.
KEPT = 14 * 24 * 3600
_ENTRY = "push_"


class DynamoDbDigests:
    """Windows, each step one conditional write that can be repeated."""

    def __init__(self, table: Table, now: Callable[[], float]) -> None:
        self._table = table
        self._now = now

    def add(self, window: Window, entry: Entry) -> bool | None:
        """Add an entry, once; tell whether the window's end is scheduled, None where it is closed."""
        try:
            item = self._table.update(
                Key=_key(window.id),
                UpdateExpression="SET #entry = if_not_exists(#entry, :entry), recipient_kind = :kind,"
                " recipient_value = :value, due = :due, high = :high, expires_at = :expires,"
                " is_scheduled = if_not_exists(is_scheduled, :no)",
                ConditionExpression="attribute_not_exists(closed)",
                ExpressionAttributeNames={"#entry": _ENTRY + entry.key},
                ExpressionAttributeValues={
                    ":entry": text(json.dumps(asdict(entry))),
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
            # Closed with it inside: whoever added it died before they could say so.
            return True if _ENTRY + entry.key in exc.item else None
        return bool(item["is_scheduled"]["BOOL"])

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


def _key(window_id: str) -> dict[str, dict[str, str]]:
    return {"pk": {"S": f"digest#{window_id}"}}


def _entry(written: str) -> Entry:
    fields = json.loads(written)
    return Entry(**{**fields, "message": Message(**fields["message"])})
