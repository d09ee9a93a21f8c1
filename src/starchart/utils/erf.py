"""The error function erf(x) = 2/sqrt(pi) times the integral of exp(-t^2) from 0 to x: a table in steps of 1/16.

- |x| < 1e-300, where x/8 may be subnormal and lose digits: 2/sqrt(pi) x.
- |x| < 1/4: the Maclaurin series, as x + (x/8 + x (c_0 + c_1 x^2 + ...)) with c_0 = 2/sqrt(pi) - 9/8, so that what
  is rounded is small. Cut after x^19, it leaves out 1e-20 of the result.
- |x| < 6: let c be the multiple of 1/16 nearest to |x|, and r = |x| - c (exact). erf(c) is held as high + low, and
  erf(c + r) - erf(c) is the Taylor polynomial of degree ten (`gaussian_table`).
- beyond, erf rounds to 1.

Error: the last addition rounds, 0.5 ulp. What it adds has ulps of at most 1/8 of the result's, and is wrong
by 1.5 of them at most. In all below 0.7 ulp. Below 1e-300 the product rounds, and 2/sqrt(pi) is wrong by 0.07 of its
own ulp: below 0.65 ulp.

Source: Abramowitz and Stegun, Handbook of Mathematical Functions (1964), 7.1.5 (series), 7.1.19 (derivatives).
"""

from math import floor

from starchart.utils.fixed_point import ONE, UNIT
from starchart.utils.gaussian_table import gaussian_table, reciprocal_root_pi

_SLOPE = reciprocal_root_pi(4, 1)
_TABLE = gaussian_table(2, _SLOPE, 0, 97)


def _maclaurin() -> list[float]:
    """Return the coefficients of erf(x)/x - 9/8 in powers of x^2, last first: 2/sqrt(pi) (-1)^n / (n! (2n + 1))."""
    coefficients = [(_SLOPE - 9 * ONE // 8) * UNIT]
    factorial = 1
    for n in range(1, 10):
        factorial *= -n
        coefficients.append(_SLOPE // (factorial * (2 * n + 1)) * UNIT)
    return coefficients[::-1]


_MACLAURIN = _maclaurin()


def erf(x: float) -> float:
    """Return the error function of x, with an error below 0.7 ulp: 1.0 at inf, -0.0 at -0.0, nan for nan.

    >>> erf(1.0)
    0.8427007929497149
    """
    size = -x if x < 0.0 else x
    if size < 1e-300:
        return x * (_SLOPE * UNIT)
    if size < 0.25:
        y = x * x
        factor = 0.0
        for coefficient in _MACLAURIN:
            factor = factor * y + coefficient
        return x + (x * 0.125 + x * factor)
    if size < 6.0:
        j = floor(size * 16.0 + 0.5)
        r = size - j * 0.0625
        high, low, a, b, c, d, e, f, g, h, i, k = _TABLE[j]
        rise = a + r * (b + r * (c + r * (d + r * (e + r * (f + r * (g + r * (h + r * (i + r * k))))))))
        result = high + (low + r * rise)
    elif size >= 6.0:
        result = 1.0
    else:
        return x
    return -result if x < 0.0 else result
