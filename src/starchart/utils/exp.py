"""The exponential function: a table of 1024 powers of two and a polynomial of degree four.

Write x = k STEP + r with STEP = ln2/1024 and k the nearest integer, so |r| < 3.4e-4, and k = 1024 e + j. Then

    exp(x) = 2^e * 2^(j/1024) * exp(r)

- STEP is held as high + low. STEP_HIGH has 31 bits and |k| < 2^20, so k * STEP_HIGH is exact, and so is its
  difference from x (Cody and Waite 1980). r is wrong by 2^-64 at most.
- 2^(j/1024) is held as high + low. The result is high + (low + high * (exp(r) - 1)).
- exp(r) - 1 is the Taylor polynomial of degree four; what it leaves out is below r^5/120 = 4e-20.

Error: the last addition rounds, 0.5 ulp. What it adds is below 2^-11 of the result and is wrong by two of its own
ulps at most, so by 0.002 ulp of the result. In all below 0.51 ulp, where the result is subnormal too.

Sources: P. T. P. Tang, Table-driven implementation of the exponential function in IEEE floating-point arithmetic,
ACM TOMS 15 (1989), here with a larger table; W. J. Cody and W. Waite, Software Manual for the Elementary Functions
(1980).
"""

from math import floor, isqrt

from starchart.utils.fixed_point import FRACTION_BITS, ONE, atanh_of_reciprocal, split

_LN2 = 2 * atanh_of_reciprocal(3)
_STEPS_PER_UNIT = 1024 * ONE / _LN2
_STEP_HIGH, _STEP_LOW = split(_LN2 // 1024, 41)
_ROUND = 1.5 * (1 << 52)  # adding and subtracting it rounds a float to the nearest integer


def _roots_of_two() -> list[tuple[float, float]]:
    """Return 2^(j/1024) for j = 0 .. 1023 as pairs (high, low)."""
    root = 2 * ONE
    for _ in range(10):
        root = isqrt(root << FRACTION_BITS)
    powers = [ONE]
    for _ in range(1023):
        powers.append(powers[-1] * root >> FRACTION_BITS)
    return [split(power, 52) for power in powers]


def _powers_of_two() -> list[float]:
    """Return 2^e at index e for -1022 <= e <= 1023. A negative index counts from the end of the list."""
    up, down = [1.0], [0.5]
    for _ in range(1023):
        up.append(up[-1] * 2.0)
    for _ in range(1021):
        down.append(down[-1] * 0.5)
    return up + down[::-1]


_ROOTS = _roots_of_two()
_POWERS = _powers_of_two()


def exp(x: float) -> float:
    """Return e to the power x, with an error below 0.51 ulp: inf above 709.78, 0.0 below -745.13, nan for nan.

    >>> exp(1.0)
    2.718281828459045
    """
    if -708.3964185322642 < x < 709.0:
        steps = x * _STEPS_PER_UNIT + _ROUND - _ROUND
        r = x - steps * _STEP_HIGH - steps * _STEP_LOW
        k = floor(steps)
        high, low = _ROOTS[k & 1023]
        return (high + (low + high * (r + r * r * (1 / 2 + r * (1 / 6 + r * (1 / 24)))))) * _POWERS[k >> 10]
    return _exp_at_the_ends(x)


def _exp_at_the_ends(x: float) -> float:
    """Return exp(x) where the result may overflow or be subnormal, or x is nan.

    The first steps are those of exp, written out in both: a call would slow exp down.
    """
    if not -746.0 < x < 710.0:
        return float("inf") if x > 0.0 else 0.0 if x < 0.0 else x
    steps = x * _STEPS_PER_UNIT + _ROUND - _ROUND
    r = x - steps * _STEP_HIGH - steps * _STEP_LOW
    k = floor(steps)
    high, low = _ROOTS[k & 1023]
    low += high * (r + r * r * (1 / 2 + r * (1 / 6 + r * (1 / 24))))
    if x > 0.0:
        return (high + low) * _POWERS[(k >> 10) - 1] * 2.0
    # 2^1022 times the result is below 1, and its last place is 2^-52, that of 1.0. Adding 1.0 rounds it there, once.
    scale = _POWERS[(k >> 10) + 1022]
    high, low = high * scale, low * scale
    total = 1.0 + high
    total += (high - (total - 1.0)) + low
    return (total - 1.0) * _POWERS[-1022]
