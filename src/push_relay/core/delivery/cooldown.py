"""The account's cool-down: when calls stop because the vendor fails or throttles, and when one is tried.

Pure rules over one state, which the whole fleet shares; an adapter stores it.

- Calls stop at once if the vendor asks for fewer (429, or any refusal with `Retry-After`) or refuses the
  credentials, and after `FAILURES` calls in a row that it did not answer well.
- While they are stopped, one call at a time is tried: the probe. The wait after each failed probe is longer.
- An answered probe ends the cool-down for everybody.

An outage costs calls of the day, and their number is bounded by a budget. Half of its probes go out at
growing intervals, so that the end of a short outage is noticed within a fraction of its length. The other
half is enough for a probe at even intervals through the rest of a whole day. Each call that the vendor
answers gives one call back to the budget: a vendor that fails now and then is no outage.
"""

import math
from typing import NamedTuple

from push_relay.core.delivery.day import Day
from push_relay.core.errors import VendorThrottled

#: Calls in a row without an answer that stop all calls.
FAILURES = 3
#: Calls that may be under way when calls are stopped, besides the last of the row: one on each connection.
_UNDER_WAY = 2
#: Percent of the day's calls that an outage may cost in a day; and how many it may cost at least.
BUDGET_PERCENT, LEAST_BUDGET = 2, 20
#: Seconds until the first probe.
FIRST_WAIT_SECS = 10.0
#: Seconds beyond which no `Retry-After` is a floor. A longer wait could not end when the vendor recovers.
LONGEST_NAMED_SECS = 3600.0
#: Seconds after midnight at which a new day's quota is tried: the vendor's clock may be another.
AFTER_MIDNIGHT_SECS = 5.0
#: Seconds until a push that met another's probe is tried again: most probes are answered by then.
PROBE_PAUSE_SECS = 5.0
#: Seconds after which a push that waits because of refused credentials looks whether the secret has changed.
LOOK_SECS = 900.0
_DAY_SECS = 86_400.0


class Schedule(NamedTuple):
    """How an account's outages are probed.

    budget   calls that an outage may cost in a day
    even     how many of them are kept for probes at even intervals
    growth   by what each wait is longer than the one before
    growing  waits that grow; after them all are the longest
    longest  seconds
    """

    budget: int
    even: int
    growth: float
    growing: int
    longest: float


class Cooldown(NamedTuple):
    """The state. Moments are whole seconds since the epoch.

    failures     calls in a row without an answer, while calls are allowed
    until        when the next probe may go out; 0 while calls are allowed
    level        how many probes of this cool-down have failed
    probe        which call is the probe that is under way; empty if there is none
    probe_until  when that probe is given up: its worker was killed
    day, spent   calls that failing has cost on a day of the account's
    refused      a mark of the credentials, if they are what the vendor refused; other credentials may call
    reason       error code of the last failure
    stamp        differs with each write
    """

    failures: int = 0
    until: int = 0
    level: int = 0
    probe: str = ""
    probe_until: int = 0
    day: str = ""
    spent: int = 0
    refused: str = ""
    reason: str = ""
    stamp: str = ""


class Failure(NamedTuple):
    """A call that the vendor did not answer well.

    code         the error's code
    is_request   whether the vendor asks for fewer calls, or for other credentials: calls stop at once
    retry_after  seconds that it asks to wait, if it names any
    probe        which probe the call was; empty if it was none
    mark         a mark of the credentials that the call bore
    is_refusal   whether the vendor refused these
    answered     calls that the same worker saw answered since it last wrote the state
    """

    code: str
    is_request: bool
    retry_after: float | None = None
    probe: str = ""
    mark: str = ""
    is_refusal: bool = False
    answered: int = 0


