"""The clocks of the machine, threads that send several pushes at a time, and the start of the process."""

import gc
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from queue import SimpleQueue
from threading import Lock, Thread


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
    """Runs functions side by side, in at most so many threads.

    They are started when they are needed, and used again. `concurrent.futures` does the same. It takes 9 ms
    to import, because it loads `logging`, and each hand-over costs twice as much CPU.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._tasks: SimpleQueue[_Task[None] | None] = SimpleQueue()
        self._started = 0
        self._starting = Lock()
        #: One item for each thread that waits for a task.
        self._idle: deque[None] = deque(maxlen=most)

    def start(self, function: Callable[[], None]) -> Callable[[], None]:
        """Start a function in a thread; return a function that waits for its end.

        That function raises what the started one has raised.
        """
        task = _Task(function)
        try:
            self._idle.pop()
        except IndexError:
            self._start_thread()
        self._tasks.put(task)
        return task.wait

    def __call__[T, R](self, function: Callable[[T], R], items: Sequence[T], at_a_time: int) -> Sequence[R]:
        """Call a function with each item; return the results in the items' order.

        Raises what a call has raised, after all have ended: a thread that goes on after the invocation would
        be frozen in the middle of a call, and go on in a later one.
        """
        if len(items) <= 1 or at_a_time == 1:
            return [function(item) for item in items]
        calls = [_Task(partial(function, item)) for item in items]
        waiting = iter(calls)

        def run() -> None:
            for call in waiting:
                call.run()

        # This thread makes calls too.
        ends = [self.start(run) for _ in range(min(at_a_time, len(items)) - 1)]
        run()
        for wait in ends:
            wait()
        return [call.wait() for call in calls]

    def _start_thread(self) -> None:
        with self._starting:
            if self._started == self._most:
                return
            self._started += 1
        # The thread does not hold this object, which ends it.
        Thread(target=_work, args=(self._tasks, self._idle), name="push", daemon=True).start()

    def __del__(self) -> None:
        for _ in range(self._started):
            self._tasks.put(None)


class _Task[R]:
    """A call that one thread makes and another waits for."""

    def __init__(self, function: Callable[[], R]) -> None:
        self._function = function
        self._error: BaseException | None = None
        self._running = Lock()
        self._running.acquire()

    def run(self, idle: deque[None] | None = None) -> None:
        """Make the call. The thread is noted as idle before the call's end is."""
        try:
            self._result = self._function()
        except BaseException as exc:  # noqa: BLE001 (it is raised in the thread that waits)
            self._error = exc
        if idle is not None:
            idle.append(None)
        self._running.release()

    def wait(self) -> R:
        """Wait for the end of the call; return its result, or raise what it has raised."""
        with self._running:
            if self._error is not None:
                raise self._error
            return self._result


def _work(tasks: "SimpleQueue[_Task[None] | None]", idle: deque[None]) -> None:
    while task := tasks.get():
        task.run(idle)
        del task  # it holds the values of the call, which may be large


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
