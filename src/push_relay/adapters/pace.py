"""What stands between a push and the vendor: the day's quota, and a circuit breaker. Each is a PushApi.

CircuitBreaker -> DailyQuota -> HttpPushApi
"""

import math
import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from time import monotonic
from typing import TYPE_CHECKING, Any

from push_relay.adapters import aws
from push_relay.adapters.table import CLOCK_SKEW, ConditionFailed, Table, number, text
from push_relay.core.encoding import Credentials
from push_relay.core.errors import (
    BudgetExhausted,
    CircuitOpen,
    DeliveryUnknown,
    QuotaExhausted,
    RelayError,
    VendorRejected,
    VendorThrottled,
    VendorUnauthorized,
    VendorUnavailable,
)
from push_relay.core.quota import Allowance, Quota
from push_relay.core.sender import PushApi

if TYPE_CHECKING:
    from push_relay.core.push import Push

#: The vendor is alive and said no.
_ANSWERS = (VendorRejected, VendorThrottled, VendorUnauthorized)
#: Seconds over which what waited for midnight is spread.
MIDNIGHT_SPREAD = 600.0
_KEPT = 3 * 86_400


class DailyQuota:
    """Counts every call before it is made, for the fleet: never more than the vendor allows in a day.

    One item for each day, `quota#default#<day>`, in one update for each call:

    | attribute        | meaning |
    |---|---|
    | `calls`          | all calls of the day |
    | `calls#<source>` | those that count for a source with a budget |
    | `expires_at`     | when the item may be deleted |
    """

    def __init__(
        self,
        inner: PushApi,
        table: Table,
        quota: Quota,
        now: Callable[[], float],
        tell: Callable[[int, int], None],
    ) -> None:
        self._inner = inner
        self._table = table
        self._quota = quota
        self._account = quota.account
        self._now = now
        self._tell = tell  # (calls of the day, limit)
        # What this worker has seen used up: of a day, a number of calls, or the budget of a source.
        self._used_up: set[tuple[date, int | str]] = set()

    def send(self, push: "Push", credentials: Credentials, correlation_id: str, timeout: float) -> None:
        """Send a push if the day has a call left for it.

        Raises QuotaExhausted, BudgetExhausted, LedgerUnavailable.
        """
        deadline = monotonic() + timeout
        self._spend(push)
        self._inner.send(push, credentials, correlation_id, deadline - monotonic())

    def check(self, push: "Push") -> None:
        """Raise QuotaExhausted or BudgetExhausted if this worker knows that no call is left for a push."""
        allowed = self._quota.allowance(push)
        for day in self._days():
            self._check(day, allowed, high=push.high)

    def _check(self, day: date, allowed: Allowance, *, high: bool) -> None:
        if not allowed.total or (day, allowed.total) in self._used_up:
            raise self._no_call(day, allowed, high=high)
        if allowed.budgets and all((day, source) in self._used_up for source in allowed.budgets):
            raise self._no_budget(day, allowed)

    def _spend(self, push: "Push") -> None:
        allowed = self._quota.allowance(push)
        for day in self._days():
            self._check(day, allowed, high=push.high)
            try:
                calls = self._count(day, allowed)
            except ConditionFailed as exc:
                # What is used up stays so until the day's end: counts never shrink.
                if allowed.budgets and int(exc.item["calls"]["N"]) < allowed.total:
                    self._used_up.update((day, source) for source in allowed.budgets)
                    raise self._no_budget(day, allowed) from None
                self._used_up.add((day, allowed.total))
                raise self._no_call(day, allowed, high=push.high) from None
            self._tell(calls, self._account.daily_calls)

    def _count(self, day: date, allowed: Allowance) -> int:
        """Count a call of a day, and return how many there are. Raises ConditionFailed for one too many."""
        names = {f"#s{n}": f"calls#{source}" for n, source in enumerate(allowed.counted)}
        budgets = {f":s{n}": number(calls) for n, calls in enumerate(allowed.budgets.values())}
        condition = "(attribute_not_exists(calls) OR calls < :allowed)"
        if budgets:
            free = (f"attribute_not_exists(#{s[1:]}) OR #{s[1:]} < {s}" for s in budgets)
            condition += f" AND ({' OR '.join(free)})"
        counting = ", ".join(f"{name} :one" for name in ("calls", *names))
        counted = self._table.update(
            Key={"pk": text(f"quota#default#{day.isoformat()}")},
            UpdateExpression=f"ADD {counting} SET expires_at = :expires",
            ConditionExpression=condition,
            **({"ExpressionAttributeNames": names} if names else {}),
            ExpressionAttributeValues={
                ":one": number(1),
                ":allowed": number(allowed.total),
                ":expires": number(math.floor(self._now()) + _KEPT),
                **budgets,
            },
            ReturnValues="UPDATED_NEW",
            ReturnValuesOnConditionCheckFailure="ALL_OLD",
        )
        return int(counted["calls"]["N"])

    def _no_call(self, day: date, allowed: Allowance, *, high: bool) -> QuotaExhausted:
        # Somebody has to know that pushes wait for midnight, however large the reserve is.
        self._tell(self._account.daily_calls, self._account.daily_calls)
        reserved = not high and allowed.total < self._account.daily_calls
        kept = "; the last are kept for high priority" if reserved else ""
        return QuotaExhausted(f"the day's calls are used up{kept}", retry_after=self._wait(day, high=high))

    def _no_budget(self, day: date, allowed: Allowance) -> BudgetExhausted:
        budgets = ", ".join(
            f"[source.{name}] daily_calls: {calls}" for name, calls in allowed.budgets.items()
        )
        return BudgetExhausted(
            f"the calls of the day that the source may use are used up ({budgets})",
            retry_after=self._wait(day, high=False),
        )

    def _days(self) -> list[date]:
        """Return the day that it is at the vendor; round midnight both that it may be."""
        now, zone = self._now(), self._zone()
        moments = (now - CLOCK_SKEW, now + CLOCK_SKEW)
        return sorted({datetime.fromtimestamp(moment, zone).date() for moment in moments})

    def _wait(self, day: date, *, high: bool) -> float:
        """Return seconds until the day's end, after which what is not urgent is spread."""
        tomorrow = datetime.combine(day + timedelta(days=1), time.min, self._zone())
        wait = max(1.0, tomorrow.timestamp() + CLOCK_SKEW - self._now())
        # Spread, so that not all of it comes at once.
        return wait if high else wait + MIDNIGHT_SPREAD * random.random()  # noqa: S311 (not secret)

    def _zone(self) -> tzinfo:
        if self._account.time_zone == "UTC":
            return UTC
        from zoneinfo import ZoneInfo  # noqa: PLC0415 (not needed for the default)

        return ZoneInfo(self._account.time_zone)


