"""The rows of the report: a measured value, the goal for it, and what the value was calculated from."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Samples:
    """The rounds that a value is the median of.

    quartiles  the first and the third
    floor_us   the median of the floor, in microseconds of CPU time; None if the value has no floor
    """

    count: int
    quartiles: tuple[float, float]
    floor_us: float | None = None


@dataclass(frozen=True, slots=True)
class Goal:
    """A measured value and the goal for it.

    goal         None: the value is reported only
    bound        `at most` or `at least`
    before       the value of an earlier commit, measured once; None if that was not measured
    peers        the same value of other programs, measured in the same run, by their names
    below_peers  whether the value must be below that of each peer, too
    """

    name: str
    what: str
    value: float
    goal: float | None
    bound: str = "at most"
    before: float | None = None
    peers: Mapping[str, float] = field(default_factory=dict)
    below_peers: bool = False
    samples: Samples | None = None

    def as_json(self) -> dict[str, Any]:
        """Return the row of the report."""
        samples = self.samples
        return {
            "name": self.name,
            "what": self.what,
            "value": self.value,
            "goal": self.goal,
            "bound": self.bound,
            "met": self.is_met,
            "before": self.before,
            **({"peers": dict(self.peers), "below_peers": self.below_peers} if self.peers else {}),
            **({"samples": _as_json(samples)} if samples else {}),
        }

    @property
    def is_met(self) -> bool | None:
        """Whether the value is within its bound and, if it must be, below its peers; None without a goal."""
        if self.goal is None:
            return None
        if self.below_peers and any(self.value >= value for value in self.peers.values()):
            return False
        return self.value <= self.goal if self.bound == "at most" else self.value >= self.goal


def _as_json(samples: Samples) -> dict[str, Any]:
    floor = {} if samples.floor_us is None else {"floor_us": samples.floor_us}
    return {"count": samples.count, "quartiles": list(samples.quartiles), **floor}


def summary(values: Sequence[float], floors_secs: Sequence[float] = ()) -> tuple[float, Samples]:
    """Return the median of the rounds' values, and how they were spread.

    floors_secs  the floor of each round
    """
    low, middle, high = statistics.quantiles(values, n=4)
    floor_us = round(statistics.median(floors_secs) * 1e6, 1) if floors_secs else None
    return round(middle, 2), Samples(len(values), (round(low, 2), round(high, 2)), floor_us)
