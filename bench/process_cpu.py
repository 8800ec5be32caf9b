"""The CPU time of another process. Linux only."""

import time


def cpu_secs_of(process: int) -> float:
    """Return the CPU time of all threads since the start of a process."""
    # The process's CPU clock, as the C function `clock_getcpuclockid` makes its number.
    return time.clock_gettime((~process << 3) | 2)
