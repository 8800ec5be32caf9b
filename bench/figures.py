"""A measured ratio with its spread."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Figure:
    """A ratio to a floor measured in the same run: median and quartiles over the rounds."""

    name: str
    what: str
    ratio: float
    quartiles: tuple[float, float]
    floor_us: float
    rounds: int


def summary(name: str, what: str, ratios: Sequence[float], floors_us: Sequence[float]) -> Figure:
    """Sum the rounds up."""
    low, middle, high = statistics.quantiles(ratios, n=4)
    floor = statistics.median(floors_us)
    return Figure(name, what, round(middle, 2), (round(low, 2), round(high, 2)), round(floor, 1), len(ratios))
