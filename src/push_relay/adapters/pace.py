"""What stands between a push and the vendor: the day's quota, and a circuit breaker. Each is a PushApi.

CircuitBreaker -> DailyQuota -> HttpPushApi
"""

import math
import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from typing import TYPE_CHECKING, Any

from push_relay.adapters import aws
from push_relay.adapters.table import ConditionFailed, Table, number, text
from push_relay.core.account import Account
from push_relay.core.encoding import Credentials
from push_relay.core.errors import (
    CircuitOpen,
    DeliveryUnknown,
    QuotaExhausted,
    RelayError,
    VendorRejected,
    VendorThrottled,
    VendorUnauthorized,
    VendorUnavailable,
)
from push_relay.core.sender import PushApi

if TYPE_CHECKING:
    from push_relay.core.push import Push

#: The vendor is alive and said no.
_ANSWERS = (VendorRejected, VendorThrottled, VendorUnauthorized)
#: Seconds over which what waited for midnight is spread.
MIDNIGHT_SPREAD = 600.0
_KEPT = 3 * 86_400


class DailyQuota:
    """Counts every call before it is made, for the fleet: never more than the vendor allows in a day."""

    def __init__(
        self,
        inner: PushApi,
        table: Table,
        account: Account,
        now: Callable[[], float],
        tell: Callable[[int, int], None],
    ) -> None:
        self._inner = inner
        self._table = table
        self._account = account
        self._now = now
        self._tell = tell  # (calls of the day, limit)

    def send(self, push: "Push", credentials: Credentials, correlation_id: str, timeout: float) -> None:
        """Send a push where the day has a call left for it. Raises QuotaExhausted, LedgerUnavailable."""
        self._spend(high=push.high)
        self._inner.send(push, credentials, correlation_id, timeout)

    def _spend(self, *, high: bool) -> None:
        limit = self._account.daily_calls
        allowed = limit if high else limit * (100 - self._account.reserve) // 100
        local = datetime.fromtimestamp(self._now(), self._zone())
        calls = self._count(local.date().isoformat(), allowed) if allowed else None
        if calls is None:
            spread = 0.0 if high else MIDNIGHT_SPREAD * random.random()  # noqa: S311 (that not all come at once)
            kept = "" if high or allowed == limit else "; the last are kept for high priority"
            raise QuotaExhausted(
                f"the day's calls are used up{kept}", retry_after=_until_midnight(local) + spread
            )
        self._tell(calls, limit)

    def _count(self, day: str, allowed: int) -> int | None:
        """Count a call of a day, and return how many there are; None where it would be one too many."""
        try:
            counted = self._table.update(
                Key={"pk": text(f"quota#default#{day}")},
                UpdateExpression="ADD calls :one SET expires_at = :expires",
                ConditionExpression="attribute_not_exists(calls) OR calls < :allowed",
                ExpressionAttributeValues={
                    ":one": number(1),
                    ":allowed": number(allowed),
                    ":expires": number(math.floor(self._now()) + _KEPT),
                },
                ReturnValues="UPDATED_NEW",
            )
        except ConditionFailed:
            return None
        return int(counted["calls"]["N"])

    def _zone(self) -> tzinfo:
        if self._account.time_zone == "UTC":
            return UTC
        from zoneinfo import ZoneInfo  # noqa: PLC0415 (not needed for the default)

        return ZoneInfo(self._account.time_zone)


def _until_midnight(local: datetime) -> float:
    tomorrow = (local + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
    return max(1.0, tomorrow.timestamp() - local.timestamp())


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


class CircuitBreaker:
    """Powertools' circuit breaker round the vendor, its state in the ledger's table: one for the fleet.

    While it is open nothing is sent but a single probe. Only what says that the vendor is failing counts: a
    refused push or a limit is an answer, and as good a sign of life as any. Where the state cannot be read,
    the claim before it could not be made either.
    """

    def __init__(self, inner: PushApi, table: Table, circuit: Circuit) -> None:
        self._inner = inner
        self._table = table
        self._circuit = circuit
        self._guarded: Callable[..., RelayError | None] | None = None

    def send(self, push: "Push", credentials: Credentials, correlation_id: str, timeout: float) -> None:
        """Send a push where the circuit lets it through. Raises CircuitOpen."""
        if self._guarded is None:
            self._guarded = self._guard()
        refusal = self._guarded(push, credentials, correlation_id, timeout)
        if refusal:
            raise refusal

    def _answer(self, *call: Any) -> RelayError | None:
        """Send a push; return the refusal that the vendor answered with, as Powertools knows no third way."""
        try:
            self._inner.send(*call)
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
        passed = datetime.now(UTC).timestamp() - opened_at if opened_at is not None else 0.0
        wait = min(max(recovery - passed, 1.0), recovery)
        raise CircuitOpen("the vendor is failing: nothing is sent but a probe", retry_after=wait)
