"""erf, erfc and the normal distribution against mpmath. The bounds are those of docs/BOUNDS.md."""

import math

import mpmath
import pytest

from starchart.utils.elementary.erf import erf, erfc
from starchart.utils.elementary.normal_cdf import normal_cdf
from tests.ulps import both_signs, error, magnitudes, neighbours, same_bits, uniform, worst


def normal_cdf_truth(x):
    return mpmath.erfc(-x / mpmath.sqrt(2)) / 2


def worst_of_the_bound(function, truth, arguments, bound):
    """Return the largest error as a share of a bound that depends on the argument."""
    return max(error(function(x), truth(mpmath.mpf(x))) / bound(x) for x in arguments)


@pytest.mark.parametrize(
    "arguments",
    [
        uniform(2000, -6.2, 6.2),
        uniform(3000, -1.1, 1.1),
        both_signs(magnitudes(500, -1074, 2)),
        neighbours(1.0, 200) + neighbours(-1.0, 200) + neighbours(6.0, 20),
    ],
    ids=["all", "small", "magnitudes", "where the method changes"],
)
def test_erf_error_is_below_the_bound(arguments):
    assert worst(erf, mpmath.erf, arguments) < 3.0


@pytest.mark.parametrize(
    ("arguments", "bound"),
    [
        (uniform(1000, -6.2, 0.0), lambda _: 2.0),
        (uniform(2000, 0.0, 0.5), lambda _: 4.0),
        (uniform(2000, 0.5, 6.0), lambda x: x * x + 15.0),
        (neighbours(0.5, 100)[100:] + neighbours(6.0, 100), lambda x: x * x + 15.0),
        (uniform(1000, 6.0, 27.2), lambda x: x * x + 15.0),  # subnormal at the end
        (uniform(200, 27.2, 27.4), lambda x: x * x + 15.0),
    ],
    ids=["negative", "below 1/2", "above", "where the method changes", "tail", "subnormal"],
)
def test_erfc_error_is_below_the_bound(arguments, bound):
    assert worst_of_the_bound(erfc, mpmath.erfc, arguments, bound) < 1.0


@pytest.mark.parametrize(
    "arguments",
    [
        uniform(2000, 0.0, 9.0),
        magnitudes(500, -60, 1),
        neighbours(2**0.5),
        uniform(3000, -4.0, 0.0),
        [-x for x in magnitudes(500, -60, 1)],
        neighbours(-(0.5**0.5), 100),
        uniform(1500, -37.5, -4.0),
        uniform(300, -38.4, -37.5),  # subnormal results
    ],
    ids=["positive", "2^n", "near 2^(1/2)", "negative", "-2^n", "where the method changes", "tail", "subnormal"],
)
def test_normal_cdf_error_is_below_the_bound(arguments):
    def bound(x):
        return 2.5 if x >= 0.0 else 2.2 * x * x + 17.0

    assert worst_of_the_bound(normal_cdf, normal_cdf_truth, arguments, bound) < 1.0


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
        (erfc, 0.0, 1.0),
        (erfc, math.inf, 0.0),
        (erfc, 1e200, 0.0),
        (erfc, -math.inf, 2.0),
        (erfc, math.nan, math.nan),
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
    assert normal_cdf(-1.959963984540054) == pytest.approx(0.025, rel=1e-14)  # the argument is rounded
