"""The lines of the log and of the metrics, in the formats of Powertools for AWS Lambda (Python).

Powertools itself is only in the tests, which compare each line with its line. To import it takes longer than
the rest of this package, and each line that it writes costs as much as half a call to the vendor.

A log line is a JSON object: `level`, `message`, `timestamp` (RFC 3339, UTC), `service`, the fields, and
`xray_trace_id` if the invocation has a trace. A metric line has CloudWatch's embedded metric format.
Source: https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
"""

import json
import os
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from threading import Lock
from typing import Any, Final, Literal, NamedTuple

from push_relay.core.errors import ConfigurationInvalid

type Level = Literal["INFO", "WARNING", "ERROR"]

#: CloudWatch accepts this many values of a metric in a line.
MOST_VALUES: Final = 100

_SEVERITIES: Final = {
    "NOTSET": 0,
    "DEBUG": 10,
    "INFO": 20,
    "WARN": 30,
    "WARNING": 30,
    "ERROR": 40,
    "FATAL": 50,
    "CRITICAL": 50,
}
#: The levels of Lambda's own logging controls, which take precedence; any other text sets none.
_LAMBDA_LEVELS: Final = {
    "TRACE": "NOTSET",
    "DEBUG": "DEBUG",
    "INFO": "INFO",
    "WARN": "WARNING",
    "ERROR": "ERROR",
    "FATAL": "CRITICAL",
}
#: An encoder that is made once: `json.dumps` makes one for each call with options.
_text: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), default=str).encode
_ascii_text: Final = json.JSONEncoder(separators=(",", ":"), default=str).encode


class Metric(NamedTuple):
    """The values of one metric.

    unit   a unit of CloudWatch, such as `Count`
    """

    name: str
    unit: str
    values: Sequence[float]


class LineWriter:
    """Writes whole lines to standard output. Several threads may use it."""

    def __init__(
        self, environment: Mapping[str, str] = os.environ, clock: Callable[[], float] = time.time
    ) -> None:
        """Read the variables that Powertools reads. Raises ConfigurationInvalid, which names the variable.

        clock  returns seconds since the epoch
        """
        self._service = environment.get("POWERTOOLS_SERVICE_NAME", "push-relay")
        self._namespace = environment.get("POWERTOOLS_METRICS_NAMESPACE", "PushRelay")
        self._least = _least_severity(environment)
        self._clock = clock
        self._lock = Lock()

    def log(self, level: Level, message: str, fields: Mapping[str, Any]) -> None:
        """Write a log line now, so that it remains if the invocation does not reach its end.

        fields  none of them is None or has a name that each line has
        """
        if _SEVERITIES[level] < self._least:
            return
        line = {
            "level": level,
            "message": message,
            "timestamp": rfc3339(self._clock()),
            "service": self._service,
            **fields,
        }
        if trace := os.environ.get("_X_AMZN_TRACE_ID"):
            line["xray_trace_id"] = trace.split(";")[0].replace("Root=", "")
        try:
            self._write(f"{_text(line)}\n")
        except UnicodeEncodeError:
            # Half of a surrogate pair, in a key of a payload for example. JSON can escape it.
            self._write(f"{_ascii_text(line)}\n")

    def count(self, stack: str, groups: Iterable[tuple[Mapping[str, Any], Sequence[Metric]]]) -> None:
        """Write groups of metrics, all in one write.

        stack   the value of the dimension `stack`, which each group has beside `service`
        groups  the properties of each, and its metrics
        """
        lines = [
            line for properties, metrics in groups for line in self._metric_lines(stack, properties, metrics)
        ]
        if lines:
            self._write("".join(lines))

    def _metric_lines(
        self, stack: str, properties: Mapping[str, Any], metrics: Sequence[Metric]
    ) -> Iterable[str]:
        """Return the lines of a group: a metric with more than 100 values is in several of them."""
        moment_ms = int(self._clock() * 1000)
        most = max((len(metric.values) for metric in metrics), default=0)
        for start in range(0, most, MOST_VALUES):
            now = [m for m in metrics if len(m.values) > start]
            directive = {
                "Namespace": self._namespace,
                "Dimensions": [["stack", "service"]],
                "Metrics": [{"Name": metric.name, "Unit": metric.unit} for metric in now],
            }
            line = {
                "_aws": {"Timestamp": moment_ms, "CloudWatchMetrics": [directive]},
                "stack": stack,
                "service": self._service,
                **properties,
                **{m.name: [float(value) for value in m.values[start : start + MOST_VALUES]] for m in now},
            }
            yield f"{_ascii_text(line)}\n"

    def _write(self, lines: str) -> None:
        """Write whole lines. `sys.stdout` is looked up each time, because Lambda's runtime replaces it."""
        with self._lock:
            sys.stdout.write(lines)
            sys.stdout.flush()


def rfc3339(moment: float) -> str:
    """Return a moment (seconds since the epoch) as UTC, with milliseconds."""
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="milliseconds")


def _least_severity(environment: Mapping[str, str]) -> int:
    """Return the severity of the least severe lines that are written."""
    own = environment.get("POWERTOOLS_LOG_LEVEL") or environment.get("LOG_LEVEL") or "INFO"
    name = _LAMBDA_LEVELS.get(environment.get("AWS_LAMBDA_LOG_LEVEL", ""), own.upper())
    if name not in _SEVERITIES:
        raise ConfigurationInvalid(f"POWERTOOLS_LOG_LEVEL is not one of: {', '.join(_SEVERITIES)}")
    return _SEVERITIES[name]
