"""The ledger, as a person on call reads it: the pushes that wait, and what a push was settled with."""

import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from push_relay.adapters.dynamodb.ledger import PREFIX
from push_relay.core.event import safe_id
from relayctl.deadletters.dead_letter import DeadLetterSummary

_PARKED: Final = "parked"


class LedgerReader:
    """Reads one ledger table. Never writes.

    What is past its `expires_at` is forgotten, as for the relay: DynamoDB deletes it within days only.
    """

    def __init__(self, client: Any, table: str, now: Callable[[], float] = time.time) -> None:
        """Read a table by a DynamoDB client."""
        self._client = client
        self._table = table
        self._now = now

    def parked(self) -> Iterator[DeadLetterSummary]:
        """Return the pushes that were claimed and wait. A scan: it reads the whole table, page by page."""
        pages = self._client.get_paginator("scan").paginate(
            TableName=self._table,
            FilterExpression="begins_with(pk, :push) AND #status = :parked",
            ProjectionExpression="pk, #source, event_id, error_code, since, expires_at",
            ExpressionAttributeNames={"#status": "status", "#source": "source"},
            ExpressionAttributeValues={
                ":push": {"S": PREFIX},
                ":parked": {"S": _PARKED},
            },
        )
        for page in pages:
            # The page's own answer tells the time, so it is asked for after the page.
            yield from (_entry(item) for item in page.get("Items", []) if not self._is_forgotten(item))

    def status(self, key: str, forget_before: float = 0.0) -> str | None:
        """Return a push's status in the ledger; None if it has none, or was settled before a moment."""
        item = self._client.get_item(
            TableName=self._table,
            Key={"pk": {"S": PREFIX + key}},
            ProjectionExpression="#status, expires_at, since",
            ExpressionAttributeNames={"#status": "status"},
        ).get("Item", {})
        if self._is_forgotten(item):
            return None
        if float(item.get("since", {}).get("N", "inf")) < forget_before:
            return None
        status = item.get("status", {}).get("S")
        return str(status) if status else None

    def _is_forgotten(self, item: Mapping[str, Any]) -> bool:
        return int(item.get("expires_at", {}).get("N", 0)) <= self._now()


def _entry(item: Mapping[str, Any]) -> DeadLetterSummary:
    return DeadLetterSummary(
        id=item["pk"]["S"].removeprefix(PREFIX),
        error_code=item.get("error_code", {}).get("S", "-"),
        source=item.get("source", {}).get("S", "-"),
        event_id=safe_id(item.get("event_id", {}).get("S", ""), "-"),
        since=float(item.get("since", {}).get("N", 0)),
    )
