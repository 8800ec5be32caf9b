"""The log lines and the metrics, with every key and every name. Neither holds a payload or a person.

One line for each receipt. One metric for each outcome by source, `Received` beside them so that the
invariant can be watched, `Accepted` for what was queued, and the vendor's latency.
"""

from collections import defaultdict
from collections.abc import Iterable
from threading import Lock

from aws_lambda_powertools.logging import Logger
from aws_lambda_powertools.metrics import EphemeralMetrics, MetricUnit

from push_relay.core.errors import RelayError
from push_relay.core.event import Event
from push_relay.core.outcomes import Outcome
from push_relay.core.push import Receipt

RECEIVED = "Received"
ACCEPTED = "Accepted"
HANDSHAKE = "Handshake"
QUOTA_USED = "QuotaUsed"
VENDOR_LATENCY = "VendorLatency"
OUTCOME_METRICS = {outcome: outcome.value.capitalize() for outcome in Outcome}

#: Outcomes that somebody should look into, and those that a person on call should.
_WARNINGS = frozenset({Outcome.REJECTED, Outcome.PARKED, Outcome.EXPIRED})
_ERRORS = frozenset({Outcome.FAILED})


class Telemetry:
    """Log lines as they happen, and metrics gathered until `flush`."""

    def __init__(self) -> None:
        # POWERTOOLS_SERVICE_NAME, POWERTOOLS_LOG_LEVEL and POWERTOOLS_METRICS_NAMESPACE name them.
        self._logger = Logger(utc=True, use_rfc3339=True, location=None)
        self._counts: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
        self._latencies: dict[str, list[float]] = defaultdict(list)
        self._quota: float | None = None
        self._lock = Lock()  # pushes are sent from several threads

    def accepted(self, event: Event) -> None:
        """Note that an event was queued."""
        self._counts[event.source][ACCEPTED] += 1
        self._logger.info(
            "accepted", source=event.source, event_id=event.id, correlation_id=event.correlation_id
        )

    def handshake(self, source: str, correlation_id: str) -> None:
        """Note that a sender's question was answered; it is no event, and has no outcome."""
        self._counts[source][HANDSHAKE] += 1
        self._logger.info("handshake", source=source, correlation_id=correlation_id)

    def quota(self, calls: int, limit: int) -> None:
        """Note how much of the day's quota the account has used."""
        with self._lock:
            self._quota = max(self._quota or 0.0, 100.0 * calls / limit)

    def settled(self, receipts: Iterable[Receipt], *, attempt: int) -> None:
        """Note what became of pushes, at the how-manieth attempt."""
        for receipt in receipts:
            self._counts[receipt.source][RECEIVED] += 1
            self._counts[receipt.source][OUTCOME_METRICS[receipt.outcome]] += 1
            if receipt.latency_ms is not None:
                self._latencies[receipt.source].append(receipt.latency_ms)
            self._log(receipt, attempt)

    def trouble(self, what: str, *, error_code: str, detail: str) -> None:
        """Log what went wrong outside any one event: a message could not be parked, say."""
        self._logger.error(what, error_code=error_code, detail=detail)

    def flush(self) -> None:
        """Write the metrics (CloudWatch's embedded metric format), one line for each source."""
        for source, counts in self._counts.items():
            metrics = EphemeralMetrics()
            metrics.add_dimension("source", source)
            for name, count in counts.items():
                metrics.add_metric(name, MetricUnit.Count, count)
            for latency in self._latencies.get(source, ()):
                metrics.add_metric(VENDOR_LATENCY, MetricUnit.Milliseconds, latency)
            # The hundredth value of a metric has flushed by itself, and an empty flush warns.
            if metrics.metric_set:
                metrics.flush_metrics()
        if self._quota is not None:
            metrics = EphemeralMetrics()
            metrics.add_metric(QUOTA_USED, MetricUnit.Percent, self._quota)
            metrics.flush_metrics()
            self._quota = None
        self._counts.clear()
        self._latencies.clear()

    def _log(self, receipt: Receipt, attempt: int) -> None:
        fields = {
            "source": receipt.source,
            "event_id": receipt.event_id,
            "outcome": receipt.outcome.value,
            "error_code": receipt.error_code,
            "detail": receipt.detail,
            "vendor_code": receipt.vendor_code,
            "violations": [f"{v.pointer or '/'} {v.rule}" for v in receipt.violations] or None,
            "attempt": attempt,
            "latency_ms": receipt.latency_ms and round(receipt.latency_ms, 1),
            "retry_after": receipt.retry_after,
            "correlation_id": receipt.correlation_id,
        }
        told = {name: value for name, value in fields.items() if value is not None}
        # What the relay does not know is parked like an outage, and somebody has to look into it.
        if receipt.outcome in _ERRORS or receipt.error_code == RelayError.code:
            self._logger.error("receipt", extra=told)
        elif receipt.outcome in _WARNINGS:
            self._logger.warning("receipt", extra=told)
        else:
            self._logger.info("receipt", extra=told)
