"""The natural logarithm: a table of 257 reciprocals and a polynomial of degree seven.

Write x = 2^e m with 0.5 <= m < 1. Let F be the multiple of 1/512 nearest to m, and c the multiple of 1/256 nearest
to 1/F. Then, with s = m c - 1,

    log(x) = e ln2 - log(c) + log(1 + s)

- s = (m - F) c + (F c - 1) is exact: m - F has 43 bits and c has 9, and s is a multiple of 2^-61 below 2^-8.
- e ln2 - log(c) is held as high + low. Both highs are multiples of 2^-42, so their sum is exact.
- log(1 + s) - s is the Taylor polynomial of degree seven; what it leaves out is below s^8/8.

Where x is near 1 the first two terms are exactly zero (c is 1 and e is 0, or c is 2 and e is 1), so nothing
cancels.

Error: high + s is split exactly into a float and a remainder, and the last addition rounds, 0.5 ulp. What it adds
is below 2^-7 of the result and is wrong by one of its own ulps at most, so by 0.01 ulp of the result; the
polynomial leaves out 0.002 ulp. In all below 0.52 ulp.

Sources: P. T. P. Tang, Table-driven implementation of the logarithm function in IEEE floating-point arithmetic, ACM
TOMS 16 (1990), here with reciprocals so short that s is exact; T. J. Dekker, A floating-point technique for
extending the available precision, Numerische Mathematik 18 (1971), section 4, for the remainder of a sum.
"""

from math import floor, frexp

from starchart.utils.fixed_point import atanh_of_reciprocal, split

INFINITY = float("inf")
NAN = float("nan")


def _logarithms() -> list[int]:
    """Return log(i/256) for i = 256 .. 512 in fixed point, from log((n+1)/n) = 2 atanh(1/(2n+1))."""
    logs = [0]
    for n in range(256, 512):
        logs.append(logs[-1] + 2 * atanh_of_reciprocal(2 * n + 1))
    return logs


def _reciprocals(logs: list[int]) -> list[tuple[float, float, float, float, float]]:
    """Return (F, c, F c - 1, high, low) for F = 256/512 .. 512/512, with high + low = -log(c)."""
    table = []
    for f in range(256, 513):  # F = f/512
        c = (2 * 512 * 256 + f) // (2 * f)  # in 1/256, the nearest to 512/f
        high, low = split(logs[c - 256], 42)
        table.append((f / 512, c / 256, (f * c - 512 * 256) / (512 * 256), -high, -low))
    return table


_LOGS = _logarithms()
_LN2_HIGH, _LN2_LOW = split(_LOGS[-1], 42)
_RECIPROCALS = _reciprocals(_LOGS)


def log(x: float) -> float:
    """Return the natural logarithm of x, with an error below 0.52 ulp: -inf at 0.0, nan below 0 and for nan.

    >>> log(2.0)
    0.6931471805599453
    """
    if 0.0 < x < INFINITY:
        return log_of(x, 0.0)
    if x == 0.0:
        return -INFINITY
    return x if x > 0.0 else NAN


def log_of(x: float, rest: float) -> float:
    """Return log(x) + rest for a finite x above 0 and |rest| <= 2^-53, a part that rounding took from x.

    >>> log_of(1.0, 1e-20)
    1e-20
    """
    total, small = log_parts(x, rest)
    return total + small


def log_parts(x: float, rest: float) -> tuple[float, float]:
    """Return what `log_of` adds at last: a float near log(x) + rest, and what it lacks of it, wrong by 0.02 ulp.

    >>> log_parts(2.0, 0.0)
    (0.6931471805598903, 5.497923018706816e-14)
    """
    m, e = frexp(x)
    f, c, offset, high, low = _RECIPROCALS[floor(m * 512.0 - 255.5)]
    s = (m - f) * c + offset
    high += e * _LN2_HIGH
    total = high + s
    curve = s * s * (s * (1 / 3 - s * (1 / 4 - s * (1 / 5 - s * (1 / 6 - s * (1 / 7))))) - 1 / 2)
    return total, (s - (total - high)) + (curve + rest + (low + e * _LN2_LOW))
