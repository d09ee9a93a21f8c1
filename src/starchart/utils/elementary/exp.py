"""The exponential function: a power of two, times a root of two from a table, times a short Taylor polynomial.

    exp(x) = 2^e 2^(j/1024) exp(r),    x = (1024 e + j) ln2/1024 + r,    |r| < 3.4e-4

Source: P. T. P. Tang, Table-driven implementation of the exponential function in IEEE floating-point arithmetic, ACM
TOMS 15 (1989), here with a larger table.
"""

from math import floor, inf, isqrt, ldexp

from starchart.utils.elementary.tables import FRACTION_BITS, ONE, atanh_of_reciprocal, split


def exp(x: float) -> float:
    """Return e to the power x: inf above 709.78, 0.0 below -745.13, nan for nan.

    Error: below 0.51 ulp, 0.77 where the result is subnormal; proof in docs/BOUNDS.md#exp.

    >>> exp(1.0)
    2.718281828459045
    """
    if not -746.0 < x < 710.0:
        return inf if x > 0.0 else 0.0 if x < 0.0 else x
    steps = x * _STEPS_PER_UNIT + _ROUND - _ROUND
    r = x - steps * _STEP_HIGH - steps * _STEP_LOW
    k = floor(steps)  # 1024 e + j
    high, low = _ROOTS[k & 1023]
    e = k >> 10
    result = high + (low + high * (r + r * r * (1 / 2 + r * (1 / 6 + r * (1 / 24)))))
    return result * _POWERS[e >> 1] * _POWERS[e - (e >> 1)]  # 2^1024 is no float, 2^512 is


def _roots_of_two() -> list[tuple[float, float]]:
    """Return 2^(j/1024) for j = 0 .. 1023 as pairs (high, low)."""
    root = 2 * ONE
    for _ in range(10):
        root = isqrt(root << FRACTION_BITS)
    powers = [ONE]
    for _ in range(1023):
        powers.append(powers[-1] * root >> FRACTION_BITS)
    return [split(power, 52) for power in powers]


_LN2 = 2 * atanh_of_reciprocal(3)
_STEPS_PER_UNIT = 1024 * ONE / _LN2
_STEP_HIGH, _STEP_LOW = split(_LN2 // 1024, 41)
_ROUND = 1.5 * (1 << 52)  # adding and subtracting it rounds a float to the nearest integer
_ROOTS = _roots_of_two()
_POWERS = [ldexp(1.0, e) for e in (*range(513), *range(-539, 0))]  # 2^e; a negative index counts from the end
