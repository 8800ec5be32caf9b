"""The ports of time, and what the relay assumes of clocks."""

from collections.abc import Callable
from typing import Protocol

#: Seconds by which the clocks of the fleet, and the vendor's clock, may differ.
CLOCK_SKEW_SECS = 2

#: Returns the seconds until the invocation is ended.
type TimeLeft = Callable[[], float]


class Clock(Protocol):
    """The time of day in seconds since the epoch, and a time that never steps back."""

    def now(self) -> float:
        """Return the seconds since the epoch."""
        ...

    def monotonic(self) -> float:
        """Return seconds of a clock that never steps back; only differences mean anything."""
        ...
