"""The ledger's DynamoDB table: conditional writes, and their failures in the relay's words.

One table, one key `pk`. What kind an item is stands at the key's beginning: `push#`, `digest#`, `quota#`,
`connections#`, `cooldown#`. `expires_at` is the TTL's attribute, in seconds since the epoch; nothing relies
on the deletion happening on time.
"""

from typing import TYPE_CHECKING, Any

from push_relay.adapters import aws
from push_relay.core.errors import LedgerUnavailable

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.type_defs import AttributeValueTypeDef

#: Seconds by which clocks of the fleet, and the vendor's, may differ.
CLOCK_SKEW = 2

type Item = "dict[str, AttributeValueTypeDef]"


class ConditionFailed(Exception):
    """A conditional write found the item otherwise; `item` is how it stood."""

    def __init__(self, item: Item) -> None:
        super().__init__("the condition failed")
        self.item = item


class LedgerTable:
    """Writes to one table."""

    def __init__(self, name: str) -> None:
        self.name = name

    def update(self, **arguments: Any) -> Item:
        """Update an item; return what was asked for. Raises ConditionFailed, LedgerUnavailable."""
        answer = self._call("update_item", **arguments)
        return dict(answer.get("Attributes", {}))

    def get(self, **arguments: Any) -> Item:
        """Return an item as it is now; empty where there is none. Raises LedgerUnavailable."""
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
    """Write a text as DynamoDB has it."""
    return {"S": value}


def number(value: int) -> "AttributeValueTypeDef":
    """Write a whole number as DynamoDB has it."""
    return {"N": str(value)}
