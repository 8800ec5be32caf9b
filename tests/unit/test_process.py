"""The clocks and the threads of the process."""

import gc
import threading
import time

import pytest

from push_relay.adapters.process import SystemClock, Threads, starting


def test_threads_keep_the_order_and_raise_errors() -> None:
    """The core's port requires both."""
    threads = Threads(3)
    for at_a_time in (1, 2, 3):
        assert threads(str, range(20), at_a_time) == [str(i) for i in range(20)]
        with pytest.raises(ZeroDivisionError):
            threads(lambda n: 1 // n, [1, 0], at_a_time)


def test_no_thread_goes_on_after_an_error_of_another_one() -> None:
    """Lambda would freeze it in the middle of a call, and a later invocation would go on with it."""
    failed, ended = threading.Event(), threading.Event()

    def call(number: int) -> None:
        if number == 0:
            failed.set()
            raise ZeroDivisionError
        failed.wait(10)
        time.sleep(0.05)
        ended.set()

    with pytest.raises(ZeroDivisionError):
        Threads(2)(call, [0, 1], 2)
    assert ended.is_set()


@pytest.mark.parametrize("at_a_time", [1, 2, 3])
def test_as_many_threads_run_together_as_are_allowed(at_a_time: int) -> None:
    """Each thread holds a connection of the account, so more must not run, and fewer would be slow."""
    meeting, now, most = threading.Lock(), 0, 0
    together = threading.Barrier(at_a_time)

    def call(_: int) -> None:
        nonlocal now, most
        with meeting:
            now += 1
            most = max(most, now)
        together.wait(10)
        with meeting:
            now -= 1

    Threads(3)(call, range(12), at_a_time)
    assert most == at_a_time


def test_the_clocks_advance() -> None:
    """One shows the time of day, and the other never steps back."""
    assert SystemClock().now() > 1.7e9
    assert SystemClock().monotonic() <= SystemClock().monotonic()


def test_the_garbage_collector_works_again_after_a_start_that_fails() -> None:
    """A process that goes on must not fill its memory."""
    seen = []

    def start() -> None:
        with starting():
            seen.append(gc.isenabled())
            raise StopIteration

    try:
        with pytest.raises(StopIteration):
            start()
        assert [*seen, gc.isenabled()] == [False, True]
    finally:
        gc.unfreeze()
