"""The table of the ledger and the permits: conditional writes, and DynamoDB's errors as the relay's own.

All items have one key, `pk`, whose beginning shows what an item is:

| `pk`                       | item                                              | module         |
|----------------------------|---------------------------------------------------|----------------|
| `push#<key>`               | a push that was claimed                           | `ledger.py`    |
| `digest#<window>`          | the pushes of a batch window                      | `batches.py`   |
| `connections#<account>`    | the permits of an account                         | `permits.py`   |
| `quota#<account>#<day>`    | the calls of an account's day that were drawn     | `permits.py`   |
| `cooldown#<account>`       | the cool-down that the version before has written | `permits.py`   |

`expires_at` is the TTL attribute, in seconds since the epoch. DynamoDB deletes expired items within days, and
nothing relies on the deletion.
"""

import base64
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, TypedDict

from push_relay.adapters import aws
from push_relay.core.errors import LedgerUnavailable


class Value(TypedDict, total=False):
    """DynamoDB's form of a value, such as `{"S": "text"}`. Bytes are in Base64."""

    S: str
    N: str
    B: str
    BOOL: bool
    SS: list[str]
    M: "dict[str, Value]"


type Item = dict[str, Value]


class ConditionFailed(Exception):
    """The condition of a write was false.

    item         the stored item, empty if there is none
    is_repeated  whether AWS's client repeated the write. Then the first one may have been made
    """

    def __init__(self, item: Item, *, is_repeated: bool = False) -> None:
        super().__init__("the condition failed")
        self.item = item
        self.is_repeated = is_repeated


class Statement(NamedTuple):
    """A PartiQL statement that writes one item. `parameters` are the values of its question marks."""

    text: str
    parameters: Sequence[Value]


class StatementAnswer(NamedTuple):
    """The answer to a statement.

    code  DynamoDB's name of its error; empty if it was executed
    item  the stored item if its condition was false; empty if there is none, or if DynamoDB did not return it
    """

    code: str
    item: Item


class LedgerTable:
    """Reads and writes items of one table."""

    def __init__(self, name: str) -> None:
        self.name = name

    def update(self, **arguments: Any) -> Item:
        """Update an item; return what `ReturnValues` names. Raises ConditionFailed, LedgerUnavailable."""
        answer = call("UpdateItem", TableName=self.name, **arguments)
        return dict(answer.get("Attributes", {}))

    def begin_updates(
        self, updates: Sequence[Mapping[str, Any]]
    ) -> Callable[[], Sequence[ConditionFailed | LedgerUnavailable | None]]:
        """Begin updates of items, which are made at the same time.

        Returns a function that waits for their answers: the error of each, or None. Neither raises.
        """
        end = _begin("UpdateItem", [{"TableName": self.name, **arguments} for arguments in updates])
        return lambda: [result if isinstance(result, Exception) else None for result in end()]

    def get(self, **arguments: Any) -> Item:
        """Return an item as it is now; empty if there is none. Raises LedgerUnavailable."""
        answer = call("GetItem", TableName=self.name, ConsistentRead=True, **arguments)
        return dict(answer.get("Item", {}))

    def begin_statements(
        self, statements: Sequence[Statement]
    ) -> Callable[[], Sequence[StatementAnswer | LedgerUnavailable]]:
        """Begin to execute up to 25 statements in one call.

        Returns a function that waits for their answers. Neither raises: each statement has its own answer.
        """
        written = [
            {
                "Statement": statement.text,
                "Parameters": list(statement.parameters),
                "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
            }
            for statement in statements
        ]
        end = _begin("BatchExecuteStatement", [{"Statements": written}])

        def answers() -> Sequence[StatementAnswer | LedgerUnavailable]:
            (answer,) = end()
            if isinstance(answer, LedgerUnavailable):
                return [answer] * len(statements)
            try:
                return _of_each({} if isinstance(answer, ConditionFailed) else answer, statements)
            except Exception as exc:  # noqa: BLE001 (an answer of another shape answers nothing)
                error = LedgerUnavailable(f"the ledger did not answer ({type(exc).__name__})")
                return [error] * len(statements)

        return answers


def call(operation: str, store: str = "the ledger", **arguments: Any) -> Any:
    """Call DynamoDB, and return its answer. `store` is the store's name in the text of an error.

    Raises ConditionFailed, LedgerUnavailable.
    """
    try:
        return aws.dynamodb().call(operation, **arguments)
    except aws.AwsError as exc:
        raise _error_of(exc, store) from None


def _begin(
    operation: str, calls: Sequence[Mapping[str, Any]]
) -> Callable[[], Sequence[dict[str, Any] | ConditionFailed | LedgerUnavailable]]:
    """Begin calls of DynamoDB; return a function that waits for their answers. Neither raises."""
    try:
        end = aws.dynamodb().begin(operation, calls)
    except Exception as exc:  # noqa: BLE001 (nothing was written; it is the answer to each call)
        error = exc if isinstance(exc, aws.AwsError) else aws.AwsError(type(exc).__name__)
        errors = [_error_of(error)] * len(calls)
        return lambda: errors
    return lambda: [_error_of(each) if isinstance(each, aws.AwsError) else each for each in end()]


def _error_of(error: aws.AwsError, store: str = "the ledger") -> ConditionFailed | LedgerUnavailable:
    if error.code == "ConditionalCheckFailedException":
        item = error.fields.get("Item")
        return ConditionFailed(item if isinstance(item, dict) else {}, is_repeated=error.is_repeated)
    return LedgerUnavailable(f"{store} did not answer ({error.code})")


def _of_each(
    answer: Mapping[str, Any], statements: Sequence[Statement]
) -> Sequence[StatementAnswer | LedgerUnavailable]:
    """Return the answers to statements, from the answer to their call."""
    errors = [response.get("Error") for response in answer.get("Responses", [])]
    if len(errors) != len(statements):
        return [LedgerUnavailable("the ledger did not answer each statement")] * len(statements)
    # An error without a code must not be taken for none.
    return [
        StatementAnswer("", {})
        if error is None
        else StatementAnswer(error.get("Code") or "no code", error.get("Item", {}))
        for error in errors
    ]


def text(value: str) -> Value:
    """Return DynamoDB's form of a text."""
    return {"S": value}


def number(value: int) -> Value:
    """Return DynamoDB's form of a whole number."""
    return {"N": str(value)}


def binary(value: bytes) -> Value:
    """Return DynamoDB's form of bytes."""
    return {"B": base64.b64encode(value).decode()}


def bytes_of(value: Value) -> bytes:
    """Return the bytes of a value; empty if it has none."""
    return base64.b64decode(value.get("B", ""))
