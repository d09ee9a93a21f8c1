"""log(1 + x), accurate where x is small.

u = 1 + x is rounded. The part that it lost, d, is found exactly (Dekker 1971), and

    log(1 + x) = log(u) + log(1 + d/u) = log(u) + d/u    to 106 bits, because |d/u| <= 2^-53.

`log_of` lets d/u join the small terms of log(u) before the last rounding; its file has the method and the sources.
d/u is wrong by half of its own ulp. That is nothing beside the result unless |x| is near 2^-53, where d/u can be half
of it. So for |x| < 2^-12 it is the Maclaurin polynomial of degree five, x less a part below 2^-13 of it; what it leaves
out is x^6/6, 2^-62 of the result. The error is below 0.52 ulp, as that of `log`.
"""

from starchart.utils.log import INFINITY, NAN, log_of

_SMALL = 1 / 4096


def log1p(x: float) -> float:
    """Return log(1 + x), with an error below 0.52 ulp: -inf at -1.0, nan below -1 and for nan.

    >>> log1p(1e-20)
    1e-20
    """
    if -_SMALL < x < _SMALL:
        return x - x * x * (1 / 2 - x * (1 / 3 - x * (1 / 4 - x * (1 / 5))))
    if -1.0 < x < INFINITY:
        u = 1.0 + x
        lost = x - (u - 1.0) if x < 1.0 else 1.0 - (u - x)
        return log_of(u, lost / u)
    if x == -1.0:
        return -INFINITY
    return x if x > 0.0 else NAN
