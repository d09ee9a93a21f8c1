"""Phi(x), the probability that a standard normal variable is below x.

    Phi(x) = (1 + erf(x/sqrt(2))) / 2 = erfc(-x/sqrt(2)) / 2

The second form is used: for x < 0 the first subtracts two nearly equal numbers and loses digits.
Source: Abramowitz and Stegun, Handbook of Mathematical Functions (1964), 26.2.29.
"""

from starchart.utils.elementary.erf import erfc


def normal_cdf(x: float) -> float:
    """Return Phi(x): 0.0 at -inf, 1.0 at inf, nan for nan.

    Error: below 2.5 ulp for x >= 0, 2.2 x^2 + 17 ulp for x < 0; proof in docs/BOUNDS.md#normal_cdf.

    >>> normal_cdf(-1.0)
    0.15865525393145702
    """
    return 0.5 * erfc(-0.7071067811865476 * x)
