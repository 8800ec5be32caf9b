"""The cool-down: the failures that stop calls, the length of the stop, and the cost of an outage."""

from datetime import UTC, date
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from push_relay.core.delivery import cooldown
from push_relay.core.delivery.cooldown import (
    AFTER_MIDNIGHT_SECS,
    FIRST_WAIT_SECS,
    LONGEST_NAMED_SECS,
    PROBE_PAUSE_SECS,
    Cooldown,
    Failure,
)
from push_relay.core.delivery.day import Day, day_at

NOW = 1_800_014_400.0
TODAY = Day(date(2027, 1, 15), 43_200.0)
PLAN = cooldown.schedule(2500)
DOWN = Failure("vendor_unavailable", is_request=False)
SLOW = Failure("vendor_throttled", is_request=True)
REFUSED = Failure("vendor_unauthorized", is_request=True, mark="aaaa", is_refusal=True)


def fail(state: Cooldown, failure: Failure = DOWN, now: float = NOW, day: Day = TODAY) -> Cooldown:
    """Return the state after a failure."""
    return cooldown.failed(state, failure, now, day, PLAN)


def probe_fails(state: Cooldown, failure: Failure = DOWN, day: Day | None = None) -> Cooldown:
    """Return the state after its next probe has failed. The probe is sent as early as possible."""
    now = float(state.until)
    state = cooldown.begin_probe(state, "p", now, 10)
    assert state.probe == "p"
    return fail(state, failure._replace(probe="p"), now, day or day_at(now, UTC))


def stopped(failure: Failure = SLOW) -> Cooldown:
    """Return a state after a failure has just stopped calls."""
    return fail(Cooldown(), failure)


def test_two_failures_do_not_stop_calls() -> None:
    """A successful answer resets the number of consecutive failures."""
    state = fail(fail(Cooldown()))
    assert (state.until, state.failures) == (0, 2)
    assert not cooldown.is_stopped(state, "")
    assert cooldown.answered(state, "", "", 1) == state._replace(failures=0)


def test_three_consecutive_failures_stop_calls() -> None:
    """All three count as spent calls."""
    state = fail(fail(fail(Cooldown())))
    assert (state.until, state.spent, state.reason) == (NOW + FIRST_WAIT_SECS, 3, "vendor_unavailable")
    assert cooldown.is_stopped(state, "")


@pytest.mark.parametrize("failure", [SLOW, REFUSED, DOWN._replace(is_request=True, retry_after=0.0)], ids=str)
def test_a_vendor_that_asks_for_fewer_calls_stops_them_at_once(failure: Failure) -> None:
    """A throttled call, refused credentials or a `Retry-After` are unambiguous, so one call is enough."""
    state = stopped(failure)
    assert (state.until, state.spent) == (NOW + FIRST_WAIT_SECS, 1)


@pytest.mark.parametrize(
    ("retry_after", "wait"),
    [
        (0.0, 10),
        (7.0, 10),
        (600.0, 600),
        (3600.0, 3600),
        (86_400.0, LONGEST_NAMED_SECS),
        (9e9, LONGEST_NAMED_SECS),
    ],
)
def test_retry_after_is_a_floor(retry_after: float, wait: float) -> None:
    """It is limited to an hour, so that a wrong value cannot stop the relay for a week."""
    assert stopped(SLOW._replace(retry_after=retry_after)).until == NOW + wait


def test_the_waits_grow_up_to_a_maximum() -> None:
    """Each wait is longer by about the same factor. The longest is a little more than an hour."""
    state, waits = stopped(), []
    for _ in range(40):
        now = state.until
        state = probe_fails(state, DOWN)
        waits.append(state.until - now)
    assert all(1.0 < after / before < 1.6 for before, after in pairwise(waits[:22]))
    assert set(waits[22:]) == {3757}


