"""The error function erf(x) = 2/sqrt(pi) times the integral of exp(-t^2) from 0 to x: a table in steps of 1/16.

- |x| < 1e-300, where x/8 may be subnormal and lose digits: 2/sqrt(pi) x.
- |x| < 1/8: the Maclaurin series, as x + (x/8 + x (c_0 + c_1 x^2 + ...)) with c_0 = 2/sqrt(pi) - 9/8, so that what
  is rounded is small; x + x/8 is added without rounding. Cut after x^15, it leaves out 1e-20 of the result.
- |x| < 6: from a table, in two parts (`gaussian_table`).
- beyond, erf rounds to 1.

Error: the last addition rounds, 0.5 ulp. What it adds is wrong by 0.01 ulp of the result at most. Below 1e-300 the
product rounds, and 2/sqrt(pi) is wrong by 0.07 of its own ulp. In all below 0.52 ulp, and 0.65 ulp below 1e-300.

Source: Abramowitz and Stegun, Handbook of Mathematical Functions (1964), 7.1.5 (series), 7.1.19 (derivatives).
"""

from starchart.utils.fixed_point import ONE, UNIT
from starchart.utils.gaussian_table import gaussian_table, integral, reciprocal_root_pi

_SLOPE = reciprocal_root_pi(4, 1)
_TABLE = gaussian_table(2, _SLOPE, 0, 97)


def _maclaurin() -> list[float]:
    """Return the coefficients of erf(x)/x - 9/8 in powers of x^2, last first: 2/sqrt(pi) (-1)^n / (n! (2n + 1))."""
    coefficients = [(_SLOPE - 9 * ONE // 8) * UNIT]
    factorial = 1
    for n in range(1, 8):
        factorial *= -n
        coefficients.append(_SLOPE // (factorial * (2 * n + 1)) * UNIT)
    return coefficients[::-1]


_MACLAURIN = _maclaurin()


def erf(x: float) -> float:
    """Return the error function of x, with an error below 0.52 ulp, 0.65 below 1e-300; nan for nan.

    >>> erf(1.0)
    0.8427007929497149
    """
    size = -x if x < 0.0 else x
    if size < 1e-300:
        return x * (_SLOPE * UNIT)
    if size < 0.125:
        y = x * x
        factor = 0.0
        for coefficient in _MACLAURIN:
            factor = factor * y + coefficient
        eighth = x * 0.125
        total = x + eighth
        return total + ((x - total) + eighth + x * factor)
    if size < 6.0:
        total, rest = integral(_TABLE, size)
        result = total + rest
    elif size >= 6.0:
        result = 1.0
    else:
        return x
    return -result if x < 0.0 else result
