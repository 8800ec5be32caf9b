"""The CPU time of the processes of a pace measurement, and the rate that it allows."""

import os
import time
from collections.abc import Mapping
from pathlib import Path

from pace_world import World


def cpu_secs(world: World) -> dict[str, float]:
    """Return each process's CPU time since it started. The driver's process contains the vendor."""
    workers = {f"worker {number}": worker.cpu_secs for number, worker in enumerate(world.workers)}
    return {**workers, "driver": time.process_time(), "aws": _other(world.aws.local.program.popen.pid)}


def most_per_sec(began: Mapping[str, float], ended: Mapping[str, float], pushes: int) -> float:
    """Return the pushes in a second at which a processor core would never be idle.

    Each process is Python with an interpreter lock, so it uses one core at most. All share the machine.
    """
    used = {name: ended[name] - began[name] for name in began}
    cores = os.cpu_count() or 1
    return pushes / max(*used.values(), sum(used.values()) / cores)


def _other(process: int) -> float:
    """Return the CPU time of another process; 0 on a system without /proc."""
    stat = Path(f"/proc/{process}/stat")
    if not stat.exists():
        return 0.0
    # The name of the program, in parentheses, may contain spaces. The fields after it are counted from 3.
    fields = stat.read_text("utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
