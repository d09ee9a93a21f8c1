"""The error function erf, and erfc = 1 - erf, which stays accurate where erf is near 1.

    erf(x)  = 2/sqrt(pi) (x - x^3/3 + x^5/(2! 5) - x^7/(3! 7) + ...)                                     for |x| < 1
    erfc(x) = 2 x exp(-x^2)/pi times the integral of exp(-t^2) / (x^2 + t^2) over t from 0 to infinity   for x >= 1/2

The integral is a sum in steps of 1/2 (trapezoidal rule). Its error comes from the pole at t = ix; it is
2 / (exp(4 pi x) - 1) and is subtracted. The error that remains is below 2e-16 of erfc.

Sources: Abramowitz and Stegun, Handbook of Mathematical Functions (1964), 7.1.5 and 7.4.11; C. Chiarella and A.
Reichel, On the evaluation of integrals related to the error function, Mathematics of Computation 22 (1968).
"""

from math import copysign

from starchart.utils.elementary.exp import exp


def erf(x: float) -> float:
    """Return the error function of x: 1.0 from 6 on, -0.0 at -0.0, nan for nan.

    Error: below 3 ulp; proof in docs/BOUNDS.md#erf.

    >>> erf(1.0)
    0.8427007929497149
    """
    if abs(x) < 1.0:
        y, factor = x * x, 0.0
        for coefficient in _MACLAURIN:
            factor = factor * y + coefficient
        return x + x * factor
    return copysign(1.0 - _tail(abs(x)), x)


def erfc(x: float) -> float:
    """Return 1 - erf(x): 0.0 at inf, 2.0 at -inf, nan for nan.

    Error: below 2 ulp for x <= 0, 4 ulp for x < 1/2, x^2 + 15 ulp beyond; proof in docs/BOUNDS.md#erfc.

    >>> erfc(3.0)
    2.2090496998585445e-05
    """
    return 1.0 - erf(x) if x < 0.5 else _tail(x)


def _tail(x: float) -> float:
    """Return erfc(x) for x >= 1/2."""
    if x > 27.3:
        return 0.0
    y, integral = x * x, 0.0
    for weight, square in _STEPS:
        integral += weight / (square + y)
    pole = 2.0 / (exp(4.0 * _PI * x) - 1.0) if x < 6.0 else 0.0
    return 2.0 / _PI * x * exp(-y) * integral - pole


def _maclaurin() -> list[float]:
    """Return the coefficients of erf(x)/x - 1 in powers of x^2, last first: 2/sqrt(pi) (-1)^n / (n! (2n + 1))."""
    coefficients, factorial = [0.12837916709551257], 1
    for n in range(1, 19):
        factorial *= -n
        coefficients.append(1.1283791670955126 / (factorial * (2 * n + 1)))
    return coefficients[::-1]


_PI = 3.141592653589793
_MACLAURIN = _maclaurin()
# For t = 6.5, 6, ... 1/2, 0: the width of a step (half of one at the end) times exp(-t^2), and t^2.
_STEPS = [(0.5 * exp(-n * n / 4), n * n / 4) for n in range(13, 0, -1)] + [(0.25, 0.0)]