@dataclass(frozen=True, slots=True)
class Circuit:
    """When the circuit opens and closes.

    failures   consecutive ones of one worker's that open it
    recovery   whole seconds until a probe
    successes  consecutive probes of one thread's that close it; with more than one the fleet would wait for
               that thread to get another push, or for its lease to end
    """

    failures: int = 5
    recovery: int = 30
    successes: int = 1


_CIRCUIT = Circuit()


class CircuitBreaker:
    """Powertools' circuit breaker round the vendor, its state in the ledger's table: one for the fleet.

    While it is open nothing is sent but a single probe. Only what says that the vendor is failing counts: a
    refused push or a limit is an answer, and as good a sign of life as any. Where the state cannot be read,
    the claim before it could not be made either.
    """

    def __init__(
        self,
        inner: PushApi,
        table: Table,
        now: Callable[[], float],
        check: Callable[["Push"], None] = lambda _push: None,
        circuit: Circuit = _CIRCUIT,
    ) -> None:
        self._inner = inner
        self._check = check
        self._table = table
        self._now = now
        self._circuit = circuit
        self._guarded: Callable[..., RelayError | None] | None = None

    def send(self, push: "Push", credentials: Credentials, correlation_id: str, timeout: float) -> None:
        """Send a push where the circuit lets it through. Raises CircuitOpen."""
        # What has to wait for midnight anyway neither comes back for every probe nor is the probe.
        self._check(push)
        if self._guarded is None:
            self._guarded = self._guard()
        refusal = self._guarded(push, credentials, correlation_id, monotonic() + timeout)
        if refusal:
            raise refusal

    def _answer(
        self, push: "Push", credentials: Credentials, correlation_id: str, deadline: float
    ) -> RelayError | None:
        """Send a push; return the refusal that the vendor answered with, as Powertools knows no third way."""
        try:
            # Reading the circuit has taken some of the time.
            self._inner.send(push, credentials, correlation_id, deadline - monotonic())
        except _ANSWERS as exc:
            return exc
        return None

    def _guard(self) -> Callable[..., RelayError | None]:
        # Imported where it is needed: three times a bare interpreter's start.
        from aws_lambda_powertools.utilities.circuit_breaker import (  # noqa: PLC0415
            CircuitBreakerConfig,
            circuit_breaker,
        )
        from aws_lambda_powertools.utilities.circuit_breaker.persistence import (  # noqa: PLC0415
            CircuitBreakerDynamoDBPersistence,
        )

        store = CircuitBreakerDynamoDBPersistence(
            self._table.name, key_attr="pk", expiry_attr="expires_at", boto3_client=aws.dynamodb()
        )
        config = CircuitBreakerConfig(
            failure_threshold=self._circuit.failures,
            recovery_timeout=self._circuit.recovery,
            success_threshold=self._circuit.successes,
            handled_exceptions=(VendorUnavailable, DeliveryUnknown),
            local_cache_max_age=1,
        )
        guard = circuit_breaker(
            name="circuit#default", persistence_store=store, on_circuit_open=self._refuse, config=config
        )
        guarded: Callable[..., RelayError | None] = guard(self._answer)
        return guarded

    def _refuse(self, *_: object, circuit: Any, **__: object) -> None:
        recovery = float(self._circuit.recovery)
        opened_at = getattr(circuit, "opened_at", None)
        passed = self._now() - opened_at if opened_at is not None else 0.0
        wait = min(max(recovery - passed, 1.0), recovery)
        raise CircuitOpen("the vendor is failing: nothing is sent but a probe", retry_after=wait)
