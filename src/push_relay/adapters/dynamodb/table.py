"""The relay's DynamoDB table: conditional writes, and DynamoDB's errors as the relay's own.

All items are in one table with one key, `pk`, whose beginning shows what an item is:

| `pk`                       | item                                   | module         |
|----------------------------|----------------------------------------|----------------|
| `push#<key>`               | a push that was claimed                | `ledger.py`    |
| `digest#<window>`          | the pushes of a batch window           | `batches.py`   |
| `quota#<account>#<day>`    | the calls of an account's day          | `calls.py`     |
| `connections#<account>`    | the leases of an account's connections | `leases.py`    |
| `cooldown#<account>`       | the cool-down of an account            | `cooldown.py`  |

`expires_at` is the TTL attribute, in seconds since the epoch. DynamoDB deletes expired items within days, and
nothing relies on the deletion.
"""

from typing import TYPE_CHECKING, Any

from push_relay.adapters import aws
from push_relay.core.errors import LedgerUnavailable

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.type_defs import AttributeValueTypeDef

type Item = "dict[str, AttributeValueTypeDef]"


class ConditionFailed(Exception):
    """The condition of a write was false; `item` is the stored item, empty if there is none."""

    def __init__(self, item: Item) -> None:
        super().__init__("the condition failed")
        self.item = item


class LedgerTable:
    """Reads and writes items of one table."""

    def __init__(self, name: str) -> None:
        self.name = name

    def update(self, **arguments: Any) -> Item:
        """Update an item; return what `ReturnValues` names. Raises ConditionFailed, LedgerUnavailable."""
        answer = self._call("update_item", **arguments)
        return dict(answer.get("Attributes", {}))

    def get(self, **arguments: Any) -> Item:
        """Return an item as it is now; empty if there is none. Raises LedgerUnavailable."""
        return dict(self._call("get_item", ConsistentRead=True, **arguments).get("Item", {}))

    def _call(self, operation: str, **arguments: Any) -> Any:
        from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 (loaded with the client)

        try:
            return getattr(aws.dynamodb(), operation)(TableName=self.name, **arguments)
        except ClientError as exc:
            if aws.error_name(exc) == "ConditionalCheckFailedException":
                raise ConditionFailed(dict(exc.response.get("Item", {}))) from None
            raise LedgerUnavailable(f"the ledger did not answer ({aws.error_name(exc)})") from None
        except BotoCoreError as exc:
            raise LedgerUnavailable(f"the ledger did not answer ({aws.error_name(exc)})") from None


def text(value: str) -> "AttributeValueTypeDef":
    """Return DynamoDB's form of a text."""
    return {"S": value}


def number(value: int) -> "AttributeValueTypeDef":
    """Return DynamoDB's form of a whole number."""
    return {"N": str(value)}
