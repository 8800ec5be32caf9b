"""Count every call before it is made: never more calls than the vendor allows the account in a day.

`quota.py` has the rules. An adapter stores the counts, which the whole fleet shares.
"""

import random
from collections.abc import Callable
from datetime import date
from typing import TYPE_CHECKING, NamedTuple, Protocol

from push_relay.core.clock import CLOCK_SKEW_SECS, Clock
from push_relay.core.delivery.day import date_at, end_of, zone_named
from push_relay.core.delivery.encoding import Credentials
from push_relay.core.delivery.quota import Allowance, Quota
from push_relay.core.delivery.sender import PushApi
from push_relay.core.errors import BudgetExhausted, QuotaExhausted

if TYPE_CHECKING:
    from push_relay.core.push import Push

#: Seconds over which the pushes are spread that waited for midnight.
MIDNIGHT_SPREAD_SECS = 600.0


class Counted(NamedTuple):
    """The answer to a request to count one more call of a day.

    calls       all calls of the account on that day
    is_granted  whether the call is one of them; if not, it must not be made
    """

    calls: int
    is_granted: bool = True


class CallCounter(Protocol):
    """The counts of one account's calls, by day."""

    def count(self, day: date, allowed: Allowance) -> Counted:
        """Count a call of a day if that is within the allowance. Raises LedgerUnavailable.

        The check and the count are one step: of two workers that want the last call, one gets it.
        """
        ...


class DailyQuota:
    """A PushApi that counts a call, and then makes it. Safe to use from several threads."""

    def __init__(
        self,
        inner: PushApi,
        counter: CallCounter,
        quota: Quota,
        clock: Clock,
        report: Callable[[int, int], None],
    ) -> None:
        self._inner = inner
        self._counter = counter
        self._quota = quota
        self._account = quota.account
        self._zone = zone_named(quota.account.time_zone)
        self._clock = clock
        self._report = report  # (calls of the day, limit)
        # What this worker knows to be used up on a day: a number of calls, or the budget of a source.
        self._used_up: set[tuple[date, int | str]] = set()

    def send(self, push: "Push", credentials: Credentials, correlation_id: str, timeout: float) -> None:
        """Send a push if the day has a call left for it.

        Raises QuotaExhausted, BudgetExhausted, LedgerUnavailable.
        """
        deadline = self._clock.monotonic() + timeout
        self._spend(push)
        self._inner.send(push, credentials, correlation_id, deadline - self._clock.monotonic())

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
            counted = self._counter.count(day, allowed)
            if not counted.is_granted:
                raise self._refusal(day, allowed, counted.calls, high=push.high)
            self._report(counted.calls, self._account.daily_calls)

    def _refusal(
        self, day: date, allowed: Allowance, calls: int, *, high: bool
    ) -> QuotaExhausted | BudgetExhausted:
        """Remember what is used up. It stays so until the day's end, because counts never decrease."""
        if allowed.budgets and calls < allowed.total:
            self._used_up.update((day, source) for source in allowed.budgets)
            return self._no_budget(day, allowed)
        self._used_up.add((day, allowed.total))
        return self._no_call(day, allowed, high=high)

    def _no_call(self, day: date, allowed: Allowance, *, high: bool) -> QuotaExhausted:
        # The metric shows 100 % also if only the reserve is left: a person has to learn that pushes wait.
        self._report(self._account.daily_calls, self._account.daily_calls)
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
        """Return the vendor's day; around midnight both days that it can be by the vendor's clock."""
        now, skew = self._clock.now(), CLOCK_SKEW_SECS
        return sorted({date_at(moment, self._zone) for moment in (now - skew, now + skew)})

    def _wait(self, day: date, *, high: bool) -> float:
        """Return the seconds until a day's end. Pushes that are not urgent are spread after it."""
        secs = max(1.0, end_of(day, self._zone) + CLOCK_SKEW_SECS - self._clock.now())
        return secs if high else secs + MIDNIGHT_SPREAD_SECS * random.random()  # noqa: S311 (not secret)
