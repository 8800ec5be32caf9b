"""The log lines and the metrics, with every key and every name. Neither holds a payload or a person.

Metrics have the dimensions `service` and `stack`, so a stack's alarms watch that stack alone and a further
source or account costs no further metric. A metric line also has the property `source`, and QuotaUsed the
property `account`, for queries over the log.

Anybody can cause a request that is refused before its sender has proven its origin. So that a flood of them
does not become a bill for logs, only the first few are logged one by one. After that one line represents many
(`count` is their number), and their metrics are written together. docs/reference.md gives the numbers.
"""

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from itertools import batched
from threading import Lock
from typing import Any

from push_relay.core.errors import (
    VENDOR_CODES,
    BudgetExhausted,
    CircuitOpen,
    CredentialsUnavailable,
    RelayError,
    VendorUnauthorized,
)
from push_relay.core.event import Event
from push_relay.core.outcomes import Outcome
from push_relay.core.push import Receipt
from push_relay.telemetry_lines import Level, LineWriter, Metric, rfc3339

RECEIVED = "Received"
ACCEPTED = "Accepted"
HANDSHAKE = "Handshake"
EMPTY = "Empty"
QUOTA_USED = "QuotaUsed"
VENDOR_LATENCY = "VendorLatency"
UNSUBSCRIBED = "Unsubscribed"
FALLBACK = "Fallback"
OVERDUE = "Overdue"
OUTCOME_METRICS = {outcome: outcome.value.capitalize() for outcome in Outcome}
#: Metrics of error codes that have an alarm. They are counted beside the outcome's own metric.
CODE_METRICS = {
    CredentialsUnavailable.code: "CredentialsTrouble",
    VendorUnauthorized.code: "CredentialsTrouble",
    CircuitOpen.code: "CircuitOpen",
    BudgetExhausted.code: "BudgetExhausted",
    RelayError.code: "InternalError",
}

#: Refusals that are logged one by one: of one source and error code, and of all of them together.
BURST, BURST_OF_ALL = 3, 8
#: Ids of accepted events in one line.
IDS_IN_LINE = 50
#: Seconds until one more refusal may be logged: of one source and error code, and of all of them together.
LINE_SECS, LINE_SECS_OF_ALL = 60.0, 10.0
#: Metrics of refusals are written when this many wait, or when the first of them has waited for so long.
MOST_WAITING, LONGEST_WAIT_SECS = 25, 10.0

#: Outcomes that somebody should look into, and those that a person on call should.
_WARNINGS = frozenset({Outcome.REJECTED, Outcome.PARKED, Outcome.EXPIRED})
_ERRORS = frozenset({Outcome.FAILED})


class _Allowance:
    """A token bucket: `burst` lines at once, and one more each `secs` seconds."""

    def __init__(self, burst: int, secs: float) -> None:
        self._burst, self._secs = burst, secs
        self._lines, self._since = float(burst), float("-inf")

    def has_one(self, now: float) -> bool:
        """Return whether a line may be written now."""
        self._lines = min(self._burst, self._lines + (now - self._since) / self._secs)
        self._since = now
        return self._lines >= 1

    def take(self) -> None:
        """Use up one line."""
        self._lines -= 1


class _Kind:
    """Refusals of one source and error code: the lines that are allowed, and how many no line counts yet."""

    def __init__(self) -> None:
        self.allowance = _Allowance(BURST, LINE_SECS)
        self.unlogged = 0


class _Refusals:
    """Counts what strangers cause, and decides which of it is logged and when its metrics are written.

    Not for several threads: a function takes one request at a time.
    """

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._all = _Allowance(BURST_OF_ALL, LINE_SECS_OF_ALL)
        self._kinds: dict[tuple[str, str], _Kind] = defaultdict(_Kind)
        self._since = 0.0
        self._is_logged = False
        self.metrics: Counter[str] = Counter()
        self.by_source: Counter[str] = Counter()

    def count(self, source: str, code: str, metrics: Iterable[str]) -> int:
        """Count one. Returns the number that its log line represents; 0 if it must not be logged."""
        now = self._monotonic()
        if not self.by_source:
            self._since = now
        self.metrics.update(metrics)
        self.by_source[source] += 1
        kind = self._kinds[source, code]
        kind.unlogged += 1
        if not (kind.allowance.has_one(now) and self._all.has_one(now)):
            return 0
        kind.allowance.take()
        self._all.take()
        self._is_logged = True
        stands_for, kind.unlogged = kind.unlogged, 0
        return stands_for

    @property
    def is_due(self) -> bool:
        """Whether the metrics are to be written now; with the log line of a refusal they always are."""
        waited = self._monotonic() - self._since
        enough = self.by_source.total() >= MOST_WAITING or waited >= LONGEST_WAIT_SECS
        return bool(self.by_source) and (self._is_logged or enough)

    def clear(self) -> None:
        """Begin to count again, after the metrics were written."""
        self.metrics.clear()
        self.by_source.clear()
        self._is_logged = False


