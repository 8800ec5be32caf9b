"""What the process itself gives: clocks, and threads to send several pushes at a time."""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor


class SystemClock:
    """The machine's clocks."""

    def now(self) -> float:
        """Return seconds since the epoch."""
        return time.time()

    def monotonic(self) -> float:
        """Return seconds that never step back."""
        return time.monotonic()


class Threads:
    """Calls a function with several items at a time. The threads are made when two items first come."""

    def __init__(self, at_a_time: int) -> None:
        self._at_a_time = at_a_time
        self._executor: ThreadPoolExecutor | None = None

    def __call__[T, R](self, function: Callable[[T], R], items: Sequence[T]) -> Sequence[R]:
        """Return the results in the items' order."""
        if len(items) <= 1 or self._at_a_time == 1:
            return [function(item) for item in items]
        if self._executor is None:
            self._executor = ThreadPoolExecutor(self._at_a_time, thread_name_prefix="push")
        return list(self._executor.map(function, items))
