"""tanh against mpmath. The bound is that of docs/BOUNDS.md."""

import math

import mpmath
import pytest

from starchart.utils.elementary.tanh import tanh
from tests.ulps import both_signs, magnitudes, neighbours, same_bits, uniform, worst

BOUND = 2.0


@pytest.mark.parametrize(
    "arguments",
    [
        uniform(2000, -20.0, 20.0),
        uniform(4000, -3.1, 3.1),
        uniform(3000, -0.25, 0.25),
        both_signs(magnitudes(500, -1022, 4)),
        neighbours(0.55, 200) + neighbours(-0.55, 200) + neighbours(19.0615, 100),
        uniform(2000, 0.5, 0.6),
    ],
    ids=["all", "middle", "small", "magnitudes", "where the method changes", "near there"],
)
def test_error_is_below_the_bound(arguments):
    assert worst(tanh, mpmath.tanh, arguments) < BOUND


@pytest.mark.parametrize(
    ("x", "expected"),
    [
        (0.0, 0.0),
        (-0.0, -0.0),
        (5e-324, 5e-324),
        (-5e-324, -5e-324),
        (19.1, 1.0),
        (-19.1, -1.0),
        (math.inf, 1.0),
        (-math.inf, -1.0),
        (math.nan, math.nan),
    ],
)
def test_special_values(x, expected):
    assert same_bits(tanh(x), expected)


def test_is_odd_to_the_bit():
    assert all(same_bits(tanh(-x), -tanh(x)) for x in uniform(500, 0.0, 3.0))
