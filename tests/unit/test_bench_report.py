"""The rows of the benchmark's report, its page, and the metric series that it counts."""

import json
from typing import Any

import pytest

import report_page
from cost import metric_series
from figures import Goal, Samples, summary


@pytest.mark.parametrize(("value", "met"), [(1.9, True), (2.0, False), (2.1, False)])
def test_a_row_that_must_be_below_its_peers_does_not_equal_one(value: float, met: bool) -> None:  # noqa: FBT001
    """Its own bound is higher."""
    row = Goal("a", "what", value, 2.2, peers={"powertools": 2.0, "apprise": 4.5}, below_peers=True)
    assert row.as_json()["met"] is met


def test_a_peer_that_is_only_reported_decides_nothing() -> None:
    """A row without a goal is neither met nor missed."""
    assert Goal("a", "what", 2.1, 2.2, peers={"powertools": 2.0}).is_met
    assert Goal("a", "what", 2.1, None, peers={"powertools": 2.0}).is_met is None


def test_a_summary_is_the_median_with_its_quartiles_and_floor() -> None:
    """The floor is in microseconds."""
    assert summary([1.0, 2.0, 3.0], [0.001, 0.003, 0.002]) == (2.0, Samples(3, (1.0, 3.0), 2000.0))


def line(*names: str, **dimensions: str) -> str:
    """Return a log line with metrics."""
    directive = {"Dimensions": [list(dimensions)], "Metrics": [{"Name": name} for name in names]}
    return json.dumps({"_aws": {"CloudWatchMetrics": [directive]}, **dimensions})


def test_a_series_is_a_metric_with_the_values_of_its_dimensions() -> None:
    """Each of them is billed, however many lines write it. A log line has none."""
    lines = [
        line("Received", "Delivered", stack="a"),
        line("Received", stack="a"),
        line("Received", stack="b"),
        json.dumps({"message": "delivered"}),
    ]
    assert set(metric_series(lines)) == {"Received (stack=a)", "Delivered (stack=a)", "Received (stack=b)"}


MACHINE = {
    "python": "3.13.0",
    "architecture": "x86_64",
    "processor": "a processor",
    "cores": 2,
    "system": "Linux",
}


def report(*rows: Goal) -> dict[str, Any]:
    """Return a report with these rows."""
    goals = {row.name: row.as_json() for row in rows}
    return {
        "measured_at": "2026-11-26T20:00:00+00:00",
        "machine": MACHINE,
        "peers": {},
        "goals": goals,
        "cost": {},
    }


def test_the_page_shows_by_how_much_a_row_falls_short() -> None:
    """A reader sees without a calculation what is left to do."""
    page = report_page.page(
        report(
            Goal("start_receive", "a start", 21.0, 14.0),
            Goal("event_direct", "an event", 2.1, 2.2, peers={"powertools": 2.0}, below_peers=True),
            Goal("memory_receive", "memory", 38.0, 40.0),
            Goal("pace_many", "pace", 80.0, 90.0, "at least"),
            Goal("cost_month", "dollars", 5.0, None),
        )
    )
    assert "4 rows have a goal, and 1 of them meet it" in page
    assert "| `start_receive` | 21 | at most 14 | **short by 7**, 50 % |" in page
    assert "| `event_direct` | 2.1 | at most 2.2 | **not met**: a peer is better | Powertools 2 |" in page
    assert "| `memory_receive` | 38 | at most 40 | met |" in page
    assert "| `pace_many` | 80 | at least 90 | **short by 10**, 11 % |" in page
    assert "| `cost_month` | 5 |  |  |" in page
    assert "`make bench-peers` installs them" in page


def test_the_page_shows_why_a_row_falls_short_and_what_was_tried() -> None:
    """A reader sees whether it is worth trying more."""
    page = report_page.page(report(Goal("pace_many", "pace", 80.0, 90.0, "at least")))
    (row,) = [line for line in page.splitlines() if line.startswith("| `pace_many` | The ")]
    assert row.count("|") == 4
    met = report_page.page(report(Goal("pace_many", "pace", 95.0, 90.0, "at least")))
    assert "Goals that are not met" not in met


def test_a_row_that_falls_short_for_an_unknown_reason_is_listed() -> None:
    """Another machine may miss a goal that this project's machine meets."""
    page = report_page.page(report(Goal("memory_receive", "memory", 41.0, 40.0)))
    assert "| `memory_receive` | Not known" in page
