"""Read-only access to the ledger: the parked pushes, and the status of one push."""

import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from push_relay.adapters.dynamodb.ledger_writes import PREFIX
from push_relay.core.event import safe_id
from relayctl.deadletters.dead_letter import DeadLetterSummary

_PARKED: Final = "parked"


class LedgerReader:
    """Reads one ledger table, and never writes to it.

    An item whose `expires_at` has passed is ignored, as the relay ignores it: DynamoDB deletes such an item
    only after up to two days.
    """

    def __init__(self, client: Any, table: str, now: Callable[[], float] = time.time) -> None:
        """Read a table with a DynamoDB client. `now` returns seconds since the epoch."""
        self._client = client
        self._table = table
        self._now = now

    def parked(self) -> Iterator[DeadLetterSummary]:
        """Yield the parked pushes. This scans the whole table, page by page."""
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
            # `now` may depend on the date of AWS's last answer, so it is read after the page has arrived.
            yield from (_summary(item) for item in page.get("Items", []) if not self._has_expired(item))

    def status(self, key: str, forget_before: float = 0.0) -> str | None:
        """Return a push's status, or None if the ledger has none.

        An item that was written before `forget_before` (seconds since the epoch) counts as none.
        """
        item = self._client.get_item(
            TableName=self._table,
            Key={"pk": {"S": PREFIX + key}},
            ProjectionExpression="#status, expires_at, since",
            ExpressionAttributeNames={"#status": "status"},
        ).get("Item", {})
        if self._has_expired(item):
            return None
        if float(item.get("since", {}).get("N", "inf")) < forget_before:
            return None
        status = item.get("status", {}).get("S")
        return str(status) if status else None

    def _has_expired(self, item: Mapping[str, Any]) -> bool:
        return int(item.get("expires_at", {}).get("N", 0)) <= self._now()


def _summary(item: Mapping[str, Any]) -> DeadLetterSummary:
    return DeadLetterSummary(
        id=item["pk"]["S"].removeprefix(PREFIX),
        error_code=item.get("error_code", {}).get("S", "-"),
        source=item.get("source", {}).get("S", "-"),
        event_id=safe_id(item.get("event_id", {}).get("S", ""), "-"),
        since=float(item.get("since", {}).get("N", 0)),
    )