def schedule(daily_calls: int) -> Schedule:
    """Return how an account's outages are probed."""
    budget = max(LEAST_BUDGET, daily_calls * BUDGET_PERCENT // 100)
    probes = budget - FAILURES - _UNDER_WAY
    growing = probes // 2
    even = probes - growing
    longest = max(FIRST_WAIT_SECS, _DAY_SECS / even)
    return Schedule(budget, even, (longest / FIRST_WAIT_SECS) ** (1 / growing), growing, longest)


def is_stopped(state: Cooldown, mark: str) -> bool:
    """Return whether calls are stopped for credentials. After a refusal, changed credentials may call."""
    return bool(state.until) and (not state.refused or mark == state.refused)


def wait(state: Cooldown, now: float) -> float:
    """Return seconds until a stopped call may be tried; 0 if it may be the probe now."""
    if now < state.until:
        return state.until - now
    if state.probe and now < state.probe_until:
        return min(PROBE_PAUSE_SECS, max(1.0, state.probe_until - now))
    return 0.0


def pause(state: Cooldown, now: float) -> float:
    """Return seconds that a push waits before it is tried again; 0 if it may be tried now."""
    return min(wait(state, now), LOOK_SECS) if state.refused else wait(state, now)


def begin_probe(state: Cooldown, probe: str, now: float, lease: float) -> Cooldown:
    """Make a call the probe, for `lease` seconds at most. If it may not be one, the state stays as it is."""
    if not state.until or wait(state, now) > 0:
        return state
    return state._replace(probe=probe, probe_until=math.ceil(now + lease))


def release_probe(state: Cooldown, probe: str) -> Cooldown:
    """Let another call be the probe: this one did not reach the vendor."""
    return state._replace(probe="", probe_until=0) if state.probe == probe else state


def answered(state: Cooldown, probe: str, mark: str, count: int) -> Cooldown:
    """Return the state after an answered call; `count` as a failure's `answered`, this one included."""
    if not state.until:
        return state._replace(failures=0) if state.failures else state
    if (probe and probe == state.probe) or not is_stopped(state, mark):
        return Cooldown(day=state.day, spent=max(0, state.spent - count))
    # It began before calls were stopped, so it does not show that the vendor has recovered.
    return state


def failed(state: Cooldown, failure: Failure, now: float, day: Day, plan: Schedule) -> Cooldown:
    """Return the state after a call that failed: calls stop, or stay stopped, or this was one of a row."""
    today = day.date.isoformat()
    spent = max(0, (state.spent if state.day == today else 0) - failure.answered)
    named = min(failure.retry_after or 0.0, LONGEST_NAMED_SECS)
    if not state.until:
        failures = state.failures + 1
        if failures < FAILURES and not failure.is_request:
            return state._replace(failures=failures, day=today, spent=spent)
        level, spent = 0, spent + failures
    elif (failure.probe and failure.probe == state.probe) or not is_stopped(state, failure.mark):
        level, spent = min(state.level + 1, plan.growing), spent + 1
    else:
        # It began before calls were stopped: it counts, and what it asks for holds.
        until = max(state.until, math.ceil(now + named)) if named else state.until
        return state._replace(until=until, day=today, spent=spent + 1)
    secs = _interval(level, spent, day.left, plan)
    if failure.code == VendorThrottled.code:
        # The day's quota may be what is used up, and a new day has another.
        secs = min(secs, day.left + AFTER_MIDNIGHT_SECS)
    return Cooldown(
        until=math.ceil(now + max(secs, named)),
        level=level,
        day=today,
        spent=spent,
        refused=failure.mark if failure.is_refusal else "",
        reason=failure.code,
    )


def _interval(level: int, spent: int, left: float, plan: Schedule) -> float:
    """Return seconds until the next probe."""
    secs = min(plan.longest, FIRST_WAIT_SECS * plan.growth**level)
    if spent < plan.budget - plan.even:
        return secs
    # What is left of the budget has to last until midnight, however often calls were stopped today.
    return max(secs, left / max(1, plan.budget - spent))
