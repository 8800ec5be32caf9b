"""What a push has to pass before it reaches the vendor: the circuit breaker and the day's quota.

Each is a PushApi: CircuitBreaker -> DailyQuota -> HttpPushApi
"""

import hashlib
import math
import random
import secrets
from collections.abc import Callable
from datetime import date
from threading import Lock
from time import monotonic
from typing import TYPE_CHECKING, Protocol

from push_relay.adapters.table import CLOCK_SKEW, ConditionFailed, LedgerTable, number, text
from push_relay.core.account import Account
from push_relay.core.delivery import cooldown
from push_relay.core.delivery.cooldown import Cooldown, Failure
from push_relay.core.delivery.day import date_at, day_at, end_of, zone_named
from push_relay.core.delivery.encoding import Credentials
from push_relay.core.delivery.quota import Allowance, Quota
from push_relay.core.delivery.sender import PushApi
from push_relay.core.errors import (
    BudgetExhausted,
    CircuitOpen,
    DeliveryUnknown,
    LedgerUnavailable,
    NotNow,
    QuotaExhausted,
    RelayError,
    VendorRejected,
    VendorThrottled,
    VendorUnauthorized,
    VendorUnavailable,
)

if TYPE_CHECKING:
    from push_relay.core.push import Push

#: Calls that the vendor has not answered well, for whatever reason.
_FAILURES = (VendorThrottled, VendorUnauthorized, VendorUnavailable, DeliveryUnknown)
#: Seconds over which what waited for midnight is spread.
MIDNIGHT_SPREAD = 600.0
#: Seconds for which a worker believes the state that it has seen: while calls are allowed, and while stopped.
FRESH_SECS, STOPPED_SECS = 1.0, 60.0
#: Tries to change the state, which another worker may change meanwhile.
_TRIES = 30
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
        table: LedgerTable,
        quota: Quota,
        now: Callable[[], float],
        tell: Callable[[int, int], None],
    ) -> None:
        self._inner = inner
        self._table = table
        self._quota = quota
        self._account = quota.account
        self._zone = zone_named(quota.account.time_zone)
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
        now = self._now()
        return sorted({date_at(moment, self._zone) for moment in (now - CLOCK_SKEW, now + CLOCK_SKEW)})

    def _wait(self, day: date, *, high: bool) -> float:
        """Return seconds until the day's end, after which what is not urgent is spread."""
        wait = max(1.0, end_of(day, self._zone) + CLOCK_SKEW - self._now())
        # Spread, so that not all of it comes at once.
        return wait if high else wait + MIDNIGHT_SPREAD * random.random()  # noqa: S311 (not secret)


class CooldownStore(Protocol):
    """Where the fleet's one state lies. Both methods raise LedgerUnavailable."""

    def read(self) -> Cooldown:
        """Return the state as it is now."""
        ...

    def swap(self, before: Cooldown, after: Cooldown) -> Cooldown:
        """Replace the state if it is still `before`; return the one that is stored in the end."""
        ...


