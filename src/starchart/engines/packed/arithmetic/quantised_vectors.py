"""Quantisation of vectors: floats become whole numbers with one scale, and a few large elements with another one.

    x_i = a_i / s,    |a| K < 2^(L-1) in every group         s as large as the lanes allow

With |.| the Euclidean norm of a group of at most 64 numbers, rounding changes each number by at most 1/2, so
|a| <= s |x| + sqrt(64)/2, and |a| K < 2^(L-1) holds for

    s = (2^(L-1) / K - 5) / |x|,    |x| the largest norm of a group, K a bound on |q_j| for all columns j.

One large element would make s small for all others. So let t be twice the median norm of the groups. In a group with
|x| > t, the elements |x_i| > t/8 are taken out, and what is left of it has a norm of at most sqrt(64) t/8 = t:

    x = small + large,    small_i = a_i / s  with t in place of |x|,    large_i = b_i / s'  with the largest norm

The norms come from correctly rounded sums: the same bits in every order, on every machine, with any number of
processes.
"""

from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import isqrt, ldexp, sqrt
from operator import mul

from starchart.engines.packed.arithmetic.lanes import Lanes
from starchart.engines.packed.arithmetic.nearest import WHOLE, low_words
from starchart.engines.packed.arithmetic.packed_matrix import group_sizes, in_groups
from starchart.engines.packed.arithmetic.packed_product import LargeElements, RoundedVector
from starchart.errors import GenerationError
from starchart.utils.exact_sum import exact_sum
from starchart.utils.matrix import Vector

_ROUNDING = 5.0  # sqrt(64)/2, and 1 for the roundings of floats
_TINY, _HUGE = ldexp(1.0, -900), ldexp(1.0, 900)  # squares beyond these are not trusted
_LARGEST = ldexp(1.0, 1000)


@dataclass(frozen=True)
class VectorScales:
    """How a vector is rounded."""

    limit: float  # t: groups with a larger norm lose their elements above t/8
    usual: float  # s
    large: float = 0.0  # s', of the elements that were taken out; 0.0 where there are none

    @property
    def unit(self) -> float:
        """1/s."""
        return 1.0 / self.usual

    @property
    def large_unit(self) -> float:
        """1/s'; 0.0 where there are no large elements."""
        return 1.0 / self.large if self.large else 0.0


def round_for(x: Vector, bound: int, lanes: Lanes, name: str) -> RoundedVector:  # [in] -> [in]
    """Return a vector rounded for a matrix with K^2 = bound, in groups of 64. No lane overflows: asserted.

    Raises GenerationError for infinities and NaN; its message names the layer, `name`.
    """
    sizes = group_sizes(len(x))
    norms = group_norms(x, sizes, name)
    return round_vector(x, sizes, norms, vector_scales(norms, bound, lanes), bound, lanes)


def group_norms(x: Vector, sizes: Sequence[int], name: str) -> list[float]:  # [in] -> [groups]
    """Return the norm of every group of x, or somewhat more.

    Raises GenerationError for infinities and NaN; its message names the layer, `name`.
    """
    norms = []
    for group in in_groups(x, sizes):
        square = exact_sum(map(mul, group, group))
        norms.append(sqrt(square) if _TINY < square < _HUGE else _norm_at_the_ends(group, name))
    return norms


def vector_scales(norms: Sequence[float], bound: int, lanes: Lanes) -> VectorScales:
    """Return the scales for a vector whose groups have these norms and a matrix with K^2 = bound."""
    largest = max(norms)
    limit = 2.0 * sorted(norms)[(len(norms) - 1) // 2]  # the lower one of two medians
    if largest <= limit:
        return VectorScales(largest, scale_for(largest, bound, lanes))
    return VectorScales(limit, scale_for(limit, bound, lanes), scale_for(largest, bound, lanes))


def scale_for(norm: float, bound: int, lanes: Lanes) -> float:
    """Return s for a vector whose largest norm is `norm` and a matrix with K^2 = bound; 1.0 for a vector of zeros."""
    if not norm:
        return 1.0
    most = (1 << (lanes.width - 1)) / (isqrt(bound) + 1) - _ROUNDING
    return min(most / norm, _HUGE)


def round_vector(
    x: Vector, sizes: Sequence[int], norms: Sequence[float], scales: VectorScales, bound: int, lanes: Lanes
) -> RoundedVector:  # [in], [groups], [groups] -> [in]
    """Return x in whole numbers, its large elements apart. Asserts that no lane overflows."""
    large = None
    if scales.large:
        x, groups = take_out(x, sizes, norms, scales)
        large = LargeElements(groups, scales.large_unit)
        assert fits((numbers for _, _, numbers in groups), 0, bound, lanes)
    whole = WHOLE + lanes.offset
    numbers = low_words(array("d", [value * scales.usual + whole for value in x]))
    assert fits(in_groups(numbers.tolist(), sizes), lanes.offset, bound, lanes)
    return RoundedVector(numbers, scales.unit, large)


def take_out(
    x: Vector, sizes: Sequence[int], norms: Sequence[float], scales: VectorScales
) -> tuple[list[float], list[tuple[int, list[int], list[int]]]]:
    """Return x with zeros in place of its large elements, and these: number of the group, places in it, b_i."""
    small: list[float] = []
    taken = []
    for number, (group, norm) in enumerate(zip(in_groups(x, sizes), norms, strict=True)):
        kept = list(group)
        if norm > scales.limit:
            places = [place for place, value in enumerate(group) if abs(value) > scales.limit / 8]
            for place in places:
                kept[place] = 0.0
            taken.append((number, places, [round(group[place] * scales.large) for place in places]))
        small += kept
    return small, taken


def fits(groups: Iterable[Sequence[int]], offset: int, bound: int, lanes: Lanes) -> bool:
    """Return whether |a| K < 2^(L-1) for every group of numbers a_i + offset, computed exactly."""
    # sum (v - M)^2 = sum v^2 - 2 M sum v + n M^2
    norms = (sum(map(mul, v, v)) - 2 * offset * sum(v) + len(v) * offset * offset for v in groups)
    return max(norms, default=0) * bound < 1 << (2 * (lanes.width - 1))


def _norm_at_the_ends(group: Vector, name: str) -> float:
    """Return sqrt(64) times the largest magnitude, which no norm of a group exceeds."""
    if not exact_sum(map(abs, group)) < _LARGEST:
        raise GenerationError(
            f"{name}: its input is infinite, NaN or too large; look for huge weights in earlier layers"
        )
    return 8.0 * max(map(abs, group), default=0.0)
