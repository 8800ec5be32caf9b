"""The time that a parked event waits before its next attempt."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from push_relay.core.delivery.backoff import BASE_SECS, MAX_SECS, MAX_URGENT_SECS, backoff


@pytest.mark.parametrize(("attempt", "ceiling"), [(1, 10), (2, 20), (3, 40), (7, 640), (8, 900), (99, 900)])
def test_the_wait_doubles_up_to_a_cap(attempt: int, ceiling: float) -> None:
    """The wait is random: the highest dice give the ceiling, and the lowest give one second."""
    assert backoff(attempt, None, lambda: 1.0) == ceiling
    assert backoff(attempt, None, lambda: 0.0) == 1


@pytest.mark.parametrize(("attempt", "ceiling"), [(1, 10), (2, 20), (3, 40), (4, 60), (99, 60)])
def test_an_urgent_push_waits_at_most_a_minute(attempt: int, ceiling: float) -> None:
    """After an outage of the vendor, urgent pushes are sent first."""
    assert backoff(attempt, None, lambda: 1.0, high=True) == ceiling
    assert backoff(attempt, None, lambda: 0.0, high=True) == 1


@pytest.mark.parametrize("high", [False, True])
@pytest.mark.parametrize("retry_after", [0.0, 30.0, 100_000.0])
def test_the_wait_is_never_shorter_than_retry_after(retry_after: float, high: bool) -> None:  # noqa: FBT001
    """The jitter is added, so that not all events are retried at the same moment."""
    assert backoff(1, retry_after, lambda: 0.0, high=high) == max(retry_after, 1)
    assert backoff(1, retry_after, lambda: 1.0, high=high) == retry_after + BASE_SECS
    assert backoff(99, 100_000.0, lambda: 1.0, high=high) == 100_000.0 + BASE_SECS


@pytest.mark.parametrize("retry_after", [0.0, 1.0])
def test_the_wait_grows_even_if_the_vendor_always_asks_for_a_second(retry_after: float) -> None:
    """Each attempt uses one of the day's calls, so the computed backoff applies if it is longer."""
    for attempt, ceiling in [(3, 40), (7, 640), (99, 900)]:
        assert backoff(attempt, retry_after, lambda: 1.0) == ceiling


@given(st.integers(-5, 10**12), st.floats(0, 1, exclude_max=True), st.booleans())
def test_the_wait_is_within_its_bounds_for_any_attempt(attempt: int, dice: float, high: bool) -> None:  # noqa: FBT001
    """The attempt number is read from a queue record, so it could be any number."""
    assert 1 <= backoff(attempt, None, lambda: dice, high=high) <= (MAX_URGENT_SECS if high else MAX_SECS)
