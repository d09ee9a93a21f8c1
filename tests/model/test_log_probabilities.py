"""The log-probabilities of a text are those of its rows of logits."""

import pytest

from starchart import GPT2
from starchart.engines import reference
from starchart.errors import GenerationError
from starchart.utils.log_softmax import log_probability
from starport.engines.torch_engine import TorchEngine
from tests.numpy_engine import NumpyEngine
from tests.tiny_model import write_tiny_model


@pytest.mark.parametrize("count", [1, 2, 3, 16, 17, 18, 32, 33, 34, 40])
@pytest.mark.parametrize("engine", ["reference", "packed"])
def test_the_rows_are_those_of_the_whole_text(tmp_path, count, engine):
    ids = [(7 * number) % 261 for number in range(count)]
    with GPT2.from_pretrained(write_tiny_model(tmp_path, seed=2, n_positions=40), engine, workers=1) as gpt2:
        expected = [log_probability(row, token) for row, token in zip(gpt2.logits(ids), ids[1:], strict=False)]
        assert list(gpt2.log_probabilities(ids)) == expected


@pytest.mark.parametrize("engine", [NumpyEngine(), TorchEngine(dtype="float64")], ids=["numpy", "torch"])
def test_other_engines_have_the_same(tmp_path, engine):
    ids = [(7 * number) % 261 for number in range(40)]
    folder = write_tiny_model(tmp_path, seed=2, n_positions=40)
    ours, theirs = (list(GPT2.from_pretrained(folder, by).log_probabilities(ids)) for by in (reference, engine))
    assert theirs == pytest.approx(ours, abs=1e-12)  # some hundred roundings of values of about 1 to 10


def test_a_text_that_is_too_long(tmp_path):
    gpt2 = GPT2.from_pretrained(write_tiny_model(tmp_path))
    assert len(list(gpt2.log_probabilities([1] * 17))) == 16  # after the last id nothing is predicted
    with pytest.raises(GenerationError, match="reads at most 16"):
        list(gpt2.log_probabilities([1] * 18))
