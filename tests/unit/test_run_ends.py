"""The end of a run: what is announced late, a probe before the others, and the end of the account's day."""

import threading
from collections import Counter
from typing import Any

import pytest

from engine import NOON, TODAY, Fleet, HeldVendor, Supplied, beside, task, threads, wait_for
from fakes import InTurn
from push_relay.core.delivery.run import LOOK_SECS
from push_relay.core.outcomes import Outcome

NAMES = [f"n-{number}" for number in range(1, 9)]
MIDNIGHT, TOMORROW = NOON + 43_200, "2027-01-16"


def supplied(*names: str) -> Supplied:
    """Return a supply of pushes."""
    return Supplied(*map(task, names))


def held(fleet: Fleet) -> HeldVendor:
    """Let the test end each call."""
    vendor = HeldVendor()
    fleet.world.change_sender(push_api=vendor)
    return vendor


def test_a_drain_without_time_returns_that_there_is_more_if_its_end_finds_an_announcement() -> None:
    """It had seen the end of the backlog before. Whoever announced has sent no wake-up."""
    fleet = Fleet(threads=threads())
    vendor, more = held(fleet), supplied("n-1")
    with beside(lambda: fleet.run(supplied(), more, drains=True)) as ended:
        vendor.wait_until_begun("n-1")
        wait_for(more.changed, lambda: more.takes == 2)  # the second take found nothing
        assert fleet.process().announce() is None
        fleet.world.context.seconds = 8.0
        vendor.answer_all()
    assert ended.result().has_more
    assert more.takes == 2


def test_while_a_probe_is_under_way_nothing_else_is_taken_and_after_it_the_rest_is_sent() -> None:
    """The run neither takes a second event for the same probe nor ends because of it."""
    fleet = Fleet(threads=threads())
    state = fleet.store.permits.cooldown._replace(until=int(NOON) - 1, reason="vendor_unavailable")
    fleet.store.permits = fleet.store.permits._replace(cooldown=state, stamp="s")
    fleet.permits.session(lambda: 60.0).look()  # which reads the permits
    vendor, more, looks = held(fleet), supplied(*NAMES[:4]), threading.Semaphore(0)

    def look(operation: str) -> bool:
        if operation == "read":
            looks.release()
        return False

    with beside(lambda: fleet.run(supplied(), more, drains=True)):
        vendor.wait_until_begun("n-1")
        fleet.store.fails = look
        for _ in range(2):  # the run looks after each attempt to take something
            fleet.clock.time += LOOK_SECS
            assert looks.acquire(timeout=20)
        assert (more.takes, vendor.begun) == (1, ["n-1"])
        vendor.answer_all()
    assert vendor.begun[0] == "n-1"
    assert more.outcomes == {name: [Outcome.DELIVERED] for name in NAMES[:4]}
    assert not fleet.store.permits.cooldown.until


@pytest.mark.parametrize("kind", [InTurn, threads])
@pytest.mark.parametrize("start", [-20.0, -18.0, -16.0, -6.0, -3.0, -0.5, 1.0])
def test_a_run_over_midnight_exceeds_neither_day(kind: Any, start: float) -> None:
    """Every call counts for the day on which it was made. What neither day has a call for waits."""
    fleet = Fleet(threads=kind(), connections=2, daily_calls=5, reserved_percent=0)
    fleet.clock.time = MIDNIGHT + start
    lock, made = threading.Lock(), Counter[str]()

    def judge(*_: Any) -> None:
        with lock:
            made[TODAY if fleet.clock.time < MIDNIGHT else TOMORROW] += 1
            fleet.clock.time += 2.0

    def takes_long(operation: str) -> bool:
        with lock:
            fleet.clock.time += 5.0 if operation == "read" else 0.0
        return False

    fleet.world.vendor.judge, fleet.store.fails = judge, takes_long
    own = supplied(*[f"n-{number}" for number in range(20)])
    fleet.run(own)
    ends = Counter(each for found in own.outcomes.values() for each in found)
    assert set(ends) == {Outcome.DELIVERED, "quota_exhausted"}
    assert ends[Outcome.DELIVERED] == made.total() >= 5
    assert ends.total() == 20
    for day, calls in fleet.store.permits.calls.items():
        assert made[day] <= calls.used <= calls.drawn <= 5
    assert max(made.values()) <= 5
    assert max(fleet.store.totals.values()) <= 5