class CircuitBreaker:
    """Stops the fleet's calls while the vendor fails or throttles, and lets one probe at a time through.

    `core/delivery/cooldown.py` has the rules. While calls are allowed, a worker reads the state
    before a call, at most once in FRESH_SECS. It writes the state only if a call fails, or ends a row of
    failures. Safe to use from several threads.
    """

    def __init__(
        self,
        inner: PushApi,
        store: CooldownStore,
        account: Account,
        now: Callable[[], float],
        check: Callable[["Push"], None] = lambda _push: None,
    ) -> None:
        self._inner = inner
        self._store = store
        self._zone = zone_named(account.time_zone)
        self._plan = cooldown.schedule(account.daily_calls)
        self._now = now
        self._check = check
        self._lock = Lock()
        self._known = (Cooldown(), -math.inf)  # the state as this worker has seen it last, and when
        self._answers = 0  # calls answered since this worker last counted them

    def send(self, push: "Push", credentials: Credentials, correlation_id: str, timeout: float) -> None:
        """Send a push if calls are allowed, or if it may be the probe.

        Raises CircuitOpen, or VendorUnauthorized if credentials were refused and these are the same.
        """
        deadline = monotonic() + timeout
        # A push that waits for midnight anyway neither comes back for every probe nor is the probe.
        self._check(push)
        mark = _mark(credentials)
        probe = self._admit(mark, timeout)
        try:
            # Reading the state has taken some of the time.
            self._inner.send(push, credentials, correlation_id, deadline - monotonic())
        except _FAILURES as exc:
            self._failed(exc, probe, mark)
            raise
        except VendorRejected:
            self._answered(probe, mark)
            raise
        except Exception:
            # The vendor was not called.
            self._note(probe, lambda state: cooldown.release_probe(state, probe))
            raise
        self._answered(probe, mark)

    def refusal(self, push: "Push") -> NotNow | None:
        """Return why a push cannot be sent now, as far as this worker knows without asking anybody."""
        try:
            self._check(push)
        except NotNow as exc:
            return exc
        (state, _), now = self._known, self._now()
        # If credentials were refused, it depends on those that the push would be sent with.
        is_known = now < state.until and self._is_fresh() and not state.refused
        return _stopped(state, now) if is_known else None

    def wait(self) -> float | None:
        """Return seconds until a call may be tried; None if it may be now, as far as this worker knows."""
        return cooldown.pause(self._known[0], self._now()) or None

    def _admit(self, mark: str, timeout: float) -> str:
        """Let a call go; return its name if it is the probe, else an empty text.

        Raises CircuitOpen, or VendorUnauthorized if credentials were refused and these are the same.
        """
        state = self._current()
        if cooldown.is_stopped(state, mark) and not cooldown.wait(state, self._now()):
            probe, lease = secrets.token_hex(8), timeout + CLOCK_SKEW
            state = self._change(lambda found: cooldown.begin_probe(found, probe, self._now(), lease))
            if state.probe == probe:
                return probe
        if cooldown.is_stopped(state, mark):
            raise _stopped(state, self._now())
        return ""

    def _failed(self, error: RelayError, probe: str, mark: str) -> None:
        retry_after = error.retry_after if isinstance(error, NotNow) else None
        is_refusal = isinstance(error, VendorUnauthorized)
        with self._lock:
            answers, self._answers = self._answers, 0
        failure = Failure(
            error.code,
            is_request=is_refusal or isinstance(error, VendorThrottled) or retry_after is not None,
            retry_after=retry_after,
            probe=probe,
            mark=mark,
            is_refusal=is_refusal,
            answered=answers,
        )
        now = self._now()
        day = day_at(now, self._zone)
        self._note(probe, lambda state: cooldown.failed(state, failure, now, day, self._plan))

    def _answered(self, probe: str, mark: str) -> None:
        with self._lock:
            answers = self._answers + 1
            self._answers = 0 if self._known[0].until else answers
        self._note(probe, lambda state: cooldown.answered(state, probe, mark, answers))

    def _current(self) -> Cooldown:
        """Return the state as it is, or as this worker has seen it just now. Raises LedgerUnavailable."""
        known = self._known
        if self._is_fresh():
            return known[0]
        state = self._store.read()
        # Another thread may have changed it since it was read.
        if self._known is known:
            self._keep(state)
        return self._known[0]

    def _is_fresh(self) -> bool:
        (state, seen), now = self._known, self._now()
        return 0 <= now - seen < (STOPPED_SECS if now < state.until else FRESH_SECS)

    def _keep(self, state: Cooldown) -> None:
        self._known = (state, self._now())

    def _note(self, probe: str, rule: Callable[[Cooldown], Cooldown]) -> None:
        """Change the state after a call. What the call has ended with stands, also if the ledger is down."""
        try:
            if probe and self._known[0].probe != probe:
                self._keep(self._store.read())
            self._change(rule)
        except LedgerUnavailable:
            # This worker at least knows it.
            self._keep(rule(self._known[0]))

    def _change(self, rule: Callable[[Cooldown], Cooldown]) -> Cooldown:
        """Change the state by a rule, and return what it is then. Raises LedgerUnavailable."""
        before = self._known[0]
        for _ in range(_TRIES):
            after = rule(before)
            if after == before:
                return before
            after = after._replace(stamp=secrets.token_hex(8))
            before = self._store.swap(before, after)
            self._keep(before)
            if before.stamp == after.stamp:
                return before
        raise LedgerUnavailable("too many workers change the account's cool-down at once")


def _stopped(state: Cooldown, now: float) -> CircuitOpen | VendorUnauthorized:
    """Return why a call is not made: what a person has to mend keeps its own code."""
    pause = max(1.0, cooldown.pause(state, now) or cooldown.PROBE_PAUSE_SECS)
    if state.refused:
        refusal = VendorUnauthorized(
            "the vendor refused the credentials, and they are the same", retry_after=pause
        )
        refusal.is_paced = True
        return refusal
    return CircuitOpen(
        f"calls are stopped after `{state.reason}`: one probe at a time is sent", retry_after=pause
    )


def _mark(credentials: Credentials) -> str:
    """Return what tells credentials from their successors: too short to find them by it."""
    content = f"{credentials.company_id}\0{credentials.integration_key}"
    return hashlib.sha256(content.encode()).hexdigest()[:4]
