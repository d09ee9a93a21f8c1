"""Integers from which exp and log make their tables at import: exact, so the tables are the same on every machine.

A real number v is held as the integer n near v 2^96; n * UNIT is the float again. Every division below drops less than
one unit. In a table a few thousand of these errors add up, so its numbers are accurate to 2^-80; floats have 2^-53.
"""

FRACTION_BITS = 96
ONE = 1 << FRACTION_BITS
UNIT = 1 / ONE


def split(value: int, bits: int) -> tuple[float, float]:
    """Return floats (high, low) with high + low = value / ONE, high a multiple of 2**-bits and 0 <= low < 2**-bits.

    high is exact while |value| / ONE < 2**(53 - bits). low is rounded once; if `bits` is 43 or more, it is exact.

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
    power = total = ONE // n
    divisor = 1
    while power:
        power //= n * n
        divisor += 2
        total += power // divisor
    return total
