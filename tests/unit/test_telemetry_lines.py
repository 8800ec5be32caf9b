"""Log lines and metric lines are the same text as Powertools writes for the same calls."""

import io
import itertools
import json
import time
from collections.abc import Mapping
from contextlib import redirect_stdout
from typing import Any

import pytest
from aws_lambda_powertools.logging import Logger
from aws_lambda_powertools.metrics import EphemeralMetrics
from hypothesis import given
from hypothesis import strategies as st

from push_relay.core.errors import ConfigurationInvalid
from push_relay.telemetry_lines import Level, LineWriter, Metric

LEVELS: tuple[Level, ...] = ("INFO", "WARNING", "ERROR")
SERVICE, NAMESPACE, STACK = "push-relay", "PushRelay", "relay-dev"
NAMED = {"POWERTOOLS_SERVICE_NAME": SERVICE, "POWERTOOLS_METRICS_NAMESPACE": NAMESPACE}
TRACE = "_X_AMZN_TRACE_ID"
#: A logger of Powertools configures the standard library's logger of its name once, so each test has a name.
NUMBERS = itertools.count()

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
VALUES = st.one_of(TEXTS, st.integers(), st.floats(), st.lists(TEXTS, max_size=3))
KEYS = ("source", "event_id", "event_ids", "outcome", "violations", "latency_ms", "count", "correlation_id")
FIELDS = st.dictionaries(st.sampled_from(KEYS), VALUES)
#: Microseconds from 1970 to 2100.
MOMENTS = st.integers(0, 4_102_444_800_000_000)


def written(
    level: Level,
    message: str,
    fields: Mapping[str, Any],
    moment: float = 0.0,
    trace: str | None = None,
    **more: str,
) -> str:
    """Return what the relay writes for a log line."""
    with redirect_stdout(io.StringIO()) as out, pytest.MonkeyPatch.context() as patch:
        patch.setenv(TRACE, trace) if trace is not None else patch.delenv(TRACE, raising=False)
        LineWriter({**NAMED, **more}, lambda: moment).log(level, message, fields)
    return out.getvalue()


def logged(
    level: Level,
    message: str,
    fields: Mapping[str, Any],
    moment: float = 0.0,
    trace: str | None = None,
    **more: str,
) -> str:
    """Return what Powertools writes for the same line."""
    name = f"powertools-{next(NUMBERS)}"
    out = io.StringIO()
    with pytest.MonkeyPatch.context() as patch:
        for variable in (TRACE, "LOG_LEVEL", "POWERTOOLS_LOG_LEVEL", "AWS_LAMBDA_LOG_LEVEL"):
            patch.delenv(variable, raising=False)
        for variable, value in {**more, **({TRACE: trace} if trace is not None else {})}.items():
            patch.setenv(variable, value)
        logger = Logger(service=name, utc=True, use_rfc3339=True, location=None, stream=out)
        patch.setattr(time, "time_ns", lambda: round(moment * 1e6) * 1000)
        getattr(logger, level.lower())(message, extra=fields)
    return out.getvalue().replace(f'"service":"{name}"', f'"service":"{SERVICE}"')


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("trace", [None, "", "Root=1-5759e988-bd862e3fe;Parent=5;Sampled=1", "Parent=5"])
def test_a_log_line_is_the_line_of_powertools(level: Level, trace: str | None) -> None:
    """Lambda gives each invocation a trace, which Powertools adds to the line."""
    fields = {"source": "bäckerei", "violations": ["/a type"], "latency_ms": 12.3, "attempt": 1}
    line = written(level, "receipt", fields, 1_700_000_000.1239, trace)
    assert line == logged(level, "receipt", fields, 1_700_000_000.1239, trace)
    assert line.count("\n") == 1


@given(st.sampled_from(LEVELS), FIELDS, MOMENTS)
def test_any_fields_and_any_moment_are_written_as_powertools_writes_them(
    level: Level, fields: dict[str, Any], moment: int
) -> None:
    """The order of the keys, the escapes, the numbers and the timestamp are the same."""
    secs = moment / 1e6
    assert written(level, "receipt", fields, secs) == logged(level, "receipt", fields, secs)


@pytest.mark.parametrize("own", [None, "", "DEBUG", "INFO", "WARN", "WARNING", "ERROR", "FATAL", "CRITICAL"])
@pytest.mark.parametrize("legacy", [None, "ERROR"])
@pytest.mark.parametrize("aws", [None, "", "DEBUG", "INFO", "WARN", "ERROR", "FATAL", "WARNING"])
@pytest.mark.filterwarnings("ignore:Current log level")
def test_the_variables_choose_the_same_lines(own: str | None, legacy: str | None, aws: str | None) -> None:
    """The level of Lambda's logging controls takes precedence over the function's own."""
    variables = {"POWERTOOLS_LOG_LEVEL": own, "LOG_LEVEL": legacy, "AWS_LAMBDA_LOG_LEVEL": aws}
    given = {name: value for name, value in variables.items() if value is not None}
    for level in LEVELS:
        line, expected = (write(level, "accepted", {}, **given) for write in (written, logged))
        assert line == expected, level


