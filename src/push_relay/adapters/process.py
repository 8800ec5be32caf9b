"""The clocks of the machine, threads that send several pushes at a time, and the start of the process."""

import gc
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from threading import BoundedSemaphore


class SystemClock:
    """The clocks of the machine."""

    def now(self) -> float:
        """Return seconds since the epoch."""
        return time.time()

    def monotonic(self) -> float:
        """Return seconds that never step back."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Wait for some seconds."""
        time.sleep(seconds)


class Threads:
    """Runs functions side by side, in at most so many threads, which are started when they are needed."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._executor: ThreadPoolExecutor | None = None

    def start(self, function: Callable[[], None]) -> Callable[[], None]:
        """Start a function in a thread; return a function that waits for its end."""
        if self._executor is None:
            self._executor = ThreadPoolExecutor(self._most, thread_name_prefix="push")
        return self._executor.submit(function).result

    def __call__[T, R](self, function: Callable[[T], R], items: Sequence[T], at_a_time: int) -> Sequence[R]:
        """Call a function with each item; return the results in the items' order.

        Raises what a call has raised, after all have ended: a thread that goes on after the invocation would
        be frozen in the middle of a call, and go on in a later one.
        """
        if len(items) <= 1 or at_a_time == 1:
            return [function(item) for item in items]
        if self._executor is None:
            self._executor = ThreadPoolExecutor(self._most, thread_name_prefix="push")
        free = BoundedSemaphore(at_a_time)

        def call(item: T) -> R:
            with free:
                return function(item)

        calls = [self._executor.submit(call, item) for item in items]
        wait(calls)
        return [each.result() for each in calls]


@contextmanager
def starting() -> Iterator[None]:
    """Keep the garbage collector from what the start of the process makes, during the start and after it.

    These are modules and clients, which stay until the process ends. Without this, the collector goes through
    all of them some forty times while they are made, and again in later invocations.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
