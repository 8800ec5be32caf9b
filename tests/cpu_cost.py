"""CPU cost as a multiple of a floor that the same process measures, so that a slow machine fails no test."""

import json
import time
from collections.abc import Callable

#: Reading this much plain JSON is the floor: 1 MiB.
_FLOOR = json.dumps(["0123456789abcdef"] * 52_000)


def cpu_secs(work: Callable[[], object], runs: int = 3) -> float:
    """Return the CPU seconds of the fastest of some runs, because a busy machine slows some of them."""
    times = []
    for _ in range(runs):
        began = time.process_time()
        work()
        times.append(time.process_time() - began)
    return min(times)


def cost(work: Callable[[], object], runs: int = 3) -> float:
    """Return the CPU time of some work, as a multiple of the floor."""
    return cpu_secs(work, runs) / cpu_secs(lambda: json.loads(_FLOOR))
