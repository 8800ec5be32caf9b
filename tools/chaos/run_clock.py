"""The run's clock, shared by all of its processes, which leaps over the time in which nothing happens.

It runs as fast as the machine's, and jumps ahead while nobody works: when every worker is idle or rests until
a moment, the driver moves the clock to the next moment at which something is due. So leases, deadlines and
timeouts keep their real length under load, and days of waiting cost no time.
"""

import mmap
import struct
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from push_relay.adapters.process import SystemClock

_DOUBLE: Final = struct.Struct("d")
_START, _OFFSET, _SLOTS = 0, 1, 2
_NOT_RESTING: Final = 0.0


class RunClock:
    """A clock and, for each worker's slot, the moment until which it rests. Reads and writes are one word."""

    def __init__(self, file: Path) -> None:
        with file.open("r+b") as opened:
            self._memory = mmap.mmap(opened.fileno(), 0)

    @classmethod
    def create(cls, file: Path, slots: int, now: float) -> "RunClock":
        """Make a world in which it is `now` (seconds since the epoch)."""
        file.write_bytes(bytes((_SLOTS + slots) * _DOUBLE.size))
        world = cls(file)
        # The monotonic clock counts from the same moment in every process of this machine.
        world._write(_START, now - time.monotonic())
        return world

    def now(self) -> float:
        """Return seconds since the epoch."""
        return time.monotonic() + self._read(_START) + self._read(_OFFSET)

    def jump(self, moment: float) -> None:
        """Let the time until a moment pass at once; the driver alone may, when nobody works."""
        self._write(_OFFSET, self._read(_OFFSET) + max(0.0, moment - self.now()))

    def rest(self, slot: int, until: float) -> None:
        """Note that a worker does nothing until a moment."""
        self._write(_SLOTS + slot, until)

    def wake(self, slot: int) -> None:
        """Note that a worker works."""
        self._write(_SLOTS + slot, _NOT_RESTING)

    def rests_until(self, slot: int) -> float | None:
        """Return the moment until which a worker rests; None where it works."""
        until = self._read(_SLOTS + slot)
        return None if until == _NOT_RESTING else until

    def _read(self, index: int) -> float:
        value: float = _DOUBLE.unpack_from(self._memory, index * _DOUBLE.size)[0]
        return value

    def _write(self, index: int, value: float) -> None:
        _DOUBLE.pack_into(self._memory, index * _DOUBLE.size, value)


@dataclass(slots=True)
class WorkerClock(SystemClock):
    """A worker's view of the world's clock. `skew` (seconds) is by how much its time of day is wrong."""

    world: RunClock
    slot: int
    skew: float = 0.0

    def now(self) -> float:
        """Return seconds since the epoch, as this worker has them."""
        return self.world.now() + self.skew

    def monotonic(self) -> float:
        """Return seconds that never step back."""
        return self.world.now()

    def sleep(self, seconds: float) -> None:
        """Rest until the world's clock says that the seconds have passed."""
        until = self.world.now() + seconds
        self.world.rest(self.slot, until)
        while self.world.now() < until:
            time.sleep(0.001)
        self.world.wake(self.slot)
