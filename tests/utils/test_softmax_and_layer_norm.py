"""Softmax, masked softmax and layer norm against exact arithmetic, torch, and by hand."""

from math import inf, log

import mpmath
import numpy as np
import pytest
import torch

from starchart.utils.layer_norm import layer_norm
from starchart.utils.masked_softmax import masked_softmax
from starchart.utils.softmax import softmax

random = np.random.default_rng(21)
ROWS = {
    "one": [3.7],
    "random": random.normal(size=17).tolist(),
    "wide": (random.normal(size=50) * 300).tolist(),
    "equal": [2.5] * 9,
    "huge": [1e300, -1e300, 0.0],
    "hidden": [0.5, -inf, 1.5],
    "cancelling": [1e6 + x for x in random.normal(size=12)],
}


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS.keys())
def test_softmax_against_60_digits(row):
    with mpmath.workdps(60):
        weights = [mpmath.exp(mpmath.mpf(x)) for x in row]
        truth = [float(w / mpmath.fsum(weights)) for w in weights]
    # score - max is rounded to 2^-53 of itself, which exp makes a relative error; exp, sum and quotient add 2 ulp.
    tolerance = 4 * 2.0**-52 + 2.0**-52 * max((abs(x) for x in row if -1e3 < x < 1e7), default=0)
    np.testing.assert_allclose(softmax(row), truth, rtol=tolerance, atol=5e-324)


def test_softmax_by_hand():
    assert softmax([log(1.0), log(3.0)]) == pytest.approx([0.25, 0.75], rel=1e-15)  # 4 roundings
    assert softmax([0.0, -inf]) == [1.0, 0.0]


@pytest.mark.parametrize(("t", "s"), [(1, 1), (1, 8), (5, 5), (3, 9)])
def test_masked_softmax(t, s):
    scores = random.normal(size=(t, s)) * 5
    hidden = torch.ones(t, s, dtype=torch.bool).triu(s - t + 1)
    expected = torch.softmax(torch.tensor(scores).masked_fill(hidden, -inf), -1)
    ours = masked_softmax(scores.tolist())
    np.testing.assert_allclose(
        ours, expected, rtol=1e-14, atol=0
    )  # scores up to 20: 20 * 2^-52 and a few ulp of two sides
    assert (np.array(ours) == 0).tolist() == hidden.tolist()


LAYER_NORM_ROWS = {
    "random": random.normal(size=13),
    "one channel": np.array([4.2]),
    "mean 1e6": 1e6 + random.normal(size=31),
    "one huge": np.array([1e8, 1.0, -2.0, 3.0]),
    "tiny": random.normal(size=7) * 1e-9,
    "equal": np.full(5, 0.1),
}


@pytest.mark.parametrize("epsilon", [1e-5, 0.25])
@pytest.mark.parametrize("row", LAYER_NORM_ROWS.values(), ids=LAYER_NORM_ROWS.keys())
def test_layer_norm_against_60_digits(row, epsilon):
    gamma, beta = random.normal(size=len(row)), random.normal(size=len(row))
    with mpmath.workdps(60):
        exact = [mpmath.mpf(float(x)) for x in row]
        mean = mpmath.fsum(exact) / len(exact)
        variance = mpmath.fsum([(x - mean) ** 2 for x in exact]) / len(exact)
        deviation = mpmath.sqrt(variance + mpmath.mpf(epsilon))
        truth = [
            float((x - mean) / deviation * float(g) + float(b)) for x, g, b in zip(exact, gamma, beta, strict=True)
        ]
    # The second mean leaves |x - mean| right to 2^-52 of the largest entry, and six more roundings follow.
    scale = float(max(abs((x - mean) / deviation) for x in exact)) * abs(gamma).max() + abs(beta).max()
    ours = layer_norm([row.tolist()], gamma.tolist(), beta.tolist(), epsilon)[0]
    np.testing.assert_allclose(ours, truth, rtol=0, atol=8 * 2.0**-52 * scale)


def test_layer_norm_by_hand():
    # mean 4, variance ((2)^2 + 0 + (2)^2) / 3 = 8/3; with epsilon 4/3 the deviation is 2.
    out = layer_norm([[2.0, 4.0, 6.0]], [1.0, 10.0, 3.0], [0.0, 7.0, 0.5], 4 / 3)
    assert out[0] == pytest.approx([-1.0, 7.0, 3.5], rel=1e-15)


def test_layer_norm_rows_do_not_meet():
    x = random.normal(size=(4, 6))
    gamma, beta = random.normal(size=6), random.normal(size=6)
    expected = torch.nn.functional.layer_norm(torch.tensor(x), (6,), torch.tensor(gamma), torch.tensor(beta), 1e-5)
    np.testing.assert_allclose(
        layer_norm(x.tolist(), gamma.tolist(), beta.tolist(), 1e-5), expected, rtol=0, atol=1e-14
    )
