"""The driver of a chaos run moves the clock only while no worker works, and never beyond the next step."""

import heapq
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from chaos.driver import Driver
from chaos.run_clock import RunClock

NOW, HALF_A_YEAR = 1_800_000_000.0, 180 * 86_400.0


class Run:
    """A driver with one worker, whose next event is sent in half a year."""

    def __init__(self, file: Path) -> None:
        """Start with a worker that has a job."""
        self.clock = RunClock.create(file, 1, NOW)
        services: Any = SimpleNamespace(run_clock=self.clock)
        nothing: Any = SimpleNamespace(next_due=None, batch_due=0.0, ready=[])
        pool: Any = SimpleNamespace(busy=[SimpleNamespace(slot=0)])
        ticks: Any = SimpleNamespace(next_due=lambda: None)
        unused: Any = None
        self.driver = Driver(services, pool, nothing, nothing, unused, (), ticks, unused, print, 1)
        self.driver._worth_polling = False
        heapq.heappush(self.driver._due, (NOW + HALF_A_YEAR, 0, unused))

    def passed_after_a_step(self) -> float:
        """Let the driver jump if it may; return the seconds that have passed since the beginning."""
        assert not self.driver._jump_if_idle()
        return self.clock.now() - NOW


@pytest.fixture(name="run")
def _run(tmp_path: Path) -> Run:
    """Return a run."""
    return Run(tmp_path / "clock")


def test_the_clock_stays_while_a_worker_works(run: Run) -> None:
    """It needs real time."""
    assert run.passed_after_a_step() < HALF_A_YEAR / 2


def test_the_clock_jumps_to_the_end_of_a_rest_and_waits_for_the_worker(run: Run) -> None:
    """A worker needs a moment to notice that its rest is over. Half a year must not pass in it."""
    run.clock.rest(0, NOW + 600)
    assert 600 <= run.passed_after_a_step() < 1200
    for _ in range(3):
        assert run.passed_after_a_step() < 1200
    run.clock.wake(0)
    assert run.passed_after_a_step() < 1200


def test_without_a_working_worker_the_clock_jumps_to_what_is_due(run: Run) -> None:
    """Days in which nothing happens take no time."""
    run.driver.pool = SimpleNamespace(busy=[])  # type: ignore[assignment]
    assert run.passed_after_a_step() >= HALF_A_YEAR
