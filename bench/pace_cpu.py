"""The limit of a pace measurement: its connections, or a processor core."""

import os
import threading
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from itertools import pairwise
from typing import Final, NamedTuple

from pace_numbers import Span, busy_secs
from pace_world import World
from process_cpu import cpu_secs_of

#: Seconds between two looks at the CPU times.
_INTERVAL_SECS: Final = 0.5


class Sample(NamedTuple):
    """The CPU time of each process until a moment of the monotonic clock, in seconds."""

    moment: float
    cpu_secs: Mapping[str, float]


@contextmanager
def watched(world: World) -> Iterator[list[Sample]]:
    """Note the CPU times of all processes until the end of the block."""
    samples, is_over = [_sample(world)], threading.Event()

    def look() -> None:
        while not is_over.wait(_INTERVAL_SECS):
            samples.append(_sample(world))

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    try:
        yield samples
    finally:
        is_over.set()
        thread.join()
        samples.append(_sample(world))


def limit_percent(
    samples: Collection[Sample], calls: Collection[Span], connections: int, cores: int | None = None
) -> float:
    """Return how much of the time, in percent, the connections or a processor core were in use.

    In each interval it is the greater of the two: the limit changes while new events become fewer. Each
    process is Python with an interpreter lock, so it uses one core at most. All share the machine's cores.
    """
    cores = cores or os.cpu_count() or 1
    first, last = min(call.began for call in calls), max(call.ended for call in calls)
    used = total = 0.0
    for before, after in pairwise(samples):
        interval = Span(max(first, before.moment), min(last, after.moment))
        secs = interval.ended - interval.began
        if secs > 0:
            cpu = [
                (after.cpu_secs[name] - before.cpu_secs[name]) / (after.moment - before.moment)
                for name in before.cpu_secs
            ]
            in_calls = busy_secs(calls, interval) / (connections * secs)
            used += secs * min(1.0, max(in_calls, *cpu, sum(cpu) / cores))
            total += secs
    return round(100 * used / total, 1)


def _sample(world: World) -> Sample:
    """Look at the CPU times. The driver's process contains the vendor."""
    processes = {f"worker {number}": each.process.pid for number, each in enumerate(world.workers)}
    processes["aws"] = world.aws.local.program.popen.pid
    used = {name: cpu_secs_of(process) for name, process in processes.items() if process}
    return Sample(time.monotonic(), {**used, "driver": time.process_time()})
