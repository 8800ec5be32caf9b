"""The arithmetic of the benchmark's goals, on records that are short enough to be counted by hand."""

import pytest

from figures import Goal
from pace_cpu import Sample, limit_percent
from pace_numbers import Span, busy_percent, inversion_percent, serial_trips, total_secs, write_units


def test_connections_are_busy_for_the_share_of_time_in_which_the_vendor_has_calls() -> None:
    """One of the two connections is idle for half a second, and the other one for a second."""
    calls = [Span(0.0, 1.0), Span(0.0, 1.0), Span(1.5, 2.0)]
    assert total_secs(calls) == 2.0
    assert busy_percent(calls, 2) == 62.5


def test_the_limit_is_the_greater_of_connections_and_cores_at_each_moment() -> None:
    """In the first second a core is busy and half of the connections, in the second one the reverse."""
    calls = [Span(0.0, 2.0), Span(1.0, 2.0)]
    samples = [
        Sample(0.0, {"aws": 5.0, "driver": 1.0}),
        Sample(1.0, {"aws": 5.9, "driver": 1.1}),
        Sample(2.0, {"aws": 6.0, "driver": 1.2}),
    ]
    assert limit_percent(samples, calls, 2, cores=2) == 95.0
    # Two processes that share one core are limited by it.
    shared = [Sample(0.0, {"aws": 0.0, "driver": 0.0}), Sample(2.0, {"aws": 1.0, "driver": 0.8})]
    assert limit_percent(shared, calls, 4, cores=1) == 90.0


def test_time_before_the_first_call_and_after_the_last_one_does_not_count() -> None:
    """The processes are also used while the driver fills the queue."""
    samples = [Sample(float(moment), {"aws": moment / 2}) for moment in range(5)]
    assert limit_percent(samples, [Span(1.5, 2.5)], 1, cores=2) == 100.0


def test_calls_that_overlap_are_one_trip() -> None:
    """The second and the fourth call begin before the one in front of them has ended."""
    table = [Span(0.0, 0.1), Span(0.01, 0.11), Span(0.2, 0.3), Span(0.25, 0.35), Span(0.36, 0.46)]
    assert serial_trips(table, []) == 3


def test_a_call_that_follows_the_first_of_two_parallel_ones_is_another_trip() -> None:
    """The longer of two calls hides nothing: the third one has waited for the shorter one."""
    assert serial_trips([Span(0.0, 0.1), Span(0.0, 0.9), Span(0.2, 0.3)], []) == 2


def test_a_table_call_that_the_vendor_calls_cover_is_not_waited_for() -> None:
    """It may begin shortly before the next call of the vendor, and end after it."""
    vendor = [Span(1.0, 2.0), Span(1.5, 3.0), Span(3.1, 4.0)]
    table = [Span(0.0, 0.1), Span(1.2, 1.3), Span(2.5, 3.4), Span(2.9, 3.11), Span(3.9, 4.3), Span(4.4, 4.5)]
    assert serial_trips(table[:4], vendor) == 1
    assert serial_trips(table, vendor) == 3


@pytest.mark.parametrize(
    ("name", "parameters", "units"),
    [
        ("UpdateItem", {"Key": "a"}, 1),
        ("PutItem", {"Item": "a" * 1500}, 2),
        ("GetItem", {"Key": "a"}, 0),
        ("BatchWriteItem", {"RequestItems": {"table": [{"PutRequest": "a"}, {"PutRequest": "a" * 1100}]}}, 3),
        ("TransactWriteItems", {"TransactItems": [{"Put": "a"}, {"Update": "b"}]}, 4),
        ("ExecuteStatement", {"Statement": "INSERT INTO a VALUE ?"}, 1),
        ("BatchExecuteStatement", {"Statements": [{"Statement": "UPDATE a"}, {"Statement": "select b"}]}, 1),
        ("ExecuteTransaction", {"TransactStatements": [{"Statement": "UPDATE a"}]}, 2),
    ],
)
def test_write_units_are_counted_by_item_and_size(
    name: str, parameters: dict[str, object], units: int
) -> None:
    """A transaction costs twice as much, and a read costs nothing."""
    assert write_units(name, parameters) == units


def test_calls_that_are_made_at_the_same_time_have_no_order() -> None:
    """Three connections may swap what they send together; a call three places too early is wrong."""
    assert inversion_percent([2, 1, 0, 3, 5], width=3) == 0.0
    assert inversion_percent([0, 4, 1, 2, 3], width=3) == 25.0


def test_a_goal_is_met_within_its_bound() -> None:
    """A value that equals its goal meets it."""

    def row(value: float, bound: str) -> object:
        return Goal("a", "what", value, 2.0, bound, 5.0).as_json()["met"]

    assert [row(2.0, "at most"), row(2.1, "at most")] == [True, False]
    assert [row(2.0, "at least"), row(1.9, "at least")] == [True, False]
