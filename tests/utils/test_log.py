"""log and log1p against mpmath. The bounds are those of docs/BOUNDS.md."""

import math

import mpmath
import pytest

from starchart.utils.elementary.log import log, log1p
from tests.ulps import both_signs, magnitudes, neighbours, same_bits, uniform, worst

BOUND = 0.52


@pytest.mark.parametrize(
    "arguments",
    [
        magnitudes(4000, -1022, 1024),
        magnitudes(1000, -1074, -1022),
        uniform(4000, 0.5, 2.0),
        uniform(4000, 0.98, 1.02),
        [1.0 + d for d in both_signs(magnitudes(2000, -52, -6))],
        neighbours(1.0, 300),
        [x for f in range(256, 513) for x in neighbours((f + 0.5) / 512, 4)],  # where the table changes
        [f / 256 for f in range(256, 513)],
        [5e-324, 2.2250738585072014e-308, 1.7976931348623157e308, 0.1, 2.0, 10.0],
    ],
    ids=["all", "subnormal", "middle", "near 1", "nearer 1", "next to 1", "edges", "entries", "few"],
)
def test_log_error_is_below_the_bound(arguments):
    assert worst(log, mpmath.log, [x for x in arguments if x != 1.0]) < BOUND


def log1p_truth(x):
    with mpmath.workdps(400):  # 1 + x is exact
        return mpmath.log(1 + x)


@pytest.mark.parametrize(
    ("arguments", "bound"),
    [
        (uniform(2000, -0.999, 3.0), BOUND),
        (uniform(2000, -0.02, 0.02), BOUND),
        (both_signs(magnitudes(1000, -45, -1)), BOUND),
        (magnitudes(1000, 0, 1024), BOUND),
        (neighbours(1.0) + neighbours(2.0**53, 3), BOUND),
        (neighbours(-1.0 + 2.0**-53, 0) + [-1.0 + k * 2.0**-53 for k in range(1, 200)], BOUND),
        (both_signs(magnitudes(3000, -56, -45)), BOUND),  # the part lost by 1 + x is as large as the part kept
        (both_signs(magnitudes(500, -1022, -56)), BOUND),
        (neighbours(2.0**-12, 300) + neighbours(-(2.0**-12), 300), BOUND),  # where the method changes
        ([-u for u in uniform(2000, 0.0, 1.0)], BOUND),  # the exponential race of sampling
    ],
    ids=["all", "small", "smaller", "large", "near 1", "near -1", "near 2^-53", "tiny", "near 2^-12", "race"],
)
def test_log1p_error_is_below_the_bound(arguments, bound):
    assert worst(log1p, log1p_truth, arguments) < bound


@pytest.mark.parametrize(
    ("function", "x", "expected"),
    [
        (log, 1.0, 0.0),
        (log, 0.0, -math.inf),
        (log, -0.0, -math.inf),
        (log, math.inf, math.inf),
        (log, -1.0, math.nan),
        (log, -math.inf, math.nan),
        (log, math.nan, math.nan),
        (log1p, 0.0, 0.0),
        (log1p, -0.0, -0.0),
        (log1p, 5e-324, 5e-324),
        (log1p, -5e-324, -5e-324),
        (log1p, -1.0, -math.inf),
        (log1p, math.inf, math.inf),
        (log1p, -1.5, math.nan),
        (log1p, -math.inf, math.nan),
        (log1p, math.nan, math.nan),
    ],
)
def test_special_values(function, x, expected):
    assert same_bits(function(x), expected)


@pytest.mark.parametrize("x", [1e-300, 0.5, 0.75, 0.9990234375, 1.0, 1.001, 1.5, 1e10])
def test_log_never_decreases(x):
    values = [log(y) for y in neighbours(x, 300)]
    assert values == sorted(values)
