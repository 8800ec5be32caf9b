"""The ledger on DynamoDB: a push is claimed before it is sent, and settled after.

One item a push: `pk` (the push's key), `status` (claimed, or the outcome it was settled with), `lease_until`
(the claim's end) and `expires_at` (the TTL). All moments are whole seconds since the epoch. Nothing relies
on the TTL's deletion happening on time: an item past `expires_at` counts as absent.
"""

import math
import secrets
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from push_relay.adapters import aws
from push_relay.core.errors import LedgerUnavailable
from push_relay.core.outcomes import Outcome
from push_relay.core.relay import Claim

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.type_defs import AttributeValueTypeDef

#: Seconds that the ledger remembers a settled push: an event that comes again within them is a duplicate.
MEMORY = 14 * 24 * 3600

_CLAIMED = "claimed"


class DynamoDbLedger:
    """Claims and settlements, each one conditional write."""

    def __init__(self, table: str, now: Callable[[], float]) -> None:
        self._table = table
        self._now = now
        # Whose claim it is, so that a worker whose lease has ended cannot undo its successor's.
        self._owner = secrets.token_hex(8)

    def claim(self, key: str, lease: float) -> Claim:
        """Claim a push for `lease` seconds: granted where nobody has it and it is not settled."""
        now = math.floor(self._now())
        failed = self._write(
            "put_item",
            Item={
                "pk": {"S": key},
                "status": {"S": _CLAIMED},
                "owner": {"S": self._owner},
                "lease_until": {"N": str(now + math.ceil(lease))},
                "expires_at": {"N": str(now + MEMORY)},
            },
            ConditionExpression="attribute_not_exists(pk) OR expires_at <= :now"
            " OR (#status = :claimed AND lease_until <= :now)",
            ExpressionAttributeNames={"#status": "status"},
            ExpressionAttributeValues={":now": {"N": str(now)}, ":claimed": {"S": _CLAIMED}},
            ReturnValuesOnConditionCheckFailure="ALL_OLD",
        )
        if failed is None:
            return Claim.GRANTED
        return Claim.HELD if failed.get("status", {}).get("S") == _CLAIMED else Claim.SETTLED

    def settle(self, key: str, outcome: Outcome) -> None:
        """Record a claimed push's end. A claim that another worker has taken over is left to it."""
        self._write(
            "update_item",
            Key={"pk": {"S": key}},
            UpdateExpression="SET #status = :outcome, expires_at = :expires REMOVE lease_until, #owner",
            ConditionExpression="#owner = :owner",
            ExpressionAttributeNames={"#status": "status", "#owner": "owner"},
            ExpressionAttributeValues={
                ":outcome": {"S": outcome},
                ":expires": {"N": str(math.floor(self._now()) + MEMORY)},
                ":owner": {"S": self._owner},
            },
        )

    def release(self, key: str) -> None:
        """Give a claim back: the push was not sent, or is to be sent again."""
        self._write(
            "delete_item",
            Key={"pk": {"S": key}},
            ConditionExpression="#status = :claimed AND #owner = :owner",
            ExpressionAttributeNames={"#status": "status", "#owner": "owner"},
            ExpressionAttributeValues={":claimed": {"S": _CLAIMED}, ":owner": {"S": self._owner}},
        )

    def _write(self, operation: str, **arguments: Any) -> "dict[str, AttributeValueTypeDef] | None":
        """Write; return the item that stood in the way where the condition failed, else None."""
        from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 (loaded with the client)

        try:
            getattr(aws.dynamodb(), operation)(TableName=self._table, **arguments)
        except ClientError as exc:
            if aws.error_name(exc) == "ConditionalCheckFailedException":
                return dict(exc.response.get("Item", {}))
            raise LedgerUnavailable(f"the ledger did not answer ({aws.error_name(exc)})") from None
        except BotoCoreError as exc:
            raise LedgerUnavailable(f"the ledger did not answer ({aws.error_name(exc)})") from None
        return None
