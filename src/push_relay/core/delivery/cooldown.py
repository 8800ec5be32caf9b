"""The rules of an account's cool-down, in which calls are stopped because the vendor fails or throttles.

They are functions of one state, which the whole fleet shares. `permit_circuit.py` applies them.

- Calls stop at once if the vendor asks for fewer (429, or any refusal with `Retry-After`) or refuses the
  credentials. They also stop after `FAILURES` failed calls in a row.
- While calls are stopped, one call at a time is tried: the probe. After each failed probe the wait is longer.
- An answered probe ends the cool-down for all workers.

An outage costs calls of the day, and a budget limits their number. Half of the budget's probes have growing
intervals, so that the end of a short outage is noticed within a fraction of its length. The other half is
enough for probes at even intervals through the rest of a whole day. Each call that the vendor answers gives
one call back to the budget, because a vendor that fails now and then has no outage.
"""

import math
from typing import NamedTuple

from push_relay.core.delivery.day import Day
from push_relay.core.errors import VendorThrottled

#: Failed calls in a row that stop all calls.
FAILURES = 3
#: Other calls that may be in progress when calls are stopped: one on each other connection.
_UNDER_WAY = 2
#: The budget of an outage in percent of the day's calls, and the smallest budget in calls.
BUDGET_PERCENT, LEAST_BUDGET = 2, 20
#: Seconds until the first probe.
FIRST_WAIT_SECS = 10.0
#: Seconds up to which `Retry-After` is a floor. A longer wait could not end when the vendor recovers.
LONGEST_NAMED_SECS = 3600.0
#: Seconds after midnight at which a new day's quota is tried, because the vendor's clock may differ.
AFTER_MIDNIGHT_SECS = 5.0
#: Seconds until a push is tried again if another one is the probe. Most probes are answered by then.
PROBE_PAUSE_SECS = 5.0
#: Seconds after which a push that waits because of refused credentials is tried again. Trying it reads the
#: secret, which may have changed.
SECRET_LOOK_SECS = 900.0
_DAY_SECS = 86_400.0


class Schedule(NamedTuple):
    """The schedule of an account's probes.

    budget        calls that an outage may cost in a day
    even          calls of the budget that are reserved for probes at even intervals
    growth        the factor by which each wait is longer than the one before
    growing       number of waits that grow; the waits after them are the longest
    longest_secs  the longest wait
    """

    budget: int
    even: int
    growth: float
    growing: int
    longest_secs: float


class Cooldown(NamedTuple):
    """The state. Moments are whole seconds since the epoch.

    failures     failed calls in a row, while calls are allowed
    until        when the next probe may be sent; 0 while calls are allowed
    level        failed probes of this cool-down
    probe        the name of the probe in progress; empty if there is none
    probe_until  when another probe may be sent, because the worker of that one was killed
    day          the account's day that `spent` is about
    spent        calls that failures have cost on that day
    refused      a mark of the credentials, if the vendor refused them; other credentials may be used
    reason       the error code of the last failure
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


class Failure(NamedTuple):
    """A failed call of the vendor.

    code         the error's code
    is_request   whether the vendor asks for fewer calls, or for other credentials: calls stop at once
    retry_after  seconds of `Retry-After`, if it was given
    probe        the name of the probe; empty if the call was not the probe
    mark         a mark of the credentials that the call used
    is_refusal   whether the vendor refused these
    answered     calls of the same worker that were answered since it last wrote the state
    """

    code: str
    is_request: bool
    retry_after: float | None = None
    probe: str = ""
    mark: str = ""
    is_refusal: bool = False
    answered: int = 0


def schedule(daily_calls: int) -> Schedule:
    """Return the schedule of an account's probes."""
    budget = max(LEAST_BUDGET, daily_calls * BUDGET_PERCENT // 100)
    probes = budget - FAILURES - _UNDER_WAY
    growing = probes // 2
    even = probes - growing
    longest_secs = max(FIRST_WAIT_SECS, _DAY_SECS / even)
    return Schedule(budget, even, (longest_secs / FIRST_WAIT_SECS) ** (1 / growing), growing, longest_secs)


def is_stopped(state: Cooldown, mark: str) -> bool:
    """Return whether calls are stopped for credentials. After a refusal, other credentials may be used."""
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
    return min(wait(state, now), SECRET_LOOK_SECS) if state.refused else wait(state, now)


def begin_probe(state: Cooldown, probe: str, now: float, lease_secs: float) -> Cooldown:
    """Make a call the probe, for at most `lease_secs`. If no probe is due, the state is not changed."""
    if not state.until or wait(state, now) > 0:
        return state
    return state._replace(probe=probe, probe_until=math.ceil(now + lease_secs))


def release_probe(state: Cooldown, probe: str) -> Cooldown:
    """End a probe that did not reach the vendor, so that another call can be the probe."""
    return state._replace(probe="", probe_until=0) if state.probe == probe else state


def answered(state: Cooldown, probe: str, mark: str, count: int) -> Cooldown:
    """Return the state after an answered call. `count` is like a failure's `answered`, with this call."""
    if not state.until:
        return state._replace(failures=0) if state.failures else state
    if (probe and probe == state.probe) or not is_stopped(state, mark):
        return Cooldown(day=state.day, spent=max(0, state.spent - count))
    # The call began before calls were stopped, so it does not show that the vendor has recovered.
    return state


def failed(state: Cooldown, failure: Failure, now: float, day: Day, plan: Schedule) -> Cooldown:
    """Return the state after a failed call: calls stop, or stay stopped, or the row of failures grows."""
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
        # The call began before calls were stopped. It counts, and its `Retry-After` is a floor.
        until = max(state.until, math.ceil(now + named)) if named else state.until
        return state._replace(until=until, day=today, spent=spent + 1)
    secs = _interval(level, spent, day.left_secs, plan)
    if failure.code == VendorThrottled.code:
        # The day's quota may be used up, and the next day has a new one.
        secs = min(secs, day.left_secs + AFTER_MIDNIGHT_SECS)
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
    secs = min(plan.longest_secs, FIRST_WAIT_SECS * plan.growth**level)
    if spent < plan.budget - plan.even:
        return secs
    # The rest of the budget has to last until midnight, however often calls were stopped today.
    return max(secs, left / max(1, plan.budget - spent))
