"""The backlog in the chaos run: when a tick is due, and what goes wrong when events are stored."""

import random
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import pytest

from chaos import aws_faults
from chaos.fault_injector import FaultInjector
from chaos.local_queries import translate
from chaos.ticks import TICK, Ticks
from chaos_runs import Injector

#: A minute begins at this time, in seconds since the epoch.
MINUTE = 1_800_000_000.0


class Shelves:
    """A backlog in memory, as DynamoDB answers queries of its first items."""

    def __init__(self, **shelves: list[tuple[float, float]]) -> None:
        self.shelves = shelves
        self.queries = 0

    def query(self, *, ExpressionAttributeValues: Any, Limit: int = 100, **_: Any) -> Any:  # noqa: N803
        """Return the first items of a shelf after a position."""
        self.queries += 1
        shelf = ExpressionAttributeValues[":shelf"]["S"]
        if shelf == "#shelves":
            return {"Items": [{"names": {"SS": sorted(self.shelves)}}] if self.shelves else []}
        after = ExpressionAttributeValues[":after"]["S"]
        found = [each for each in sorted(self.shelves[shelf]) if f"{each[0]:011.0f}#" > after]
        items = [{"due": {"N": str(due)}, "expected": {"N": str(expected)}} for due, expected in found]
        return {"Items": items[:Limit], "Count": len(items)}


class Run:
    """Ticks with a clock that the test moves."""

    def __init__(self, **shelves: list[tuple[float, float]]) -> None:
        self.now = MINUTE + 5
        self.backlog = Shelves(**shelves)
        self.services: Any = SimpleNamespace(
            run_clock=SimpleNamespace(now=lambda: self.now),
            dynamodb=self.backlog,
            settings=SimpleNamespace(backlog_table="backlog"),
            calls=0,
        )
        self.ticks = Ticks(self.services)


def test_an_empty_backlog_needs_no_tick() -> None:
    """The run ends when nothing else is due."""
    run = Run()
    assert run.ticks.next_due() is None
    assert not run.ticks.is_due()
    assert run.ticks.count() == 0


@pytest.mark.parametrize(
    ("events", "secs"),
    [
        ([(MINUTE + 90, 0.0)], 120),
        ([(MINUTE + 7200, 0.0)], 7260),
        ([(0.0, MINUTE + 7205)], 7260),
        # An event that waits for the account is first on its shelf, and must not hide one that is due before.
        ([(0.0, MINUTE + 7205), (MINUTE + 300, 0.0)], 360),
    ],
)
def test_a_tick_is_due_in_the_minute_after_the_first_event(
    events: list[tuple[float, float]], secs: float
) -> None:
    """The ticks before would find nothing, so the clock jumps over them."""
    run = Run(normal=events)
    assert run.ticks.next_due() == MINUTE + secs
    assert not run.ticks.is_due()
    run.now = MINUTE + secs
    assert run.ticks.is_due()


def test_ticks_that_change_nothing_come_at_growing_intervals() -> None:
    """Events that wait for their account would otherwise cost a tick each minute of an outage."""
    run = Run(normal=[(0.0, MINUTE - 60)])
    times = []
    for _ in range(8):
        due = run.ticks.next_due()
        assert due is not None
        run.now = max(run.now, due)
        assert run.ticks.is_due()
        run.ticks.give()
        times.append(run.now)
    intervals = [(after - before) / 60 for before, after in pairwise(times[1:])]
    assert intervals == [2, 4, 8, 16, 30, 30]
    run.services.calls += 1
    run.now = run.ticks.next_due() or 0.0
    run.ticks.give()
    assert (run.ticks.next_due() or 0.0) - run.now == 60
    assert run.ticks.given == 9


def test_the_backlog_is_read_again_only_after_an_invocation() -> None:
    """Reading it at each step would take longer than the relay's own work."""
    run = Run(normal=[(0.0, MINUTE + 600)])
    run.ticks.next_due()
    before = run.backlog.queries
    run.ticks.next_due()
    assert run.backlog.queries == before
    run.backlog.shelves["urgent"] = [(MINUTE + 60, 0.0)]
    assert run.ticks.next_due() == MINUTE + 660
    run.ticks.change()
    assert run.ticks.next_due() == MINUTE + 120


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
