"""Vectors of floats as vectors of whole numbers: x_i = a_i / s.

s is as large as the lanes allow. With |.| the Euclidean norm of a group of at most 64 numbers, rounding adds at most
1/2 to each number, so |a| <= s |x| + sqrt(64)/2, and |a| K < 2^(L-1) holds for

    s = (2^(L-1) / K - 5) / |x|,    |x| the largest norm of a group.

The norm is found with a correctly rounded sum: the same bits in whatever order, on every machine.
"""

import sys
from array import array
from collections.abc import Sequence
from math import isqrt, ldexp, sqrt
from operator import mul

from starchart.engines.packed.packed_matrix import Lanes, Rounded, group_sizes, in_groups
from starchart.errors import GenerationError
from starchart.utils.exact_sum import exact_sum
from starchart.utils.matrix import Vector

WHOLE = 1.5 * (1 << 52)  # added to a float, it leaves the nearest whole number in the low bits
_LOW = 0 if sys.byteorder == "little" else 1  # which half of a double has the low bits
_ROUNDING = 5.0  # sqrt(64)/2, and 1 for the roundings of floats
_TINY, _HUGE = ldexp(1.0, -900), ldexp(1.0, 900)  # squares beyond these are not trusted
_LARGEST = ldexp(1.0, 1000)


def round_for(x: Vector, bound: int, lanes: Lanes, name: str) -> Rounded:  # [in] -> [in]
    """Return a vector rounded for a matrix with K^2 = bound, in groups of 64. No lane overflows: asserted.

    Raises GenerationError for infinities and nan; `name` says in it which layer the vector is for.
    """
    sizes = group_sizes(len(x))
    scale = scale_for(largest_norm(x, sizes, name), bound, lanes)
    numbers = round_vector(x, scale, lanes.offset)
    assert fits(in_groups(numbers.tolist(), sizes), lanes.offset, bound, lanes)
    return numbers, 1.0 / scale


def largest_norm(x: Vector, sizes: Sequence[int], name: str) -> float:
    """Return the largest norm of a group of x, or somewhat more. Raises GenerationError for infinities and nan.

    `name` says in it which layer x is for.
    """
    largest, first = 0.0, 0
    for size in sizes:
        group = x[first : first + size]
        first += size
        square = exact_sum(map(mul, group, group))
        if not _TINY < square < _HUGE:
            largest = max(largest, _norm_at_the_ends(group, name))
        else:
            largest = max(largest, sqrt(square))
    return largest


def scale_for(norm: float, bound: int, lanes: Lanes) -> float:
    """Return s for a vector whose largest norm is `norm` and a matrix with K^2 = bound; 1.0 for a vector of zeros."""
    if not norm:
        return 1.0
    most = (1 << (lanes.width - 1)) / (isqrt(bound) + 1) - _ROUNDING
    return min(most / norm, _HUGE)


def round_vector(x: Vector, scale: float, offset: int) -> "array[int]":  # [in] -> [in], type 'I'
    """Return a_i + offset, a_i the whole number nearest to x_i * scale."""
    whole = WHOLE + offset
    return low_words(array("d", [value * scale + whole for value in x]))


def low_words(numbers: "array[float]") -> "array[int]":
    """Return the whole numbers of at most 32 bits in the low halves of doubles that are WHOLE and more."""
    words = array("I", bytes(4 * len(numbers)))
    memoryview(words)[:] = memoryview(numbers).cast("B").cast("I")[_LOW::2]
    return words


def fits(groups: Sequence[Sequence[int]], offset: int, bound: int, lanes: Lanes) -> bool:
    """Return whether |a| K < 2^(L-1) for every group, computed exactly."""
    # sum (v - M)^2 = sum v^2 - 2 M sum v + n M^2
    norms = (sum(map(mul, v, v)) - 2 * offset * sum(v) + len(v) * offset * offset for v in groups)
    return max(norms, default=0) * bound < 1 << (2 * (lanes.width - 1))


def _norm_at_the_ends(group: Vector, name: str) -> float:
    """Return sqrt(64) times the largest magnitude, which no norm of a group exceeds."""
    if not exact_sum(map(abs, group)) < _LARGEST:
        raise GenerationError(f"{name}: its input is not finite, or nearly so; look for huge weights before it")
    return 8.0 * max(map(abs, group))
