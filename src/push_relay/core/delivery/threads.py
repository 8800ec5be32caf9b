"""The ports by which steps go on side by side."""

from collections.abc import Callable, Sequence
from typing import Protocol


class Threads(Protocol):
    """Threads that run functions side by side."""

    def start(self, function: Callable[[], None]) -> Callable[[], None]:
        """Start a function, which never raises; return a function that waits for its end."""
        ...


class ParallelMap(Protocol):
    """Calls a function with several items at a time."""

    def __call__[T, R](self, function: Callable[[T], R], items: Sequence[T], at_a_time: int) -> Sequence[R]:
        """Call the function with each item, `at_a_time` at once; return the results in the items' order."""
        ...
