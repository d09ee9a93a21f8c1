"""exp against mpmath. The bounds are those of docs/BOUNDS.md."""

import math

import mpmath
import pytest

from starchart.utils.elementary.exp import exp
from tests.ulps import both_signs, magnitudes, neighbours, same_bits, uniform, worst

BOUND, SUBNORMAL_BOUND = 0.51, 0.77
SMALLEST_NORMAL = -708.3964185322641  # log(2^-1022)


@pytest.mark.parametrize(
    "arguments",
    [
        uniform(4000, SMALLEST_NORMAL, 709.78),
        uniform(4000, -40.0, 1.0),  # softmax and GELU ask for these
        both_signs(magnitudes(1000, -70, 3)),
        uniform(2000, 708.9, 709.782),
        neighbours(709.0) + neighbours(709.782712893383),
    ],
    ids=["all", "usual", "small", "near overflow", "ends"],
)
def test_error_is_below_the_bound(arguments):
    assert worst(exp, mpmath.exp, arguments) < BOUND


def test_error_is_below_the_bound_where_results_are_subnormal():
    arguments = uniform(4000, -745.13, SMALLEST_NORMAL) + neighbours(SMALLEST_NORMAL, 500)
    assert worst(exp, mpmath.exp, arguments) < SUBNORMAL_BOUND


def test_error_is_below_the_bound_where_the_table_changes():
    step = math.log(2) / 1024
    arguments = [x for k in range(-3000, 3000, 7) for x in neighbours((k + 0.5) * step, 2)]
    assert worst(exp, mpmath.exp, arguments) < BOUND


def test_error_is_below_the_bound_at_every_entry_of_the_table():
    arguments = [j / 1024 * math.log(2) for j in range(1024)]
    assert worst(exp, mpmath.exp, arguments) < BOUND


@pytest.mark.parametrize(
    ("x", "expected"),
    [
        (0.0, 1.0),
        (-0.0, 1.0),
        (5e-324, 1.0),
        (math.inf, math.inf),
        (-math.inf, 0.0),
        (math.nan, math.nan),
        (709.782712893384, 1.797693134862273e308),  # 709.78271289338397 is the last to stay below 2^1024
        (709.7827128933841, math.inf),
        (1e308, math.inf),
        (-745.1332191019411, 5e-324),  # half of 2^-1074 is reached at -745.13321910194122...
        (-745.1332191019412, 0.0),
        (-1e308, 0.0),
    ],
)
def test_special_values(x, expected):
    if math.isfinite(expected) and expected > 1e300:
        assert exp(x) == pytest.approx(expected, rel=1e-13)  # math.exp's last digits differ from platform to platform
    else:
        assert same_bits(exp(x), expected)


def test_never_decreases():
    for x in (-745.0, SMALLEST_NORMAL, -36.7, -1e-3, 0.0, 0.1, 1.0, 20.0, 709.0):
        values = [exp(y) for y in neighbours(x, 300)]
        assert values == sorted(values)
