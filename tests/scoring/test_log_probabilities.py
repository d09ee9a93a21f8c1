"""From logits to log-probabilities, and from a model to those of a text."""

from math import inf, nan

import pytest
import torch

from starchart import GPT2
from starchart.errors import GenerationError, ScoringError
from starport.scoring.log_probabilities import log_probabilities, log_probability
from tests.tiny_model import write_tiny_model


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
    with pytest.raises(ScoringError, match="huge weights"):
        log_probability(row, 1)


@pytest.mark.parametrize("count", [1, 2, 3, 16, 17, 18, 32, 33, 34, 40])
def test_the_rows_are_those_of_the_whole_text(tmp_path, count):
    gpt2 = GPT2.from_pretrained(write_tiny_model(tmp_path, seed=2, n_positions=40))
    ids = [(7 * number) % 261 for number in range(count)]
    rows = gpt2.logits(ids)
    assert list(log_probabilities(gpt2, ids)) == [
        log_probability(row, token) for row, token in zip(rows, ids[1:], strict=False)
    ]


def test_a_text_that_is_too_long(tmp_path):
    gpt2 = GPT2.from_pretrained(write_tiny_model(tmp_path))
    assert len(list(log_probabilities(gpt2, [1] * 17))) == 16  # after the last id nothing is predicted
    with pytest.raises(GenerationError, match="reads at most 16"):
        list(log_probabilities(gpt2, [1] * 18))
