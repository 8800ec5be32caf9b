"""Log lines and metrics have the documented keys, names and format."""

import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
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
    """Return the values of a metric in one EMF line."""
    given = metric.get(name, [])
    return given if isinstance(given, list) else [given]


def test_a_receipt_is_one_line_with_the_documented_keys() -> None:
    """A key whose value is not known is left out."""
    with captured() as output:
        output.telemetry.settled(
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
        output.telemetry.settled([receipt()], attempt=1)
    full, least = output.logs
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
def test_the_log_level_depends_on_the_outcome(outcome: Outcome, level: str) -> None:
    """INFO needs nobody, WARNING needs a look some time, and ERROR is for a person on call."""
    with captured() as output:
        output.telemetry.settled([receipt(outcome=outcome)], attempt=1)
    assert output.logs[0]["level"] == level


def test_an_internal_error_has_the_level_for_a_person_on_call() -> None:
    """The event is parked as in an outage, but the cause is a mistake in the relay."""
    with captured() as output:
        output.telemetry.settled([receipt(outcome=Outcome.PARKED, error_code="internal_error")], attempt=1)
    assert output.logs[0]["level"] == "ERROR"


def test_accepted_events_of_one_request_share_lines_that_hold_every_id() -> None:
    """A request may have 1,000 events, and a person searches the log by an id."""
    events = [replace(EVENT, id=f"e-{number}") for number in range(120)]
    with captured() as output:
        output.telemetry.accepted(*events)
        output.telemetry.accepted()
        output.telemetry.flush()
    assert [len(line["event_ids"]) for line in output.logs] == [50, 50, 20]
    assert [name for line in output.logs for name in line["event_ids"]] == [event.id for event in events]
    assert {(line["message"], line["source"], line["correlation_id"]) for line in output.logs} == {
        ("accepted", EVENT.source, "c-1")
    }
    (metric,) = output.metrics
    assert values(metric, ACCEPTED) == [120.0]


def test_an_accepted_event_and_a_problem_have_log_lines_of_their_own() -> None:
    """Both have the ids or the error code by which a person can search for them."""
    with captured() as output:
        output.telemetry.accepted(EVENT)
        output.telemetry.trouble("a message was kept", error_code="queue_unavailable", detail="why")
        output.telemetry.flush()
    accepted, trouble = output.logs
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
    (metric,) = output.metrics
    assert values(metric, ACCEPTED) == [1.0]
    assert RECEIVED not in metric
    assert "planted" not in output.text


def test_metrics_have_cloudwatchs_embedded_format() -> None:
    """A source has one line with namespace, dimensions, units and values, and is not itself a dimension."""
    with captured(stack="relay-dev") as output:
        output.telemetry.settled(
            [receipt(latency_ms=5.0), receipt(latency_ms=7.0), receipt(outcome=Outcome.PARKED)], attempt=1
        )
        output.telemetry.settled([receipt(source="ovens", outcome=Outcome.FILTERED)], attempt=1)
        assert not output.metrics
        output.telemetry.flush()
    bakery, ovens = output.metrics
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
    """The invariant (received = sum of the outcomes) does not include these metrics."""
    with captured() as output:
        output.telemetry.settled([receipt(outcome=Outcome.PARKED, error_code=code)], attempt=1)
        output.telemetry.refused(receipt(outcome=Outcome.PARKED, error_code=code))
        output.telemetry.flush()
    for line in output.metrics:
        assert {name: values(line, name) for name in ("Received", "Parked", metric)} == {
            "Received": [1.0],
            "Parked": [1.0],
            metric: [1.0],
        }
    assert len(output.metrics) == 2


def test_threads_that_note_receipts_at_once_lose_none() -> None:
    """The accounts are drained side by side, and may have events of the same source."""

    def begin() -> Counter[str]:
        time.sleep(0.05)
        return Counter()

    with captured() as output:
        output.telemetry._counts.default_factory = begin  # type: ignore[attr-defined]
        with ThreadPoolExecutor(2) as threads:
            for _ in range(2):
                threads.submit(output.telemetry.settled, [receipt()], attempt=1)
        output.telemetry.flush()
    assert values(output.metrics[0], RECEIVED) == [2.0]


def test_a_further_source_costs_no_further_metric() -> None:
    """CloudWatch bills each combination of a metric's name and dimensions."""
    series = set()
    with captured() as output:
        for number in range(40):
            output.telemetry.settled([receipt(source=f"s{number}", latency_ms=1.0)], attempt=1)
            output.telemetry.refused(receipt(source=f"s{number}", outcome=Outcome.REJECTED))
        output.telemetry.flush()
    for line in output.metrics:
        (directive,) = line["_aws"]["CloudWatchMetrics"]
        dimensions = tuple((name, line[name]) for (names) in directive["Dimensions"] for name in names)
        series |= {(metric["Name"], dimensions) for metric in directive["Metrics"]}
    assert {name for name, _ in series} == {"Received", "Delivered", "VendorLatency", "Rejected"}
    assert len(series) == 4


def test_flushing_resets_the_counts_and_writes_nothing_for_an_empty_batch() -> None:
    """Every count is written once, and an empty batch writes neither a line nor a warning."""
    with captured() as output:
        output.telemetry.flush()
        output.telemetry.settled([receipt()], attempt=1)
        output.telemetry.flush()
        output.telemetry.flush()
    assert len(output.metrics) == 1
    assert not output.err.getvalue()


@pytest.mark.parametrize("pushes", [99, 100, 101, 200, 250])
def test_latencies_that_do_not_fit_in_one_line_are_all_written(pushes: int) -> None:
    """CloudWatch accepts a hundred values of a metric in a line. Counts are not repeated in other lines."""
    with captured() as output:
        output.telemetry.settled([receipt(latency_ms=float(n)) for n in range(pushes)], attempt=1)
        output.telemetry.flush()
    written = [value for metric in output.metrics for value in values(metric, VENDOR_LATENCY)]
    assert sorted(written) == [float(n) for n in range(pushes)]
    assert sum(value for metric in output.metrics for value in values(metric, RECEIVED)) == pushes
    assert {metric["source"] for metric in output.metrics} == {"bakery"}
    assert all(len(values(metric, VENDOR_LATENCY)) <= 100 for metric in output.metrics)


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
    """It counts even if only one push waits, as each probe does. Waiting for midnight has another metric."""
    with captured() as output:
        output.telemetry.settled(
            [receipt(outcome=Outcome.PARKED, error_code=code, is_paced=is_paced)], attempt=1
        )
        output.telemetry.flush()
    assert [line.get("CircuitOpen") for line in output.metrics] == [count and [count]]
