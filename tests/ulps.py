"""How far a function of one number is from the truth, in units in the last place.

The truth is mpmath at 60 digits, rounded nowhere. An ulp is the distance between the floats around the true value.
"""

import math
from collections.abc import Callable, Iterable
from random import Random

import mpmath

mpmath.mp.dps = 60


def error(result: float, truth: mpmath.mpf) -> float:
    """Return |result - truth| in ulps of the truth."""
    return float(abs(mpmath.mpf(result) - truth) / math.ulp(float(truth)))


def worst(function: Callable[[float], float], truth: Callable[..., mpmath.mpf], arguments: Iterable[float]) -> float:
    """Return the largest error of `function` over the arguments."""
    return max(error(function(x), truth(mpmath.mpf(x))) for x in arguments)


def uniform(count: int, low: float, high: float) -> list[float]:
    """Return `count` numbers spread evenly at random between low and high."""
    random = Random(f"uniform {low} {high}")
    return [random.uniform(low, high) for _ in range(count)]


def magnitudes(count: int, low: float, high: float) -> list[float]:
    """Return `count` positive numbers with a random exponent of two between low and high."""
    random = Random(f"magnitudes {low} {high}")
    return [math.ldexp(random.uniform(1.0, 2.0), math.floor(random.uniform(low, high))) for _ in range(count)]


def both_signs(numbers: list[float]) -> list[float]:
    return numbers + [-x for x in numbers]


def neighbours(x: float, count: int = 20) -> list[float]:
    """Return x and the `count` floats on either side of it."""
    down, up = [x], [x]
    for _ in range(count):
        down.append(math.nextafter(down[-1], -math.inf))
        up.append(math.nextafter(up[-1], math.inf))
    return down[::-1] + up[1:]


def same_bits(a: float, b: float) -> bool:
    """Whether a and b are the same float: -0.0 is not 0.0, and nan is nan."""
    return a.hex() == b.hex() or (a != a and b != b)
