"""Minimum, maximum, mean and standard deviation of numbers that come in parts, with NaN and infinity counts.

Sums within a part are rounded once (math.fsum, math.dist). Parts are joined as in Chan, Golub and LeVeque (1979,
"Updating formulae and a pairwise algorithm for computing sample variances"): from the means and the sums of squared
deviations, so a large mean causes no cancellation.
"""

from array import array
from collections.abc import Iterable
from dataclasses import dataclass
from math import dist, fsum, inf, isfinite, isnan, sqrt


@dataclass(frozen=True)
class Statistics:
    """Count, minimum, maximum, mean and standard deviation (divided by n) of the finite numbers.

    `nans` and `infinities` count the others.
    """

    count: int
    nans: int
    infinities: int
    smallest: float | None = None
    largest: float | None = None
    mean: float | None = None
    deviation: float | None = None


def statistics_of(parts: Iterable["array[float]"]) -> Statistics:
    """Return the statistics of all numbers in `parts`."""
    count = nans = infinities = 0
    smallest, largest, mean, squares = inf, -inf, 0.0, 0.0
    for part in parts:
        total = _sum(part)
        if not isfinite(total):
            nans += sum(map(isnan, part))
            finite = array("d", filter(isfinite, part))
            infinities += len(part) - len(finite) - sum(map(isnan, part))
            part, total = finite, _sum(finite)
        if not part:
            continue
        here = len(part)
        mean_here = total / here
        distance = dist(part, array("d", [mean_here]) * here)
        between = mean_here - mean
        squares += distance * distance + between * between * (count / (count + here)) * here
        mean += between * (here / (count + here))
        count += here
        low, high = min(part), max(part)
        smallest, largest = min(smallest, low), max(largest, high)
    if not count:
        return Statistics(0, nans, infinities)
    return Statistics(count, nans, infinities, smallest, largest, mean, sqrt(squares / count))


def _sum(part: "array[float]") -> float:
    try:
        return fsum(part)
    except (OverflowError, ValueError):  # too large for a double; infinities of both signs
        return inf
