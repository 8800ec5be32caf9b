"""The clocks and the threads of the process."""

import gc
import threading
import time
from functools import partial

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


def test_a_thread_is_used_again() -> None:
    """To start one costs ten times as much as to hand a function over."""
    threads, names = Threads(6), []
    for _ in range(50):
        threads.start(lambda: names.append(threading.current_thread().ident))()
    assert len(names) == 50
    assert len(set(names)) == 1


def test_more_functions_than_threads_wait_for_their_turn() -> None:
    """All of them are called, and never more at a time than there are threads."""
    threads, held, began = Threads(2), threading.Event(), threading.Semaphore(0)
    ran: list[int] = []

    def call(number: int) -> None:
        began.release()
        held.wait(10)
        ran.append(number)

    ends = [threads.start(partial(call, number)) for number in range(5)]
    assert began.acquire(timeout=10)
    assert began.acquire(timeout=10)
    assert not began.acquire(blocking=False)
    held.set()
    for end in ends:
        end()
    assert sorted(ran) == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("error", [ZeroDivisionError, SystemExit, KeyboardInterrupt])
def test_an_error_is_raised_where_the_end_is_awaited(error: type[BaseException]) -> None:
    """Each time, and the thread takes the next function."""
    threads = Threads(1)

    def fail() -> None:
        raise error

    end = threads.start(fail)
    for _ in range(2):
        with pytest.raises(error):
            end()
    assert threads.start(int)() == 0  # type: ignore[func-returns-value, arg-type]


def test_every_call_is_made_even_if_the_first_one_fails() -> None:
    """Each of them is a push of its own."""
    made: list[int] = []

    def call(number: int) -> None:
        made.append(number)
        if number in (0, 3):
            raise ValueError(number)

    with pytest.raises(ValueError, match="0"):
        Threads(2)(call, range(6), 2)
    assert sorted(made) == list(range(6))


def test_threads_end_when_nothing_needs_them() -> None:
    """A test process makes thousands of relays."""
    before = set(threading.enumerate())
    threads = Threads(3)
    threads(lambda _: None, range(3), 3)
    mine = set(threading.enumerate()) - before
    assert mine
    del threads
    for thread in mine:
        thread.join(10)
    assert not any(thread.is_alive() for thread in mine)


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
