"""The hyperbolic tangent.

    tanh(x) = 1 - 2 / (exp(2x) + 1)                        for x >= 0.55, and tanh(-x) = -tanh(x)
    tanh(x) = x / (1 + x^2/(3 + x^2/(5 + x^2/(7 + ...))))  near 0, where the first form would cancel

Source: NIST Digital Library of Mathematical Functions, 4.39.1 (Lambert's continued fraction, 1761).
"""

from math import copysign

from starchart.utils.elementary.exp import exp


def tanh(x: float) -> float:
    """Return the hyperbolic tangent of x: 1.0 at inf, -0.0 at -0.0, nan for nan.

    Error: below 2 ulp; proof in docs/BOUNDS.md#tanh.

    >>> tanh(0.5)
    0.46211715726000974
    """
    size = abs(x)
    if size < 0.55:
        y = x * x
        return x / (1.0 + y / (3.0 + y / (5.0 + y / (7.0 + y / (9.0 + y / (11.0 + y / (13.0 + y / 15.0)))))))
    return copysign(1.0 - 2.0 / (exp(2.0 * size) + 1.0), x)
