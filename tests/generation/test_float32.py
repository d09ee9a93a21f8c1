from fractions import Fraction
from math import inf, isnan, nan

from starchart.generation.float32 import LARGEST_FLOAT32, float32, float32_row

CASES = [
    (0.1, Fraction(13421773, 2**27)),
    (1 + 2**-24, Fraction(1)),  # half way: to even, down
    (1 + 3 * 2**-24, 1 + Fraction(2, 2**23)),  # half way: to even, up
    (2**-149, Fraction(1, 2**149)),  # the smallest float32
    (2**-150, Fraction(0)),  # half of it: to even
    (-16777217.0, Fraction(-16777216)),
    (LARGEST_FLOAT32, Fraction(2**128 - 2**104)),
]


def test_hand_worked_roundings():
    for x, rounded in CASES:
        assert Fraction(float32(x)) == rounded
        assert [Fraction(y) for y in float32_row([x])] == [rounded]


def test_a_row_may_hold_what_float32_cannot():
    huge, minus_huge, infinite, not_a_number = float32_row([1e39, -1e300, inf, nan])
    assert (huge, minus_huge, infinite) == (inf, -inf, inf)
    assert isnan(not_a_number)
