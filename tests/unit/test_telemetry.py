"""Log lines and metrics: their keys, their names, their shape."""

from typing import Any

import pytest

from fakes import captured
from push_relay.core.errors import Violation
from push_relay.core.event import Event
from push_relay.core.outcomes import Outcome
from push_relay.core.push import Receipt
from push_relay.telemetry import ACCEPTED, CODE_METRICS, OUTCOME_METRICS, RECEIVED, VENDOR_LATENCY

EVENT = Event("bakery", "e-1", "baked", {"planted": 1}, 1.0, "i", "c-1")
POWERTOOLS = {"level", "message", "timestamp", "service"}


def receipt(**changes: Any) -> Receipt:
    """Return a receipt."""
    return Receipt(**{"source": "bakery", "event_id": "e-1", "outcome": Outcome.DELIVERED, **changes})


def values(metric: dict[str, Any], name: str) -> list[float]:
    """Return a metric's values in one EMF line."""
    given = metric.get(name, [])
    return given if isinstance(given, list) else [given]


def test_a_receipt_is_one_line_with_the_documented_keys() -> None:
    """And nothing that is not known is in it."""
    with captured() as said:
        said.telemetry.settled(
            [
                receipt(
                    outcome=Outcome.REJECTED,
                    correlation_id="c-1",
                    error_code="schema_violation",
                    detail="why",
                    vendor_code="V",
                    violations=(Violation("/a", "type"), Violation("", "required")),
                    retry_after=3.5,
                    latency_ms=12.345,
                )
            ],
            attempt=2,
        )
        said.telemetry.settled([receipt()], attempt=1)
    full, least = said.logs
    assert {key: full[key] for key in full.keys() - POWERTOOLS} == {
        "source": "bakery",
        "event_id": "e-1",
        "outcome": "rejected",
        "error_code": "schema_violation",
        "detail": "why",
        "vendor_code": "V",
        "violations": ["/a type", "/ required"],
        "attempt": 2,
        "latency_ms": 12.3,
        "retry_after_secs": 3.5,
        "correlation_id": "c-1",
    }
    assert least.keys() - POWERTOOLS == {"source", "event_id", "outcome", "attempt", "correlation_id"}
    assert (least["message"], least["service"]) == ("receipt", "push-relay")


@pytest.mark.parametrize(
    ("outcome", "level"),
    [
        (Outcome.DELIVERED, "INFO"),
        (Outcome.DUPLICATE, "INFO"),
        (Outcome.FILTERED, "INFO"),
        (Outcome.REJECTED, "WARNING"),
        (Outcome.PARKED, "WARNING"),
        (Outcome.EXPIRED, "WARNING"),
        (Outcome.FAILED, "ERROR"),
    ],
)
def test_the_level_says_who_should_look(outcome: Outcome, level: str) -> None:
    """Nobody, somebody, or a person on call."""
    with captured() as said:
        said.telemetry.settled([receipt(outcome=outcome)], attempt=1)
    assert said.logs[0]["level"] == level


def test_what_the_relay_does_not_know_is_for_a_person_on_call() -> None:
    """It is parked like an outage, and no outage."""
    with captured() as said:
        said.telemetry.settled([receipt(outcome=Outcome.PARKED, error_code="internal_error")], attempt=1)
    assert said.logs[0]["level"] == "ERROR"


def test_an_accepted_event_and_a_trouble_are_lines_of_their_own() -> None:
    """With ids and code."""
    with captured() as said:
        said.telemetry.accepted(EVENT)
        said.telemetry.trouble("a message was kept", error_code="queue_unavailable", detail="why")
        said.telemetry.flush()
    accepted, trouble = said.logs
    assert (accepted["message"], accepted["event_id"], accepted["correlation_id"]) == (
        "accepted",
        "e-1",
        "c-1",
    )
    assert (trouble["level"], trouble["error_code"], trouble["detail"]) == (
        "ERROR",
        "queue_unavailable",
        "why",
    )
    (metric,) = said.metrics
    assert values(metric, ACCEPTED) == [1.0]
    assert RECEIVED not in metric
    assert "planted" not in said.text


