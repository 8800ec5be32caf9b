"""Make the local DynamoDB's queries fast: it parses a key condition's expression again for each item.

With a thousand events in the backlog, that takes longer than everything else. The older form of the same
condition, which DynamoDB still takes, is not parsed.
"""

import re
from typing import Any, Final

from chaos.hooked_client import hooked

_PART: Final = re.compile(r"(\S+) ([=<>]) (:\w+)")
_OPERATORS: Final = {"=": "EQ", "<": "LT", ">": "GT"}


def hook_queries(client: Any) -> None:
    """Let boto3's client of DynamoDB send key conditions in the older form."""
    client.meta.events.register("before-parameter-build.dynamodb.Query", translate)


def hook_own_queries() -> None:
    """Let the relay's client of DynamoDB do the same."""
    hooked("dynamodb").before("Query", translate)


def translate(params: dict[str, Any], **_: Any) -> None:
    """Replace the expression of a query by conditions."""
    names = params.pop("ExpressionAttributeNames", {})
    values = params.pop("ExpressionAttributeValues")
    conditions = {}
    for part in params.pop("KeyConditionExpression").split(" AND "):
        name, operator, value = _PART.fullmatch(part).groups()  # type: ignore[union-attr] # or the run fails
        conditions[names.get(name, name)] = {
            "AttributeValueList": [values[value]],
            "ComparisonOperator": _OPERATORS[operator],
        }
    params["KeyConditions"] = conditions
