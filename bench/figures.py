"""The ratios that the benchmark reports."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Figure:
    """A ratio to a floor that was measured in the same run.

    ratio      the median over the rounds
    quartiles  the first and the third
    floor_us   the median of the floor, in microseconds
    """

    name: str
    what: str
    ratio: float
    quartiles: tuple[float, float]
    floor_us: float
    rounds: int


def summary(name: str, what: str, ratios: Sequence[float], floors_us: Sequence[float]) -> Figure:
    """Return the figure for the rounds' ratios and floors."""
    low, middle, high = statistics.quantiles(ratios, n=4)
    floor = statistics.median(floors_us)
    return Figure(name, what, round(middle, 2), (round(low, 2), round(high, 2)), round(floor, 1), len(ratios))