def test_metrics_have_cloudwatchs_embedded_form() -> None:
    """One line a source: namespace, dimensions, units, and the numbers. A source is no dimension."""
    with captured(stack="relay-dev") as said:
        said.telemetry.settled(
            [receipt(latency_ms=5.0), receipt(latency_ms=7.0), receipt(outcome=Outcome.PARKED)], attempt=1
        )
        said.telemetry.settled([receipt(source="ovens", outcome=Outcome.FILTERED)], attempt=1)
        assert not said.metrics
        said.telemetry.flush()
    bakery, ovens = said.metrics
    directive = bakery["_aws"]["CloudWatchMetrics"][0]
    assert directive["Namespace"] == "PushRelay"
    assert [sorted(dimensions) for dimensions in directive["Dimensions"]] == [["service", "stack"]]
    assert (bakery["service"], bakery["stack"]) == ("push-relay", "relay-dev")
    units = {metric["Name"]: metric["Unit"] for metric in directive["Metrics"]}
    assert units == {
        "Received": "Count",
        "Delivered": "Count",
        "Parked": "Count",
        "VendorLatency": "Milliseconds",
    }
    assert bakery["source"] == "bakery"
    assert [values(bakery, name) for name in units] == [[3.0], [2.0], [1.0], [5.0, 7.0]]
    assert (ovens["source"], values(ovens, "Filtered")) == ("ovens", [1.0])
    assert isinstance(bakery["_aws"]["Timestamp"], int)


def test_every_outcome_has_a_metric() -> None:
    """An outcome's metric is its name, with a capital."""
    assert set(OUTCOME_METRICS) == set(Outcome)
    assert OUTCOME_METRICS[Outcome.DELIVERED] == "Delivered"


@pytest.mark.parametrize(("code", "metric"), CODE_METRICS.items())
def test_an_error_code_with_an_alarm_has_a_metric_beside_its_outcome(code: str, metric: str) -> None:
    """The invariant counts outcomes alone."""
    with captured() as said:
        said.telemetry.settled([receipt(outcome=Outcome.PARKED, error_code=code)], attempt=1)
        said.telemetry.refused(receipt(outcome=Outcome.PARKED, error_code=code))
        said.telemetry.flush()
    for line in said.metrics:
        assert {name: values(line, name) for name in ("Received", "Parked", metric)} == {
            "Received": [1.0],
            "Parked": [1.0],
            metric: [1.0],
        }
    assert len(said.metrics) == 2


def test_a_further_source_costs_no_further_metric() -> None:
    """CloudWatch bills each combination of a metric's name and dimensions."""
    series = set()
    with captured() as said:
        for number in range(40):
            said.telemetry.settled([receipt(source=f"s{number}", latency_ms=1.0)], attempt=1)
            said.telemetry.refused(receipt(source=f"s{number}", outcome=Outcome.REJECTED))
        said.telemetry.flush()
    for line in said.metrics:
        (directive,) = line["_aws"]["CloudWatchMetrics"]
        dimensions = tuple((name, line[name]) for (names) in directive["Dimensions"] for name in names)
        series |= {(metric["Name"], dimensions) for metric in directive["Metrics"]}
    assert {name for name, _ in series} == {"Received", "Delivered", "VendorLatency", "Rejected"}
    assert len(series) == 4


def test_flushing_begins_anew_and_says_nothing_where_there_is_nothing() -> None:
    """What was counted is counted once; an empty batch leaves no line and no warning."""
    with captured() as said:
        said.telemetry.flush()
        said.telemetry.settled([receipt()], attempt=1)
        said.telemetry.flush()
        said.telemetry.flush()
    assert len(said.metrics) == 1
    assert not said.err.getvalue()


@pytest.mark.parametrize("pushes", [99, 100, 101, 200, 250])
def test_more_latencies_than_one_line_holds_are_all_told(pushes: int) -> None:
    """CloudWatch takes a hundred values of a metric in a line; counts are told once."""
    with captured() as said:
        said.telemetry.settled([receipt(latency_ms=float(n)) for n in range(pushes)], attempt=1)
        said.telemetry.flush()
    told = [value for metric in said.metrics for value in values(metric, VENDOR_LATENCY)]
    assert sorted(told) == [float(n) for n in range(pushes)]
    assert sum(value for metric in said.metrics for value in values(metric, RECEIVED)) == pushes
    assert {metric["source"] for metric in said.metrics} == {"bakery"}
    assert all(len(values(metric, VENDOR_LATENCY)) <= 100 for metric in said.metrics)


@pytest.mark.parametrize(
    ("code", "is_paced", "count"),
    [
        ("circuit_open", True, 1.0),
        ("vendor_throttled", True, 1.0),
        ("delivery_unknown", True, 1.0),
        ("vendor_unavailable", False, None),
        ("quota_exhausted", True, None),
        ("budget_exhausted", True, None),
    ],
)
def test_stopped_calls_are_a_metric(code: str, count: float | None, *, is_paced: bool) -> None:
    """Also if one push alone waits, which is each probe itself; waiting for midnight is another matter."""
    with captured() as said:
        said.telemetry.settled(
            [receipt(outcome=Outcome.PARKED, error_code=code, is_paced=is_paced)], attempt=1
        )
        said.telemetry.flush()
    assert [line.get("CircuitOpen") for line in said.metrics] == [count and [count]]
