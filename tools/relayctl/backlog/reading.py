"""Read-only access to the backlog: the events that wait, without their content.

It queries the shelves that are in the registry, so it never scans the table.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from push_relay.adapters.dynamodb.backlog import DynamoDbBacklog, shelf_name
from push_relay.adapters.dynamodb.backlog_table import BacklogTable
from push_relay.core.delivery.backlog import Shelf
from push_relay.core.event import safe_id
from relayctl.deadletters.dead_letter import safe_name

#: The attributes that are read. Some are words of DynamoDB's language, so each is written as `#name`.
_ATTRIBUTES: Final = (
    "source",
    "event_id",
    "reason",
    "due",
    "expected",
    "attempt",
    "tries",
    "stored_at",
    "position",
)


@dataclass(frozen=True, slots=True)
class WaitingSummary:
    """The facts about an event that waits that are safe to print.

    due        not to be sent before it, seconds since the epoch; 0: as soon as the account permits
    expected   when it is probably sent; 0 if that is not known
    attempt    the number of its next attempt, from 1
    tries      how often a worker has taken it and did not finish it
    stored_at  when it was stored, seconds since the epoch; 0 if that is not known
    """

    account: str
    is_urgent: bool
    source: str
    event_id: str
    reason: str
    due: float
    expected: float
    attempt: int
    tries: int
    stored_at: float

    @property
    def when(self) -> float:
        """When it is probably sent, seconds since the epoch; 0: as soon as the account permits."""
        return self.expected or self.due


def shelves(table: str, account: str = "") -> list[Shelf]:
    """Return the shelves of all accounts or of one, also of an account that relay.toml no longer has.

    Raises LedgerUnavailable.
    """
    found = DynamoDbBacklog(BacklogTable(table), lambda: 0.0).shelves()
    return [shelf for shelf in found if account in ("", shelf.account)]


def summaries(client: Any, table: str, shelf: Shelf) -> Iterator[WaitingSummary]:
    """Yield what is on a shelf, in the order in which it is sent. Raises boto3's errors."""
    pages = client.get_paginator("query").paginate(
        TableName=table,
        ConsistentRead=True,
        KeyConditionExpression="shelf = :shelf",
        ProjectionExpression=", ".join(f"#{name}" for name in _ATTRIBUTES),
        ExpressionAttributeNames={f"#{name}": name for name in _ATTRIBUTES},
        ExpressionAttributeValues={":shelf": {"S": shelf_name(shelf)}},
    )
    for page in pages:
        yield from (_summary(shelf, item) for item in page.get("Items", []))


def _summary(shelf: Shelf, item: Mapping[str, Any]) -> WaitingSummary:
    return WaitingSummary(
        account=shelf.account,
        is_urgent=shelf.high,
        source=safe_name(_text(item, "source")),
        event_id=safe_id(_text(item, "event_id"), "-"),
        reason=safe_name(_text(item, "reason")),
        due=_number(item, "due"),
        expected=_number(item, "expected"),
        attempt=int(_number(item, "attempt")),
        tries=int(_number(item, "tries")),
        stored_at=_number(item, "stored_at"),
    )


def _text(item: Mapping[str, Any], attribute: str) -> str:
    return str(item.get(attribute, {}).get("S", ""))


def _number(item: Mapping[str, Any], attribute: str) -> float:
    """Return a number; 0 if the item has none."""
    return float(item.get(attribute, {}).get("N", 0))
