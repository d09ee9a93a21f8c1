"""The activation functions against mpmath and against transformers' own in float64."""

import math
from random import Random

import mpmath
import pytest

from starchart.utils.activations import ACTIVATIONS, activate
from tests.ulps import both_signs, error, magnitudes, neighbours, same_bits, uniform, worst

mpf = mpmath.mpf


def tanh_form(x, slope):
    return x / (1 + mpmath.exp(-2 * slope * (x + mpf("0.044715") * x**3)))


def gelu_new(x):
    return tanh_form(x, mpmath.sqrt(2 / mpmath.pi))


def gelu(x):
    return x * mpmath.erfc(-x / mpmath.sqrt(2)) / 2


TRUTHS = {
    "gelu_new": gelu_new,
    "gelu": gelu,
    "gelu_pytorch_tanh": gelu_new,
    "gelu_python_tanh": gelu_new,
    "gelu_accurate": gelu_new,
    "gelu_python": gelu,
    "gelu_fast": lambda x: tanh_form(x, mpf("0.7978845608")),
    "relu": lambda x: max(x, mpf(0)),
    "silu": lambda x: x / (1 + mpmath.exp(-x)),
    "swish": lambda x: x / (1 + mpmath.exp(-x)),
    "tanh": mpmath.tanh,
}
# Bounds in ulps from docs/BOUNDS.md, for x in [-19, -4], [-4, -1], [-1, 1] and [1, 40].
TANH_FORM = (3520.0, 54.0, 7.0, 2.8)
ERF_FORM = (820.0, 54.0, 20.2, 3.2)
BOUNDS = {
    "gelu_new": TANH_FORM,
    "gelu": ERF_FORM,
    "gelu_pytorch_tanh": TANH_FORM,
    "gelu_python_tanh": TANH_FORM,
    "gelu_accurate": TANH_FORM,
    "gelu_python": ERF_FORM,
    "gelu_fast": TANH_FORM,
    "relu": (0.0, 0.0, 0.0, 0.0),
    "silu": (2.6, 2.6, 2.6, 2.6),
    "swish": (2.6, 2.6, 2.6, 2.6),
    "tanh": (2.0, 2.0, 2.0, 2.0),
}


def test_there_is_a_truth_for_every_name():
    assert list(ACTIVATIONS) == list(TRUTHS) == list(BOUNDS)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_error_is_below_the_bound(name):
    ranges = [(-19.0, -4.0), (-4.0, -1.0), (-1.0, 1.0), (1.0, 40.0)]
    for (low, high), bound in zip(ranges, BOUNDS[name], strict=True):
        assert worst(ACTIVATIONS[name], TRUTHS[name], uniform(800, low, high)) <= bound, (low, high)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_error_is_below_the_bound_near_zero_and_where_the_method_changes(name):
    arguments = (
        both_signs(magnitudes(300, -900, -1)) + neighbours(0.55) + neighbours(-(0.5**0.5)) + neighbours(2.0**0.5)
    )
    assert worst(ACTIVATIONS[name], TRUTHS[name], arguments) <= max(BOUNDS[name][2:])


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_agrees_with_transformers(name):
    torch = pytest.importorskip("torch")
    theirs = pytest.importorskip("transformers.activations").ACT2FN[name]
    arguments = uniform(2000, -12.0, 12.0) + both_signs(magnitudes(200, -40, 4))
    results = theirs(torch.tensor(arguments, dtype=torch.float64)).tolist()
    for x, result in zip(arguments, results, strict=True):
        # Theirs is a product of x/2 and a sum near 1 or 2, each rounded: a few 2^-53 of |x|, whatever the result.
        assert ACTIVATIONS[name](x) == pytest.approx(result, rel=0, abs=4 * 2.0**-53 * abs(x)), x


@pytest.mark.parametrize(("low", "high"), [(-10.0, -1.0), (-1.0, 0.0), (0.0, 1.0), (1.0, 10.0)])
@pytest.mark.parametrize("name", ["gelu", "gelu_new", "gelu_pytorch_tanh", "gelu_fast", "silu", "tanh"])
def test_worst_error_is_at_most_an_ulp_larger_than_that_of_torch(name, low, high):
    torch = pytest.importorskip("torch")
    theirs = pytest.importorskip("transformers.activations").ACT2FN[name]
    arguments = uniform(1000, low, high)
    truths = [TRUTHS[name](mpf(x)) for x in arguments]
    ours = [ACTIVATIONS[name](x) for x in arguments]
    torchs = theirs(torch.tensor(arguments, dtype=torch.float64)).tolist()
    assert worst_in_ulps(ours, truths) <= worst_in_ulps(torchs, truths) + 1.0


def worst_in_ulps(results, truths):
    return max(error(result, truth) for result, truth in zip(results, truths, strict=True))


@pytest.mark.parametrize(
    ("name", "x", "expected"),
    [
        # Phi(1) = 0.841344746068543 and Phi(-3) = 0.00134989803163009, from tables of the normal distribution.
        ("gelu", 1.0, 0.841344746068543),
        ("gelu", -3.0, -3 * 0.00134989803163009),
        # u = 0.7978845608028654 * 1.044715 = 0.8335619689..., tanh(u) = 0.6823839812...
        ("gelu_new", 1.0, 0.8411919906),
        ("gelu_new", -1.0, -0.1588080094),
        ("silu", 1.0, 0.7310585786300049),  # 1 / (1 + 1/e)
        ("swish", -1.0, -0.2689414213699951),
        ("relu", -3.25, 0.0),
        ("relu", 3.25, 3.25),
        ("tanh", 0.5, 0.46211715726000976),  # (e - 1) / (e + 1)
    ],
)
def test_values_worked_by_hand(name, x, expected):
    assert ACTIVATIONS[name](x) == pytest.approx(expected, rel=1e-10 if name == "gelu_new" else 1e-14)  # digits given


def test_gelu_fast_is_another_function_than_gelu_new():
    # The constants differ by 2.9e-12, so at x = 1 the values differ by 6.7e-13, far more than rounding can do.
    difference = ACTIVATIONS["gelu_new"](1.0) - ACTIVATIONS["gelu_fast"](1.0)
    truth = TRUTHS["gelu_new"](mpf(1)) - TRUTHS["gelu_fast"](mpf(1))
    assert difference == pytest.approx(float(truth), rel=1e-3)  # two roundings of 1e-16 beside 6.7e-13


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_special_values(name):
    function = ACTIVATIONS[name]
    assert math.isnan(function(math.nan))
    assert function(math.inf) == (1.0 if name == "tanh" else math.inf)
    assert same_bits(function(-math.inf), {"tanh": -1.0, "relu": 0.0}.get(name, math.nan))  # nan as in PyTorch
    assert function(1e200) == (1.0 if name == "tanh" else 1e200)
    assert function(-1e200) == (-1.0 if name == "tanh" else 0.0)
    assert same_bits(function(0.0), 0.0)
    assert function(-0.0) == 0.0


def test_gelu_less_its_mirror_image_is_the_identity():
    for x in uniform(200, 1.0, 9.0):
        for name in ("gelu", "gelu_new"):
            # The first value is within 3.2 ulp; the second is small; their difference rounds again.
            assert ACTIVATIONS[name](x) - ACTIVATIONS[name](-x) == pytest.approx(x, rel=4 * 2.0**-52)


def test_activate_works_on_every_entry():
    random = Random(7)
    x = [[random.gauss(0.0, 2.0) for _ in range(5)] for _ in range(3)]
    result = activate(x, "relu")
    assert result == [[max(value, 0.0) for value in row] for row in x]
