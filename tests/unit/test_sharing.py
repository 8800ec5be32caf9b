"""The rules by which workers share the connections of an account."""

import pytest

from push_relay.core.delivery.connections import TURN_SECS, Change, View, first_share, pause_secs, rebalance


@pytest.mark.parametrize(
    ("free", "waiting", "wanted", "share"),
    [
        (3, [], 10, 3),  # a single worker takes all
        (3, [], 2, 2),
        (0, [], 10, 0),
        (3, ["a"], 10, 2),  # one is left for a worker that waits
        (3, ["a", "b", "c"], 10, 0),
        (1, ["a"], 10, 0),
        (3, ["me"], 10, 3),
        (3, ["me", "a"], 10, 2),
        (3, ["me", "a", "b", "c"], 10, 1),  # the first in line gets one, for any number of workers behind it
        (1, ["me", "a"], 10, 1),
        (1, ["a", "me"], 10, 0),
        (2, ["a", "me"], 10, 1),
        (2, ["a", "me", "b"], 10, 1),
    ],
)
def test_a_worker_without_a_connection_takes_what_is_left(
    free: int, waiting: list[str], wanted: int, share: int
) -> None:
    """One connection is left for each worker that waits, and the workers in front are served first."""
    assert first_share(View(free=range(free), waiting=waiting), "me", wanted) == share


@pytest.mark.parametrize(
    ("free", "waiting", "holds", "change"),
    [
        (0, [], (3, 3, 9.0), Change()),
        (0, ["a"], (3, 3, 0.0), Change(heir="a")),
        (0, ["a", "b"], (2, 3, 0.0), Change(heir="a")),
        (0, ["a"], (1, 3, TURN_SECS - 0.01), Change()),  # its turn is not over
        (0, ["a"], (1, 3, TURN_SECS), Change(heir="a")),
        (1, ["a"], (3, 3, 9.0), Change()),  # the free one is for the worker that waits
        (1, ["a", "b"], (2, 3, 0.0), Change(heir="b")),
        (0, ["me"], (3, 3, 9.0), Change()),
        (2, [], (1, 3, 0.0), Change(take=2)),
        (2, [], (1, 2, 0.0), Change(take=1)),
        (2, ["a"], (1, 3, 0.0), Change(take=1)),
        (2, [], (3, 2, 0.0), Change()),
    ],
)
def test_a_busy_worker_hands_over_a_connection_or_takes_another(
    free: int, waiting: list[str], holds: tuple[int, int, float], change: Change
) -> None:
    """`holds` has the worker's connections, those that it could use, and the seconds since it had none."""
    view = View(free=range(free), waiting=waiting)
    assert rebalance(view, "me", *holds) == change


@pytest.mark.parametrize(
    ("place", "pauses"),
    [(1, [0.05, 0.05, 0.1, 0.1]), (3, [0.05, 0.05, 0.25, 0.3]), (9, [0.05, 0.05, 0.25, 0.5])],
)
def test_a_worker_checks_less_often_the_longer_it_waits_and_the_longer_the_line_is(
    place: int, pauses: list[float]
) -> None:
    """The first in line checks often, so that no free connection stays unused for long."""
    assert [pause_secs(waited, place) for waited in (0.0, 0.2, 1.0, 60.0)] == pytest.approx(pauses)
