"""How far a product of the packed engine may be from the exact one, from the scales of its operands.

    y = sum_i x_i w_i,    w_i = c q_i + e_i,  |e_i| <= c/2,    x_i = a_i / s + d_i,  |d_i| <= 1/(2s)

The engine adds a_i q_i exactly, so

    |error| <= sum_i (|x_i| c/2 + |w_i| / (2s) + c / (4s))

c is the largest |w_i| of the column over 2^(b-1) - 1, and s is at least (2^(L-1) / (K + 1) - 5) / |x|, |x| the largest
norm of a group (engines/packed/README.md). To this come a few roundings to doubles, the reference engine's too.
"""

from collections.abc import Sequence
from math import inf, isqrt, ldexp

from starchart.engines.packed.arithmetic.attention_cache import round_by_sum
from starchart.engines.packed.arithmetic.lanes import Lanes
from starchart.engines.packed.arithmetic.packed_matrix import in_groups
from starchart.utils.exact_sum import exact_sum
from starchart.utils.matrix import Vector
from starport.explorer.derived_operations import norm

_ROUNDING = 5.0  # of the scale of a vector, as in the engine
_SLACK = 1.0 + ldexp(1.0, -20)  # of c and s, which are rounded to doubles
_DOUBLES = ldexp(1.0, -49)  # eight roundings, relative to the sum of the sizes of all terms


def linear_bound(
    x: Vector, column: Vector, bias: float, lanes: Lanes, bound: int, sizes: Sequence[int]
) -> float:  # [in], [in] -> a number
    """Return the bound of x w + bias; `bound` is K^2 of the matrix, `sizes` are those of its groups of rows."""
    half = _half_unit(column, lanes)
    largest = max(map(norm, in_groups(x, sizes)), default=0.0)
    steps = ldexp(1.0, lanes.width - 1) / (isqrt(bound) + 1) - _ROUNDING
    return _bound(x, column, half, largest / (2.0 * steps) if steps > 0 else inf) + _DOUBLES * abs(bias)


def score_bound(query: Vector, key: Vector, scale: float, lanes: Lanes) -> float:  # [D], [D] -> a number
    """Return the bound of scale (q . k)."""
    _, exponent = round_by_sum(query, lanes, "q")
    return abs(scale) * _bound(query, key, _half_unit(key, lanes), ldexp(0.5, -exponent))


def mix_bound(pattern: Vector, values: Sequence[Vector], channel: int, lanes: Lanes) -> float:  # [S], [S][D] -> number
    """Return the bound of sum_s pattern_s v_s, in one channel. Every value has a scale c_s; pattern_s c_s is rounded.

    A weight of 0 is not rounded: a hidden position adds nothing.
    """
    halves = [_half_unit(value, lanes) for value in values]
    _, exponent = round_by_sum([2.0 * half * p for half, p in zip(halves, pattern, strict=True)], lanes, "pattern")
    step = ldexp(0.5, -exponent)
    terms = []
    for p, value, half in zip(pattern, values, halves, strict=True):
        if p and half:
            size = abs(value[channel])
            terms.append(p * half + (size / (2.0 * half) + 0.5) * step + _DOUBLES * p * size)
    return _SLACK * exact_sum(terms)


def _half_unit(column: Vector, lanes: Lanes) -> float:
    """Return c/2."""
    return max(map(abs, column)) / (ldexp(1.0, lanes.weight_bits - 1) - 1.0) / 2.0


def _bound(x: Vector, w: Vector, half: float, step: float) -> float:
    """Return sum_i (|x_i| half + |w_i| step + half step), and the roundings to doubles."""
    terms = [abs(a) * half + abs(b) * step + half * step + _DOUBLES * abs(a * b) for a, b in zip(x, w, strict=True)]
    return _SLACK * exact_sum(terms)
