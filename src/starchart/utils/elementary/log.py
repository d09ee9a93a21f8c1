"""The natural logarithms log(x) and log(1 + x): a table of 257 reciprocals and a Taylor polynomial.

    log(x)     = e ln2 - log(c) + log(1 + s),    x = 2^e m,    c near 1/m from a table,    s = m c - 1
    log(1 + x) = log(u) + d/u,                   u = 1 + x rounded,    d = the part of 1 + x that rounding lost

Sources: P. T. P. Tang, Table-driven implementation of the logarithm function in IEEE floating-point arithmetic, ACM
TOMS 16 (1990), here with reciprocals so short that s is exact; T. J. Dekker, A floating-point technique for extending
the available precision, Numerische Mathematik 18 (1971), section 4, for d.
"""

from math import floor, frexp, inf, nan

from starchart.utils.elementary.tables import atanh_of_reciprocal, split


def log(x: float) -> float:
    """Return the natural logarithm of x: -inf at 0.0, nan below 0 and for nan.

    Error: below 0.52 ulp; proof in docs/BOUNDS.md#log.

    >>> log(2.0)
    0.6931471805599453
    """
    if 0.0 < x < inf:
        return _log_of_sum(x, 0.0)
    if x == 0.0:
        return -inf
    return x if x > 0.0 else nan


def log1p(x: float) -> float:
    """Return log(1 + x), accurate where x is small: -inf at -1.0, nan below -1 and for nan.

    Error: below 0.52 ulp; proof in docs/BOUNDS.md#log1p.

    >>> log1p(1e-20)
    1e-20
    """
    if -_SMALL < x < _SMALL:
        return x - x * x * (1 / 2 - x * (1 / 3 - x * (1 / 4 - x * (1 / 5))))
    if -1.0 < x < inf:
        u = 1.0 + x
        lost = x - (u - 1.0) if x < 1.0 else 1.0 - (u - x)
        return _log_of_sum(u, lost / u)
    if x == -1.0:
        return -inf
    return x if x > 0.0 else nan


def _log_of_sum(x: float, rest: float) -> float:
    """Return log(x) + rest, rounded once, for a finite x above 0 and |rest| <= 2^-53."""
    m, e = frexp(x)
    f, c, offset, high, low = _RECIPROCALS[floor(m * 512.0 - 255.5)]
    s = (m - f) * c + offset  # m c - 1, exactly
    high += e * _LN2_HIGH
    total = high + s
    curve = s * s * (s * (1 / 3 - s * (1 / 4 - s * (1 / 5 - s * (1 / 6 - s * (1 / 7))))) - 1 / 2)  # log(1 + s) - s
    return total + ((s - (total - high)) + (curve + rest + (low + e * _LN2_LOW)))


def _logarithms() -> list[int]:
    """Return log(i/256) for i = 256 .. 512 in fixed point, from log((n+1)/n) = 2 atanh(1/(2n+1))."""
    logs = [0]
    for n in range(256, 512):
        logs.append(logs[-1] + 2 * atanh_of_reciprocal(2 * n + 1))
    return logs


def _reciprocals(logs: list[int]) -> list[tuple[float, float, float, float, float]]:
    """Return (F, c, F c - 1, high, low) for F = 256/512 .. 512/512, with c near 1/F and high + low = -log(c)."""
    table = []
    for f in range(256, 513):  # F = f/512
        c = (2 * 512 * 256 + f) // (2 * f)  # in 1/256, the nearest to 512/f
        high, low = split(logs[c - 256], 42)
        table.append((f / 512, c / 256, (f * c - 512 * 256) / (512 * 256), -high, -low))
    return table


_SMALL = 1 / 4096
_LOGS = _logarithms()
_LN2_HIGH, _LN2_LOW = split(_LOGS[-1], 42)
_RECIPROCALS = _reciprocals(_LOGS)
