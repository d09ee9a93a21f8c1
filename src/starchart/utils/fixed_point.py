"""Fixed-point integers, from which the tables of exp, log, tanh and the Gaussian integrals are made at import.

A real number v is held as an integer n near v * ONE, ONE = 2**96; n * UNIT is the float again. Integers are exact and
the same everywhere, so the tables are too: no number is copied from a book, and none comes from the platform. Every
division below drops less than one unit; a table collects a few thousand of them at most, so its numbers are good to
2**-80, far beyond a float's 2**-53.
"""

FRACTION_BITS = 96
ONE = 1 << FRACTION_BITS
UNIT = 1 / ONE


def split(value: int, bits: int) -> tuple[float, float]:
    """Return floats (high, low) with high + low = value / ONE, high a multiple of 2**-bits and 0 <= low < 2**-bits.

    high is exact while |value| / ONE < 2**(53 - bits). low is rounded once, and exact from 43 bits on.

    >>> split(ONE + ONE // 8 + ONE // 3, 2)
    (1.25, 0.20833333333333334)
    """
    rest = FRACTION_BITS - bits
    return (value >> rest) / (1 << bits), (value & ((1 << rest) - 1)) * UNIT


def atanh_of_reciprocal(n: int) -> int:
    """Return atanh(1/n) = 1/n + 1/(3 n^3) + 1/(5 n^5) + ... in fixed point, for an integer n > 1.

    >>> 2 * atanh_of_reciprocal(3) / ONE  # log(2)
    0.6931471805599453
    """
    return _odd_series(n, 1)


def atan_of_reciprocal(n: int) -> int:
    """Return atan(1/n) = 1/n - 1/(3 n^3) + 1/(5 n^5) - ... in fixed point, for an integer n > 1.

    >>> 4 * (4 * atan_of_reciprocal(5) - atan_of_reciprocal(239)) / ONE  # pi (Machin 1706)
    3.141592653589793
    """
    return _odd_series(n, -1)


def _odd_series(n: int, sign: int) -> int:
    power = total = ONE // n
    square = sign * n * n
    divisor = 1
    while abs(power) > 1:
        power //= square
        divisor += 2
        total += power // divisor
    return total
