"""The address and the names of the local AWS."""

from typing import Any, Final

HOST: Final = "127.0.0.1"
REGION: Final = "eu-west-1"
ACCOUNT: Final = "000000000000"


def create_backlog_table(client: Any, name: str) -> None:
    """Create a table for the backlog, like the one in the template, with a client of DynamoDB."""
    keys = {"shelf": "HASH", "position": "RANGE"}
    client.create_table(
        TableName=name,
        AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"} for key in keys],
        KeySchema=[{"AttributeName": key, "KeyType": kind} for key, kind in keys.items()],
        BillingMode="PAY_PER_REQUEST",
    )
