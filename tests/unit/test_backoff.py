"""How long a parked event waits."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from push_relay.core.delivery.backoff import BASE_SECS, MAX_SECS, MAX_URGENT_SECS, backoff, paced


@pytest.mark.parametrize(("attempt", "ceiling"), [(1, 10), (2, 20), (3, 40), (7, 640), (8, 900), (99, 900)])
def test_the_wait_doubles_up_to_a_cap(attempt: int, ceiling: float) -> None:
    """The dice at their highest give the ceiling, at their lowest a second."""
    assert backoff(attempt, None, lambda: 1.0) == ceiling
    assert backoff(attempt, None, lambda: 0.0) == 1


@pytest.mark.parametrize(("attempt", "ceiling"), [(1, 10), (2, 20), (3, 40), (4, 60), (99, 60)])
def test_what_is_urgent_waits_at_the_most_a_minute(attempt: int, ceiling: float) -> None:
    """After an outage it comes back first."""
    assert backoff(attempt, None, lambda: 1.0, high=True) == ceiling
    assert backoff(attempt, None, lambda: 0.0, high=True) == 1


@pytest.mark.parametrize("high", [False, True])
@pytest.mark.parametrize("named", [0.0, 30.0, 100_000.0])
def test_a_named_time_is_heeded_in_full_with_jitter_on_top(named: float, high: bool) -> None:  # noqa: FBT001
    """Who asks for a time never sees the event sooner, urgent or not, and not all events at once."""
    assert backoff(1, named, lambda: 0.0, high=high) == max(named, 1)
    assert backoff(1, named, lambda: 1.0, high=high) == named + BASE_SECS
    assert backoff(99, 100_000.0, lambda: 1.0, high=high) == 100_000.0 + BASE_SECS


@pytest.mark.parametrize("named", [0.0, 1.0])
def test_a_vendor_that_always_says_at_once_is_not_called_for_ever(named: float) -> None:
    """Each of those calls would be one of the day's: the wait grows as if no time had been named."""
    for attempt, ceiling in [(3, 40), (7, 640), (99, 900)]:
        assert backoff(attempt, named, lambda: 1.0) == ceiling


@given(st.integers(-5, 10**12), st.floats(0, 1, exclude_max=True), st.booleans())
def test_no_attempt_count_breaks_it(attempt: int, dice: float, high: bool) -> None:  # noqa: FBT001
    """SQS's count may be anything: the wait stays between a second and the cap."""
    assert 1 <= backoff(attempt, None, lambda: dice, high=high) <= (MAX_URGENT_SECS if high else MAX_SECS)


@pytest.mark.parametrize(
    ("wait", "earliest", "latest"),
    [(5.0, 7, 9), (40.0, 42, 52), (120.0, 122, 152), (40_000.0, 40_002, 40_032)],
)
def test_what_waits_for_the_account_is_spread_a_little(wait: float, earliest: float, latest: float) -> None:
    """By a part of the wait: workers take what is due at their own pace anyway."""
    assert paced(wait, lambda: 0.0) == earliest
    assert paced(wait, lambda: 1.0) == latest


@given(st.floats(0, 10**6), st.floats(0, 1), st.floats(0, 1), st.floats(0, 1))
def test_urgent_pushes_come_first_and_the_last_probe_comes_last(
    wait: float, first: float, second: float, third: float
) -> None:
    """So the push that has just failed is not the next probe, even if it is urgent."""
    urgent, other = paced(wait, lambda: first, high=True), paced(wait, lambda: second)
    tried = paced(wait, lambda: third, high=True, tried=True)
    assert wait <= urgent < other <= tried
