"""Phi(x), the probability that a standard normal variable is below x, with full relative accuracy in both tails.

Let t = |x| and Q(t) = Phi(-t), the upper tail. Phi(x) is Q(t) for x < 0 and 1 - Q(t) for x > 0.

- t < 4: let c be the multiple of 1/16 nearest to t, and r = t - c (exact). Q(c) is held as high + low, and the Taylor
  polynomial of degree ten leads from Q(c) to Q(c + r) (`gaussian_table`). high is a multiple of 2^-53, so 1 - high
  is exact.
- beyond: Q(t) = phi(t) / (t + 1/(t + 2/(t + 3/(t + ...)))), phi the normal density. exp(-t^2/2) would multiply the
  rounding of t^2 by t^2/2. With n the multiple of 1/1024 below t, n^2 is exact, and
  -t^2/2 = -n^2/2 - (t - n)(t + n)/2.

Error: for |x| < 4 the last addition rounds, 0.5 ulp. What it adds is wrong by 1.5 of its own ulps at most, which are
1/4 of the result's at most and 1/32 for x > 0: below 0.9 ulp, and below 0.55 ulp for x > 0. For x <= -4 the result is a
product of three factors and a quotient: below 4 ulp.

Sources: Abramowitz and Stegun, Handbook of Mathematical Functions (1964), 26.2.2 to 26.2.6; 26.2.14 (Laplace's
continued fraction).
"""

from math import floor

from starchart.utils.exp import exp
from starchart.utils.fixed_point import ONE, UNIT
from starchart.utils.gaussian_table import gaussian_table, reciprocal_root_pi

_HEIGHT = reciprocal_root_pi(1, 2)
_TABLE = gaussian_table(1, -_HEIGHT, ONE // 2, 65)
_DENSITY_AT_0 = _HEIGHT * UNIT


def normal_cdf(x: float) -> float:
    """Return Phi(x), with an error below 0.9 ulp, 4 ulp where x <= -4: 0.0 at -inf, 1.0 at inf, nan for nan.

    >>> normal_cdf(-1.0)
    0.15865525393145705
    """
    t = -x if x < 0.0 else x
    if t < 4.0:
        j = floor(t * 16.0 + 0.5)
        r = t - j * 0.0625
        high, low, a, b, c, d, e, f, g, h, i, k = _TABLE[j]
        low += r * (a + r * (b + r * (c + r * (d + r * (e + r * (f + r * (g + r * (h + r * (i + r * k)))))))))
        return (1.0 - high) - low if x > 0.0 else high + low
    if x < 0.0:
        return _far_tail(t)
    return 1.0 - _far_tail(t) if t == t else x


def _far_tail(t: float) -> float:
    """Return Q(t) for t >= 4."""
    if t > 40.0:
        return 0.0
    fraction = t
    for numerator in range(40, 0, -1):
        fraction = t + numerator / fraction
    n = floor(t * 1024.0) / 1024.0
    return exp(-0.5 * (t - n) * (t + n)) * (_DENSITY_AT_0 / fraction) * exp(-0.5 * n * n)
