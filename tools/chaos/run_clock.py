"""The run's clock, shared by all processes of a run. It jumps over the time in which nothing happens.

The clock runs as fast as the machine's. When every worker is idle or sleeps, the driver moves it to the next
time at which something is due. So leases, deadlines and timeouts keep their real length under load, and days
of waiting take no time.
"""

import mmap
import struct
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from push_relay.adapters.process import SystemClock

_DOUBLE: Final = struct.Struct("d")
#: The indexes of the shared numbers. Each worker has a slot, whose index follows `_SLOTS`.
_START, _OFFSET, _SLOTS = 0, 1, 2
_NOT_RESTING: Final = 0.0


class RunClock:
    """A clock and, for each worker, the time until which it sleeps.

    It is shared memory. Each number is read or written as one machine word, so no lock is needed.
    """

    def __init__(self, file: Path) -> None:
        with file.open("r+b") as opened:
            self._memory = mmap.mmap(opened.fileno(), 0)

    @classmethod
    def create(cls, file: Path, slots: int, now: float) -> "RunClock":
        """Create the clock's file. `now`: the time that the clock shows first, in seconds since the epoch."""
        file.write_bytes(bytes((_SLOTS + slots) * _DOUBLE.size))
        clock = cls(file)
        # The monotonic clock has the same origin in every process of this machine.
        clock._write(_START, now - time.monotonic())
        return clock

    def now(self) -> float:
        """Return seconds since the epoch."""
        return time.monotonic() + self._read(_START) + self._read(_OFFSET)

    def jump(self, target: float) -> None:
        """Move the clock forward to a time. Only the driver may do that, and only while no worker works."""
        self._write(_OFFSET, self._read(_OFFSET) + max(0.0, target - self.now()))

    def rest(self, slot: int, until: float) -> None:
        """Note that a worker sleeps until a time."""
        self._write(_SLOTS + slot, until)

    def wake(self, slot: int) -> None:
        """Note that a worker works."""
        self._write(_SLOTS + slot, _NOT_RESTING)

    def rests_until(self, slot: int) -> float | None:
        """Return the time until which a worker sleeps, or None if it works."""
        until = self._read(_SLOTS + slot)
        return None if until == _NOT_RESTING else until

    def _read(self, index: int) -> float:
        value: float = _DOUBLE.unpack_from(self._memory, index * _DOUBLE.size)[0]
        return value

    def _write(self, index: int, value: float) -> None:
        _DOUBLE.pack_into(self._memory, index * _DOUBLE.size, value)


@dataclass(slots=True)
class WorkerClock(SystemClock):
    """A worker's own clock, whose time of day is wrong by `skew_secs`."""

    run_clock: RunClock
    slot: int
    skew_secs: float = 0.0

    def now(self) -> float:
        """Return this worker's time of day, in seconds since the epoch."""
        return self.run_clock.now() + self.skew_secs

    def monotonic(self) -> float:
        """Return the run's time, which never goes back."""
        return self.run_clock.now()

    def sleep(self, seconds: float) -> None:
        """Sleep until the seconds have passed on the run's clock."""
        until = self.run_clock.now() + seconds
        self.run_clock.rest(self.slot, until)
        while self.run_clock.now() < until:
            time.sleep(0.001)
        self.run_clock.wake(self.slot)