def test_there_is_one_probe_at_a_time() -> None:
    """Another worker may probe only if the first probe's worker must have died without an answer."""
    state = stopped()
    due = float(state.until)
    assert cooldown.begin_probe(state, "early", due - 1, 30) == state
    probing = cooldown.begin_probe(state, "one", due, 30)
    assert cooldown.begin_probe(probing, "two", due + 29, 30) == probing
    assert cooldown.begin_probe(probing, "two", due + 30, 30).probe == "two"
    assert cooldown.begin_probe(Cooldown(), "none", due, 30) == Cooldown()


@pytest.mark.parametrize(
    ("after", "wait"), [(-4.0, 4.0), (0.0, PROBE_PAUSE_SECS), (27.0, 3.0), (29.5, 1.0), (30.0, 0.0)]
)
def test_a_push_waits_a_little_for_another_worker_s_probe(after: float, wait: float) -> None:
    """Most probes are answered within that time."""
    state = stopped()
    state = cooldown.begin_probe(state, "one", float(state.until), 30)
    assert cooldown.wait(state, state.until + after) == wait


def test_a_probe_that_was_not_sent_can_be_released() -> None:
    """The push may have no call left for the day. A worker cannot release another worker's probe."""
    state = stopped()
    probing = cooldown.begin_probe(state, "one", float(state.until), 30)
    assert cooldown.release_probe(probing, "other") == probing
    assert cooldown.release_probe(probing, "one") == state


def test_an_answered_probe_ends_the_cool_down() -> None:
    """This holds for all workers. The spent calls are still counted for the day, minus the answered ones."""
    state = probe_fails(probe_fails(stopped()))
    probing = cooldown.begin_probe(state, "one", float(state.until), 30)
    assert cooldown.answered(probing, "one", "", 1) == Cooldown(day="2027-01-15", spent=2)


def test_the_answer_to_an_earlier_call_does_not_end_the_cool_down() -> None:
    """If one of three parallel calls is throttled, the success of the other two does not show a recovery."""
    state = stopped()
    assert cooldown.answered(state, "", "", 9) == state
    late = cooldown.begin_probe(state, "two", float(state.until), 30)
    assert cooldown.answered(late, "one", "", 9) == late


def test_the_failure_of_an_earlier_call_does_not_prolong_the_cool_down() -> None:
    """It counts as a spent call, and only a longer `Retry-After` extends the wait."""
    state = fail(stopped(), DOWN)
    assert (state.until, state.level, state.spent) == (NOW + 10, 0, 2)
    assert fail(state, SLOW._replace(retry_after=60.0)).until == NOW + 60
    assert fail(state, SLOW._replace(retry_after=1.0)).until == NOW + 10


def test_changed_credentials_may_call_after_a_refusal() -> None:
    """They need no probe, because a person has corrected the secret."""
    state = stopped(REFUSED)
    assert cooldown.is_stopped(state, "aaaa")
    assert not cooldown.is_stopped(state, "bbbb")
    assert cooldown.answered(state, "", "bbbb", 1).until == 0
    assert cooldown.answered(state, "", "aaaa", 1) == state


@pytest.mark.parametrize("failure", [SLOW, DOWN, REFUSED], ids=str)
def test_changed_credentials_that_fail_stop_all_calls_again(failure: Failure) -> None:
    """Otherwise every push would make a call with them."""
    state = fail(stopped(REFUSED), failure._replace(mark="bbbb"))
    assert cooldown.is_stopped(state, "bbbb")
    assert cooldown.is_stopped(state, "aaaa") is (failure is not REFUSED)
    assert (state.level, state.spent) == (1, 2)


def test_a_throttled_probe_is_repeated_at_the_beginning_of_the_next_day() -> None:
    """A 429 can mean that another client has used up the vendor's quota for the day."""
    state = stopped()._replace(level=22)
    before = day_at(NOW + 43_200 - 600, UTC)
    probing = cooldown.begin_probe(state, "p", NOW + 42_600, 30)
    throttled = fail(probing, SLOW._replace(probe="p"), NOW + 42_600, before)
    assert throttled.until == NOW + 43_200 + AFTER_MIDNIGHT_SECS
    assert fail(probing, DOWN._replace(probe="p"), NOW + 42_600, before).until > NOW + 46_000
    later = fail(probing, SLOW._replace(probe="p", retry_after=3000.0), NOW + 42_600, before)
    assert later.until == NOW + 45_600


