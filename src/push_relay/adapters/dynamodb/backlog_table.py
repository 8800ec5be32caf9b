"""The backlog's own DynamoDB table: items by `shelf` and `position`, read in order and written in groups."""

import time
from collections.abc import Iterator, Mapping, Sequence
from itertools import batched
from typing import Any, NamedTuple

from push_relay.adapters.dynamodb.table import Item, call, text
from push_relay.core.errors import LedgerUnavailable

#: Requests that DynamoDB accepts in one call.
_MAX_REQUESTS = 25
#: Pauses in seconds before requests are repeated that DynamoDB has left unprocessed, because it throttles.
_PAUSES_SECS = (0.05, 0.2, 0.8)


class Key(NamedTuple):
    """The key of an item."""

    shelf: str
    position: str

    @classmethod
    def of(cls, item: Mapping[str, Any]) -> "Key":
        """Return the key of an item."""
        return cls(item["shelf"]["S"], item["position"]["S"])

    def item(self) -> Item:
        """Return DynamoDB's form of the key."""
        return {"shelf": text(self.shelf), "position": text(self.position)}


class BacklogTable:
    """Reads and writes items of the backlog's table."""

    def __init__(self, name: str) -> None:
        self.name = name

    def update(self, key: Key, **arguments: Any) -> None:
        """Update an item. Raises ConditionFailed, LedgerUnavailable."""
        self._call("UpdateItem", TableName=self.name, Key=key.item(), **arguments)

    def delete(self, key: Key, **arguments: Any) -> None:
        """Delete an item. Raises ConditionFailed, LedgerUnavailable."""
        self._call("DeleteItem", TableName=self.name, Key=key.item(), **arguments)

    def query(
        self, shelf: str, *, position: str = "", after: str = "", before: str = "", limit: int = 0
    ) -> Iterator[Sequence[Item]]:
        """Yield the items of a shelf as they are now, in order and page by page; a page has at most 1 MB.

        position  only the item at it; empty: all
        after     only items whose positions sort after it; empty: all
        before    only items whose positions sort before it; empty: all
        limit     items of a page; 0: as many as fit

        Raises LedgerUnavailable.
        """
        condition, values, names = "shelf = :shelf", {":shelf": text(shelf)}, {}
        if position or before:
            condition += f" AND #position {'=' if position else '<'} :position"
            values[":position"] = text(position or before)
            names = {"ExpressionAttributeNames": {"#position": "position"}}
        start: dict[str, Any] = {"Limit": limit} if limit else {}
        if after:
            # There need not be such an item.
            start["ExclusiveStartKey"] = Key(shelf, after).item()
        while True:
            answer = self._call(
                "Query",
                TableName=self.name,
                KeyConditionExpression=condition,
                ExpressionAttributeValues=values,
                ConsistentRead=True,
                **names,
                **start,
            )
            yield answer.get("Items", [])
            if not (last := answer.get("LastEvaluatedKey")):
                return
            start["ExclusiveStartKey"] = last

    def put_all(self, items: Sequence[Item]) -> dict[Key, LedgerUnavailable]:
        """Write items; return the keys of those that are perhaps not written, with the reason. Never raises.

        Of two items of one key the later one is written, because DynamoDB refuses a call with both.
        """
        return self._write({Key.of(item): {"PutRequest": {"Item": item}} for item in items})

    def delete_all(self, keys: Sequence[Key]) -> None:
        """Delete items; those that do not exist are left out. Raises LedgerUnavailable."""
        failed = self._write({key: {"DeleteRequest": {"Key": key.item()}} for key in keys})
        for error in failed.values():
            raise error

    def _write(self, requests: Mapping[Key, Any]) -> dict[Key, LedgerUnavailable]:
        failed: dict[Key, LedgerUnavailable] = {}
        for group in batched(requests.items(), _MAX_REQUESTS, strict=False):
            left = dict(group)
            try:
                left = self._write_group(left)
                for pause in _PAUSES_SECS:
                    if not left:
                        break
                    time.sleep(pause)
                    left = self._write_group(left)
            except LedgerUnavailable as exc:
                failed |= {key: LedgerUnavailable(exc.detail) for key in left}
            else:
                failed |= {key: LedgerUnavailable("the backlog is throttled") for key in left}
        return failed

    def _write_group(self, requests: Mapping[Key, Any]) -> dict[Key, Any]:
        """Make up to 25 requests; return those that DynamoDB has left unprocessed."""
        answer = self._call("BatchWriteItem", RequestItems={self.name: [*requests.values()]})
        left = {_key_of(request) for request in answer.get("UnprocessedItems", {}).get(self.name, ())}
        return {key: request for key, request in requests.items() if key in left}

    def _call(self, operation: str, **arguments: Any) -> Any:
        return call(operation, "the backlog", **arguments)


def _key_of(request: Mapping[str, Any]) -> Key:
    """Return the key of a request to put or delete an item."""
    if put := request.get("PutRequest"):
        return Key.of(put["Item"])
    return Key.of(request["DeleteRequest"]["Key"])
