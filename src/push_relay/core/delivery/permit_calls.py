"""The rules of an account's calls of a day, as functions of its permits.

A call is used up in the permits, which one write changes together with the connections. It has to be drawn
first from the day's item, which the version before counts in too. Calls are drawn in blocks, so few asks need
a draw. `quota.py` has the limits: reserve and budgets.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, NamedTuple

from push_relay.core.clock import CLOCK_SKEW_SECS, Clock
from push_relay.core.delivery.day import date_at, end_of, zone_named
from push_relay.core.delivery.permits import DayCalls, Drawn, Permits
from push_relay.core.delivery.quota import Allowance, Quota
from push_relay.core.errors import BudgetExhausted, QuotaExhausted

if TYPE_CHECKING:
    from datetime import date

    from push_relay.core.push import Push

#: The part of the day's calls that one draw takes, in percent.
BLOCK_PERCENT = 1


class CallRequest(NamedTuple):
    """A request for a call of one push.

    days     the days on which the call counts: two around midnight, because clocks differ
    allowed  its limits
    high     whether the push is urgent
    """

    days: Sequence["date"]
    allowed: Allowance
    high: bool = False


class Shortage(NamedTuple):
    """Calls of a day that have to be drawn, and the limit of all calls up to which they may be."""

    day: "date"
    calls: int
    limit: int


class NoCall(NamedTuple):
    """A day that has no call for a push. `is_budget`: only the budgets of its sources are used up."""

    day: "date"
    is_budget: bool


type Calls = Mapping[str, DayCalls]


def total_of(calls: DayCalls) -> int:
    """Return all calls of a day, those of the version before included."""
    return calls.used + calls.elsewhere


def missing(calls: Calls, request: CallRequest, *, drawn: bool = False) -> NoCall | None:
    """Return the first day that has no call for a push; None if all have one.

    drawn  whether the call must have been drawn
    """
    allowed = request.allowed
    for day in request.days:
        known = calls.get(day.isoformat(), DayCalls())
        if total_of(known) >= allowed.total or (drawn and known.used >= known.drawn):
            return NoCall(day, is_budget=False)
        if allowed.budgets and not any(
            _of_source(known, source) < budget for source, budget in allowed.budgets.items()
        ):
            return NoCall(day, is_budget=True)
    return None


def use(calls: Calls, request: CallRequest) -> Calls:
    """Count a call."""
    return _add(calls, (day.isoformat() for day in request.days), request.allowed.counted, 1)


def unused(calls: Calls, days: Iterable["date"], sources: Sequence[str]) -> Calls:
    """Return a call that was not made to its days. A day that is no longer known has nothing to return to."""
    return _add(calls, (name for day in days if (name := day.isoformat()) in calls), sources, -1)


def shortage(calls: Calls, requests: Sequence[CallRequest], block: int) -> Shortage | None:
    """Return the calls of one day that have to be drawn before all requests can be granted.

    block  how many calls a draw takes at least
    """
    limits: dict[date, int] = {}
    ahead = calls
    for request in requests:
        if missing(ahead, request) is None:
            ahead = use(ahead, request)
            for day in request.days:
                known = ahead[day.isoformat()]
                if known.used > known.drawn:
                    limits[day] = max(limits.get(day, 0), request.allowed.total)
    for day, limit in limits.items():
        known = ahead[day.isoformat()]
        return Shortage(day, max(known.used - known.drawn, block), limit)
    return None


def drawn(calls: Calls, day: "date", found: Drawn) -> Calls:
    """Add calls that were drawn, and what the draw has shown of the version before."""
    known = calls.get(day.isoformat(), DayCalls())
    # Another worker's later draw may have been stored before this one.
    total = max(known.drawn + known.elsewhere, found.total)
    own = known.drawn + found.calls
    others = {
        source: max(known.others.get(source, 0), found.sources.get(source, 0))
        for source in {**known.others, **found.sources}
    }
    after = known._replace(drawn=own, elsewhere=max(0, total - own), others=others)
    return {**calls, day.isoformat(): after}


def without_old_days(permits: Permits, today: "date") -> Permits:
    """Forget the days before yesterday."""
    first = (today - timedelta(days=1)).isoformat()
    if all(day >= first for day in permits.calls):
        return permits
    return permits._replace(calls={day: calls for day, calls in permits.calls.items() if day >= first})


def _of_source(calls: DayCalls, source: str) -> int:
    return calls.sources.get(source, 0) + calls.others.get(source, 0)


def _add(calls: Calls, days: Iterable[str], sources: Sequence[str], count: int) -> Calls:
    after = dict(calls)
    for day in days:
        known = after.get(day, DayCalls())
        counts = {source: max(0, known.sources.get(source, 0) + count) for source in sources}
        after[day] = known._replace(
            used=max(0, known.used + count), sources={**known.sources, **counts} if counts else known.sources
        )
    return after


class AccountDays:
    """The days of an account, the limits of its calls, and the errors of a day without calls."""

    def __init__(self, quota: Quota, clock: Clock, report: Callable[[int, int], None]) -> None:
        self.quota = quota
        self._account = quota.account
        self.zone = zone_named(quota.account.time_zone)
        self._clock = clock
        self._report = report  # (calls of the day, limit)

    @property
    def block(self) -> int:
        """The calls that one draw takes."""
        return max(1, self._account.daily_calls * BLOCK_PERCENT // 100)

    @property
    def today(self) -> "date":
        """The account's day by this worker's clock."""
        return date_at(self._clock.now(), self.zone)

    def now(self) -> Sequence["date"]:
        """Return the vendor's day; around midnight both days that it can be by the vendor's clock."""
        now, skew = self._clock.now(), CLOCK_SKEW_SECS
        return sorted({date_at(moment, self.zone) for moment in (now - skew, now + skew)})

    def request(self, push: "Push") -> CallRequest:
        """Return the request for a call of a push that is made now."""
        return CallRequest(self.now(), self.quota.allowance(push), push.high)

    def report(self, calls: Calls, days: Iterable["date"]) -> None:
        """Report the calls of days."""
        for day in days:
            self._report(total_of(calls.get(day.isoformat(), DayCalls())), self._account.daily_calls)

    def refusal(self, request: CallRequest, found: NoCall) -> QuotaExhausted | BudgetExhausted:
        """Return the error of a push for which a day has no call."""
        wait = max(1.0, end_of(found.day, self.zone) + CLOCK_SKEW_SECS - self._clock.now())
        allowed = request.allowed
        if found.is_budget:
            budgets = ", ".join(
                f"[source.{name}] daily_calls: {calls}" for name, calls in allowed.budgets.items()
            )
            return BudgetExhausted(
                f"the calls of the day that the source may use are used up ({budgets})", retry_after=wait
            )
        # The metric shows 100 % also if only the reserve is left: a person has to learn that pushes wait.
        self._report(self._account.daily_calls, self._account.daily_calls)
        reserved = not request.high and allowed.total < self._account.daily_calls
        kept = "; the last are kept for high priority" if reserved else ""
        return QuotaExhausted(f"the day's calls are used up{kept}", retry_after=wait)