@pytest.mark.parametrize("daily_calls", [1, 100, 1000, 2500, 10_000, 1_000_000])
def test_an_outage_of_a_day_costs_at_most_two_percent_of_the_calls(daily_calls: int) -> None:
    """It may begin at any hour, with calls on all connections. Probes are sent as often as allowed."""
    plan = cooldown.schedule(daily_calls)
    assert plan.budget == max(20, daily_calls // 50)
    for hour in range(0, 24, 5):
        for failure in (DOWN, SLOW):
            begin = NOW + hour * 3600
            state, calls, now = Cooldown(), 0, begin
            while now < begin + 86_400:
                if state.until:
                    state = cooldown.begin_probe(state, "p", now, 10)
                state = cooldown.failed(
                    state, failure._replace(probe=state.probe), now, day_at(now, UTC), plan
                )
                calls += 1
                for _ in range(2 if state.until and calls < 4 else 0):
                    state = cooldown.failed(state, failure, now, day_at(now, UTC), plan)
                    calls += 1
                now = float(state.until or now + 0.2)
            assert calls <= plan.budget


@given(st.lists(st.tuples(st.floats(0, 4000), st.integers(0, 5), st.booleans()), max_size=300))
def test_the_cost_of_failures_in_a_day_is_bounded(
    happenings: list[tuple[float, int, bool]],
) -> None:
    """For any sequence of failures, the cost stays within the budget, and calls are resumed some time."""
    now, day = NOW - 43_200, day_at(NOW, UTC).date
    state, failed, answers = Cooldown(), 0, 0
    for pause, answered, is_slow in happenings:
        now = max(now, float(state.until)) + pause
        if day_at(now, UTC).date != day:
            return
        if state.until:
            state = cooldown.begin_probe(state, "p", now, 1)
        if answered:
            answers += answered
            state = cooldown.answered(state, state.probe, "", answered)
            continue
        failed += 1
        failure = (SLOW if is_slow else DOWN)._replace(probe=state.probe)
        state = cooldown.failed(state, failure, now, day_at(now, UTC), PLAN)
        assert state.spent <= PLAN.budget
        assert (
            state.until <= now + max(day_at(now, UTC).left_secs + AFTER_MIDNIGHT_SECS, PLAN.longest_secs) + 1
        )
    assert state.spent <= failed


def test_many_outages_of_a_day_share_its_budget() -> None:
    """When most of the budget is spent, the waits are so long that the rest lasts until midnight."""
    state = stopped()._replace(spent=40)
    later = probe_fails(state)
    assert later.until - state.until == pytest.approx(TODAY.left_secs / 9, abs=5)
    last = probe_fails(state._replace(spent=49))
    assert last.until - state.until == pytest.approx(TODAY.left_secs, abs=12)
    tomorrow = Day(date(2027, 1, 16), 86_390.0)
    assert probe_fails(state._replace(spent=49), day=tomorrow).spent == 1


def test_a_failure_also_reports_the_answers_before_it() -> None:
    """The worker adds its successful answers to this write, so that they need no write of their own."""
    state = stopped()._replace(until=0, spent=40)
    assert fail(state, SLOW._replace(answered=30)).spent == 11
    assert fail(state, SLOW._replace(answered=300)).spent == 1
    tomorrow = Day(date(2027, 1, 16), 80_000.0)
    assert fail(state, SLOW, day=tomorrow).spent == 1


def test_answered_calls_reduce_the_spent_budget() -> None:
    """A vendor that fails every second call is not down, so calls go on after a short wait each time."""
    state, now = Cooldown(), NOW
    for _ in range(500):
        state = fail(state, SLOW._replace(answered=0), now)
        now = float(state.until)
        state = cooldown.begin_probe(state, "p", now, 10)
        state = cooldown.answered(state, "p", "", 1)
        assert state.until == 0
    assert now - NOW < 500 * 12
