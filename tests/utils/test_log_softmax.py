"""The logarithm of a probability."""

from math import inf, isfinite, nan

import pytest
import torch

from starchart.utils.log_softmax import log_probability


@pytest.mark.parametrize("scale", [1e-3, 1.0, 30.0, 1e4])
@pytest.mark.parametrize("shift", [0.0, 700.0, -1e5])
def test_a_row_equals_torch(scale, shift):
    row = scale * torch.randn(150, dtype=torch.float64, generator=torch.Generator().manual_seed(3)) + shift
    expected = row.log_softmax(-1)
    ours = torch.tensor([log_probability(row.tolist(), token) for token in range(150)], dtype=torch.float64)
    # Both subtract the largest logit, exactly to 1e-16 of it, and add up 150 terms to 1e-13 of their sum.
    assert (ours - expected).abs().max() <= 1e-13 + 2**-52 * row.abs().max()
    assert ours.max() <= 0


def test_a_certain_token():
    assert log_probability([800.0, 0.0, -5.0], 0) == 0.0
    assert log_probability([800.0, 0.0, -5.0], 2) == -805.0
    assert log_probability([7.0], 0) == 0.0


@pytest.mark.parametrize("row", [[nan, 1.0], [1.0, nan], [inf, 1.0], [1.0, inf], [1.0, -inf], [-inf, -inf]], ids=str)
def test_logits_that_are_not_finite(row):
    assert not isfinite(log_probability(row, 1))
