"""The arithmetic of the benchmark's costs, on numbers that can be calculated by hand."""

from dataclasses import replace

import pytest

import cost_model
from cost_model import (
    Inventory,
    Work,
    billed_ms,
    fixed_per_month,
    per_million,
    per_month,
    pipes_per_million,
    wait_ms,
)
from prices import ASSUMPTIONS, PRICES, Price

RECEIVE = Work(events=1, cpu_ms=2.0, start_cpu_ms=200.0, wait_ms=10.0, log_bytes=1_000, queue_calls=1)
DELIVER = Work(
    events=1, cpu_ms=4.0, start_cpu_ms=300.0, wait_ms=160.0, log_bytes=2_000, write_units=4, read_units=1
)


@pytest.fixture(autouse=True)
def _round_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Prices that are easy to calculate with, so that a changed price changes no test."""
    prices = dict.fromkeys(PRICES, Price(1.0, "million"))
    assumptions = {
        **ASSUMPTIONS,
        "full_core_mb": Price(1_000, "MB"),
        "cold_share": Price(0.01, "of the invocations"),
        "table_call_ms": Price(5, "ms"),
        "queue_call_ms": Price(10, "ms"),
        "vendor_call_ms": Price(150, "ms"),
        "connections": Price(3, "calls"),
        "access_log_bytes": Price(500, "bytes"),
        "polls_a_month": Price(2_000_000, "polls"),
        "ticks_a_month": Price(500_000, "ticks"),
        "secret_calls_a_month": Price(1_000_000, "calls"),
    }
    monkeypatch.setattr(cost_model, "PRICES", prices)
    monkeypatch.setattr(cost_model, "ASSUMPTIONS", assumptions)


@pytest.mark.parametrize(("memory_mb", "expected"), [(500, 16.0), (1_000, 14.0), (2_000, 14.0)])
def test_a_share_of_a_core_makes_the_work_longer_but_not_the_waiting(memory_mb: int, expected: float) -> None:
    """A hundredth of a start of 200 ms is billed, with a full core: 2 ms."""
    assert billed_ms(RECEIVE, memory_mb) == expected


def test_a_part_of_a_millisecond_is_billed_as_a_whole_one() -> None:
    """The start's share is an average over many invocations, so it is not rounded."""
    assert billed_ms(replace(RECEIVE, cpu_ms=2.1), 1_000) == 15.0


def test_pushes_wait_in_rounds_of_the_connections() -> None:
    """Ten pushes with three connections need four rounds."""
    assert wait_ms(table_trips=2, queue_trips=1, pushes=10) == 2 * 5 + 10 + 4 * 150


def test_a_million_events_are_added_up_over_both_functions() -> None:
    """At 1,024 MB a second is a GB-second; `receive` takes 0.014 of them, and `deliver` 0.167."""
    lines = per_million(RECEIVE, DELIVER, 1_024, "arm64")
    assert lines == {
        "Lambda requests": 2.0,
        "Lambda duration": pytest.approx(14_000 + 167_000),
        "DynamoDB": 5.0,
        "SQS": 3.0,
        "logs": pytest.approx((1_000 + 2_000 + 500) / 1_000),
        "endpoint": 1.0,
    }


def test_a_batch_shares_its_invocation_and_its_calls() -> None:
    """Of `deliver` each event has a tenth; of `receive` it has all."""
    ten = per_million(RECEIVE, replace(DELIVER, events=10), 1_024, "arm64")
    assert ten["Lambda requests"] == pytest.approx(1.1)
    assert ten["Lambda duration"] == pytest.approx(14_000 + 16_700)
    assert ten["DynamoDB"] == pytest.approx(0.5)
    assert ten["SQS"] == pytest.approx(1.2)


def test_a_month_has_what_it_costs_without_events_and_thirty_days_of_events() -> None:
    """A tick takes 0.167 GB-seconds, 4 write units and 1 read unit."""
    fixed = fixed_per_month(DELIVER, 1_024, "arm64", Inventory(series=8, alarms=16, secrets=2))
    assert fixed == {
        "metrics": 8.0,
        "alarms": 16.0,
        "secrets": 3.0,
        "ticks": pytest.approx((1 + 167_000 + 5 + 2) / 2),
        "polls": 2.0,
    }
    month = per_month({"endpoint": 1.0}, {"metrics": 8.0}, 100_000)
    assert month == {"endpoint": pytest.approx(3.0), "metrics": 8.0}


def test_a_pipe_sends_receives_and_deletes_each_message() -> None:
    """It has no function, so nothing else is billed."""
    assert sum(pipes_per_million().values()) == 6.0
