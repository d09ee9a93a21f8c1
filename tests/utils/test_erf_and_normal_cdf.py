"""erf and the normal distribution against mpmath. The bounds are those of the docstrings."""

import math

import mpmath
import pytest

from starchart.utils.erf import erf
from starchart.utils.normal_cdf import normal_cdf
from tests.ulps import both_signs, magnitudes, neighbours, same_bits, uniform, worst


def normal_cdf_truth(x):
    return mpmath.erfc(-x / mpmath.sqrt(2)) / 2


@pytest.mark.parametrize(
    "arguments",
    [
        uniform(2000, -6.2, 6.2),
        uniform(3000, -0.6, 0.6),
        both_signs(magnitudes(500, -996, 2)),
        neighbours(0.125, 100) + neighbours(6.0, 20),
        [x for j in range(2, 96) for x in neighbours((j + 0.5) / 16, 2)],
    ],
    ids=["all", "small", "magnitudes", "where the method changes", "where the table changes"],
)
def test_erf_error_is_below_the_bound(arguments):
    assert worst(erf, mpmath.erf, arguments) < 0.52


def test_erf_of_the_smallest():
    assert worst(erf, mpmath.erf, both_signs(magnitudes(500, -1074, -996))) < 0.65


@pytest.mark.parametrize(
    ("arguments", "bound"),
    [
        (uniform(2000, -4.0, 0.0), 0.53),
        (uniform(2000, 0.0, 9.0), 0.53),
        ([-x for x in magnitudes(500, -60, 1)], 0.53),
        (magnitudes(500, -60, 1), 0.53),
        ([-x for j in range(64) for x in neighbours((j + 0.5) / 16, 2)], 0.53),
        ([x for j in range(64) for x in neighbours((j + 0.5) / 16, 2)], 0.53),
        (uniform(1500, -37.5, -4.0), 4.0),
        (neighbours(-4.0, 100), 4.0),
        (uniform(300, -38.4, -37.5), 4.0),  # subnormal results
    ],
    ids=["negative", "positive", "-2^n", "2^n", "-table", "table", "tail", "where the method changes", "subnormal"],
)
def test_normal_cdf_error_is_below_the_bound(arguments, bound):
    assert worst(normal_cdf, normal_cdf_truth, arguments) < bound


@pytest.mark.parametrize(
    ("function", "x", "expected"),
    [
        (erf, 0.0, 0.0),
        (erf, -0.0, -0.0),
        (erf, 5e-324, 5e-324),
        (erf, 6.0, 1.0),
        (erf, math.inf, 1.0),
        (erf, -math.inf, -1.0),
        (erf, math.nan, math.nan),
        (normal_cdf, 0.0, 0.5),
        (normal_cdf, -0.0, 0.5),
        (normal_cdf, 5e-324, 0.5),
        (normal_cdf, 9.0, 1.0),
        (normal_cdf, -40.5, 0.0),
        (normal_cdf, math.inf, 1.0),
        (normal_cdf, -math.inf, 0.0),
        (normal_cdf, math.nan, math.nan),
    ],
)
def test_special_values(function, x, expected):
    assert same_bits(function(x), expected)


def test_normal_cdf_at_known_quantiles():
    assert normal_cdf(1.959963984540054) == 0.975  # the 97.5% point, from any table
    assert normal_cdf(-1.959963984540054) == pytest.approx(0.025, rel=1e-15)  # the argument is rounded