@pytest.mark.parametrize("own", ["debug", "Warning", "error"])
def test_small_letters_are_the_same_level(own: str) -> None:
    """With a level of Lambda's beside it, Powertools fails."""
    for level in LEVELS:
        line, expected = (write(level, "empty", {}, POWERTOOLS_LOG_LEVEL=own) for write in (written, logged))
        assert line == expected, level


def test_lambdas_level_for_everything_writes_everything() -> None:
    """Powertools would look at the level of the root logger, which is not the relay's."""
    assert all(written(level, "accepted", {}, AWS_LAMBDA_LOG_LEVEL="TRACE") for level in LEVELS)


def test_a_level_that_does_not_exist_is_an_error_that_names_the_variable() -> None:
    """A function that wrote nothing, or everything, would hide the mistake."""
    with pytest.raises(ConfigurationInvalid, match="POWERTOOLS_LOG_LEVEL"):
        LineWriter({"POWERTOOLS_LOG_LEVEL": "LOUD"})


def test_half_of_a_surrogate_pair_does_not_cost_the_line() -> None:
    """UTF-8 cannot encode it. Powertools loses the line and prints a traceback."""
    stream = io.TextIOWrapper(io.BytesIO(), "utf-8")
    with redirect_stdout(stream):
        LineWriter(NAMED).log("WARNING", "receipt", {"violations": ["/\ud800 type"]})
    stream.seek(0)
    assert json.loads(stream.read())["violations"] == ["/\ud800 type"]


METRICS = st.lists(
    st.tuples(
        st.sampled_from(["Received", "Accepted", "Parked", "CircuitOpen"]),
        st.sampled_from(["Count", "Percent"]),
        st.integers(0, 10**12),
    ),
    max_size=4,
    unique_by=lambda each: each[0],
)
LATENCIES = st.integers(0, 320).flatmap(lambda number: st.just([number / 7 + n for n in range(number)]))
PROPERTIES = st.one_of(
    st.fixed_dictionaries({"source": TEXTS}),
    st.fixed_dictionaries({"refused": st.dictionaries(TEXTS, st.integers(1), max_size=3)}),
)


@given(PROPERTIES, METRICS, LATENCIES)
def test_metric_lines_are_the_lines_of_powertools(
    properties: dict[str, Any], counts: list[tuple[str, str, int]], latencies: list[float]
) -> None:
    """A hundred values of a metric fill a line. Powertools writes spaces into a full line."""
    moment_ms = 1_700_000_000_123
    metrics = [*(Metric(name, unit, [value]) for name, unit, value in counts)]
    metrics.append(Metric("VendorLatency", "Milliseconds", latencies))
    with redirect_stdout(io.StringIO()) as own:
        LineWriter(NAMED, lambda: moment_ms / 1000).count(STACK, [(properties, metrics)])

    theirs = EphemeralMetrics(namespace=NAMESPACE, service=SERVICE)
    theirs.timestamp = moment_ms
    theirs.add_dimension("stack", STACK)
    for name, value in properties.items():
        theirs.add_metadata(name, value)
    with redirect_stdout(io.StringIO()) as powertools:
        for metric in metrics:
            for each in metric.values:
                theirs.add_metric(metric.name, metric.unit, each)
        if theirs.metric_set:
            theirs.flush_metrics()

    lines, expected = own.getvalue().splitlines(), powertools.getvalue().splitlines()
    assert lines == [_compact(line) for line in expected]
    assert lines[-1:] == expected[-1:] or len(latencies) % 100 == 0


def test_lines_of_several_groups_are_one_write() -> None:
    """Each write is a call of the operating system, because the runtime does not buffer standard output."""
    writes: list[str] = []

    class Stream(io.StringIO):
        def write(self, text: str) -> int:
            writes.append(text)
            return len(text)

    with redirect_stdout(Stream()):
        groups = [({"source": name}, [Metric("Received", "Count", [1])]) for name in ("bakery", "ovens")]
        LineWriter(NAMED).count(STACK, groups)
        LineWriter(NAMED).count(STACK, [])
    assert [len(text.splitlines()) for text in writes] == [2]


def test_a_log_line_is_flushed_before_the_call_returns() -> None:
    """A worker that is killed in mid-invocation leaves its lines as evidence."""
    raw = io.BytesIO()
    with redirect_stdout(io.TextIOWrapper(raw, "utf-8")):
        LineWriter(NAMED).log("INFO", "accepted", {})
        assert raw.getvalue().endswith(b"\n")


def _compact(line: str) -> str:
    return json.dumps(json.loads(line), separators=(",", ":"))
