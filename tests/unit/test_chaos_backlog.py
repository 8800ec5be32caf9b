"""The backlog in the chaos run: its tick, its queries, and what goes wrong when events are stored."""

import random
from typing import Any

import pytest

from chaos import aws_faults
from chaos.fault_injector import FaultInjector
from chaos.local_queries import translate
from chaos.ticks import TICK
from chaos_runs import Injector


def test_the_tick_is_the_one_of_the_template() -> None:
    """The relay takes it for a wake-up of every account."""
    assert TICK["Records"][0]["messageId"] == "tick"
    assert '"wake":"*"' in TICK["Records"][0]["body"]


@pytest.mark.parametrize(
    ("always", "count", "left"), [(True, 3, [0, 1]), (True, 2, [0]), (True, 1, []), (False, 3, [])]
)
def test_dynamodb_leaves_some_requests_unprocessed(*, always: bool, count: int, left: list[int]) -> None:
    """At least one is processed, and the worker is killed after the call."""
    injector: Any = Injector(always=always)
    writes = aws_faults._BatchWrites(injector)
    requests = [{"PutRequest": number} for number in range(count)]
    params: Any = {"RequestItems": {"backlog": requests}}
    writes._leave(params)
    answer: dict[str, Any] = {"UnprocessedItems": {}}
    writes._report(answer)
    assert [each["PutRequest"] for each in answer["UnprocessedItems"].get("backlog", [])] == left
    sent = [each["PutRequest"] for each in params["RequestItems"]["backlog"]]
    assert sorted(sent + left) == list(range(count))
    assert len(requests) == count
    assert injector.killed == (["after_batch_write"] if always else [])


def test_a_worker_is_killed_only_at_a_listed_step() -> None:
    """The report counts the kills by step, so a name must not be written in two ways."""
    unused: Any = None
    injector = FaultInjector(unused, unused, random.Random(1), 0.0, 0.0)  # noqa: S311 - not secret
    injector.at("before_swap")
    with pytest.raises(ValueError, match="before_swp"):
        injector.at("before_swp")


def test_a_query_has_the_same_conditions_in_the_older_form() -> None:
    """The local DynamoDB takes a tenth of a second for the other form if a thousand events wait."""
    params: Any = {
        "TableName": "backlog",
        "KeyConditionExpression": "shelf = :shelf AND #position < :position",
        "ExpressionAttributeNames": {"#position": "position"},
        "ExpressionAttributeValues": {":shelf": {"S": "a"}, ":position": {"S": "b"}},
    }
    translate(params)
    assert params == {
        "TableName": "backlog",
        "KeyConditions": {
            "shelf": {"AttributeValueList": [{"S": "a"}], "ComparisonOperator": "EQ"},
            "position": {"AttributeValueList": [{"S": "b"}], "ComparisonOperator": "LT"},
        },
    }