class Telemetry:
    """Log lines as they happen, and metrics collected until `flush`."""

    def __init__(self, stack: str = "push-relay", monotonic: Callable[[], float] = time.monotonic) -> None:
        self._lines = LineWriter()
        self._stack = stack
        self._counts: dict[str, Counter[str]] = defaultdict(Counter)
        self._latencies: dict[str, list[float]] = defaultdict(list)
        self._quota: dict[str, float] = {}  # by account, in percent
        self._overdue: set[str] = set()  # accounts
        self._troubles: Counter[str] = Counter()
        self._refusals = _Refusals(monotonic)
        self._lock = Lock()  # pushes are sent, and drained events end, in several threads

    def accepted(self, *events: Event) -> None:
        """Note that the events of a request were queued. Several share a line: a request may have 1,000."""
        for together in batched(events, IDS_IN_LINE, strict=False):
            source, correlation_id = together[0].source, together[0].correlation_id
            ids = [event.id for event in together]
            named = {"event_id": ids[0]} if len(events) == 1 else {"event_ids": ids}
            self._counts[source][ACCEPTED] += len(ids)
            self._lines.log("INFO", "accepted", {"source": source, **named, "correlation_id": correlation_id})

    def kept(self, receipt: Receipt) -> None:
        """Note that an item which is not valid was queued. It has its outcome when `deliver` rejects it.

        receipt  what its refusal would be
        """
        self._counts[receipt.source][ACCEPTED] += 1
        fields = {"source": receipt.source, "event_id": receipt.event_id, "error_code": receipt.error_code}
        more = {"detail": receipt.detail, "violations": _violations(receipt)}
        known = {name: value for name, value in more.items() if value is not None}
        self._lines.log("WARNING", "kept", {**fields, **known, "correlation_id": receipt.correlation_id})

    def empty(self, source: str, correlation_id: str) -> None:
        """Note a verified request without an event; it has no outcome.

        Some senders send one each minute, so they are logged as refusals are.
        """
        if count := self._refusals.count(source, EMPTY, [EMPTY]):
            self._lines.log(
                "INFO", "empty", {"source": source, "correlation_id": correlation_id, "count": count}
            )

    def handshake(self, source: str, correlation_id: str) -> None:
        """Note that a handshake was answered; it is not an event, and has no outcome.

        Anybody may ask some of these questions, so they are logged as refusals are.
        """
        if count := self._refusals.count(source, HANDSHAKE, [HANDSHAKE]):
            self._lines.log(
                "INFO", "handshake", {"source": source, "correlation_id": correlation_id, "count": count}
            )

    def unsubscribed(self, source: str, correlation_id: str) -> None:
        """Note that SNS has confirmed the end of a subscription: its topic sends nothing more."""
        self._counts[source][UNSUBSCRIBED] += 1
        self._lines.log(
            "ERROR",
            "unsubscribed",
            {"source": source, "error_code": UNSUBSCRIBED.lower(), "correlation_id": correlation_id},
        )

    def fell_back(self, event: Event, names: Mapping[str, str]) -> None:
        """Note that only a fallback source took an event, and the names under which AWS delivered it."""
        self._counts[event.source][FALLBACK] += 1
        about = {"source": event.source, "event_id": event.id, "correlation_id": event.correlation_id}
        self._lines.log("INFO", FALLBACK.lower(), {**about, **names})

    def quota(self, account: str, calls: int, limit: int) -> None:
        """Note how many of the day's calls an account has used."""
        with self._lock:
            self._quota[account] = max(self._quota.get(account, 0.0), 100.0 * calls / limit)

    def overdue(self, account: str, secs: float) -> None:
        """Note that an account's first event is due for some seconds, though the account permits a call."""
        self._overdue.add(account)
        self._lines.log("WARNING", OVERDUE.lower(), {"account": account, "overdue_secs": round(secs)})

    def settled(self, receipts: Iterable[Receipt], *, attempt: int) -> None:
        """Note the receipts of pushes; `attempt` is the attempt's number, from 1."""
        for receipt in receipts:
            with self._lock:
                self._counts[receipt.source].update(_metrics(receipt))
                if receipt.latency_ms is not None:
                    self._latencies[receipt.source].append(receipt.latency_ms)
            self._log(receipt, {"attempt": attempt})

    def refused(self, receipt: Receipt) -> None:
        """Note a request that was refused before its sender had proven itself."""
        count = self._refusals.count(receipt.source, receipt.error_code or "", _metrics(receipt))
        if count:
            self._log(receipt, {"attempt": 1, "count": count})

    def trouble(self, what: str, *, error_code: str, detail: str) -> None:
        """Log what went wrong outside any one event: a message could not be parked, say.

        If the metric of its code has an alarm, it is counted there.
        """
        if error_code in CODE_METRICS:
            with self._lock:
                self._troubles[CODE_METRICS[error_code]] += 1
        self._lines.log("ERROR", what, {"error_code": error_code, "detail": detail})

    def outdated(self, warning: object) -> None:
        """Log that the configuration has something that will stop working, such as an old name of a key."""
        self._lines.log("WARNING", "outdated configuration", {"detail": str(warning)})

    def flush(self) -> None:
        """Write the metrics, one line for each source, all together.

        Metrics of refusals may be left for a later flush; each line holds the invariant, so all of them do.
        """
        groups: list[tuple[Mapping[str, Any], list[Metric]]] = [
            (
                {"source": source},
                [*_counts(counts), Metric(VENDOR_LATENCY, "Milliseconds", self._latencies.get(source, ()))],
            )
            for source, counts in self._counts.items()
        ]
        groups += [
            ({"account": account}, [Metric(QUOTA_USED, "Percent", [percent])])
            for account, percent in self._quota.items()
        ]
        groups += [
            ({"account": account}, [Metric(OVERDUE, "Count", [1])]) for account in sorted(self._overdue)
        ]
        groups += [({}, _counts(self._troubles))] if self._troubles else []
        if self._refusals.is_due:
            groups.append(({"refused": dict(self._refusals.by_source)}, _counts(self._refusals.metrics)))
            self._refusals.clear()
        self._lines.count(self._stack, groups)
        self._quota.clear()
        self._overdue.clear()
        self._troubles.clear()
        self._counts.clear()
        self._latencies.clear()

    def _log(self, receipt: Receipt, numbers: Mapping[str, int]) -> None:
        fields = {
            "source": receipt.source,
            "event_id": receipt.event_id,
            "account": receipt.account,
            "route": receipt.route,
            "outcome": receipt.outcome.value,
            "error_code": receipt.error_code,
            "detail": receipt.detail,
            "vendor_code": receipt.vendor_code,
            "violations": _violations(receipt),
            "latency_ms": receipt.latency_ms and round(receipt.latency_ms, 1),
            "retry_after_secs": receipt.retry_after,
            "next_attempt_at": receipt.due and rfc3339(receipt.due),
            "left_out": list(receipt.left_out) or None,
            "correlation_id": receipt.correlation_id,
            **numbers,
        }
        known = {name: value for name, value in fields.items() if value is not None}
        # An unknown error is parked like an outage, and a person has to look into it.
        if receipt.outcome in _ERRORS or receipt.error_code == RelayError.code:
            level: Level = "ERROR"
        else:
            level = "WARNING" if receipt.outcome in _WARNINGS else "INFO"
        self._lines.log(level, "receipt", known)


def _counts(counts: Mapping[str, int]) -> list[Metric]:
    return [Metric(name, "Count", [count]) for name, count in counts.items()]


def _violations(receipt: Receipt) -> list[str] | None:
    return [f"{v.pointer or '/'} {v.rule}" for v in receipt.violations] or None


def _metrics(receipt: Receipt) -> list[str]:
    """Return the metrics that a receipt counts in."""
    own = [CODE_METRICS[receipt.error_code]] if receipt.error_code in CODE_METRICS else []
    if receipt.is_paced and receipt.error_code in VENDOR_CODES:
        # The call has stopped all others, or was a failed probe. If one push alone waits, no other shows it.
        own.append(CODE_METRICS[CircuitOpen.code])
    return [RECEIVED, OUTCOME_METRICS[receipt.outcome], *own]
