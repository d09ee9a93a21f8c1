"""The peers are independent of starchart, and agree with one another."""

import ast

import numpy as np
import pytest
import torch

from starport.verify.numpy_gpt2 import numpy_gpt2
from starport.verify.stand_ins import write_stand_in
from starport.verify.torch_gpt2 import torch_gpt2, transformers_gpt2
from tests.house.source_tree import ROOT, imports, parse
from tests.tiny_model import write_tiny_model

IDS = [5, 200, 7, 7, 31]


@pytest.mark.parametrize("name", ["byte_characters", "numpy_gpt2", "stand_ins", "torch_gpt2"])
def test_no_code_is_shared(name):
    tree = parse(ROOT / "starport" / "verify" / f"{name}.py")
    assert isinstance(tree, ast.Module)
    allowed = {"starport.verify.byte_characters.IN_ORDER"}
    assert not [
        other for other, _ in imports(tree) if other.startswith(("starchart", "starport")) and other not in allowed
    ]


@pytest.mark.parametrize(
    "options",
    [{}, {"n_head": 1}, {"activation_function": "gelu"}, {"scale_attn_by_inverse_layer_idx": True, "n_inner": 7}],
    ids=str,
)
def test_peers_agree(tmp_path, options):
    folder = write_tiny_model(tmp_path, seed=2, **options)
    runs = [numpy_gpt2(folder, IDS), torch_gpt2(folder, IDS), transformers_gpt2(folder, IDS)]
    assert list(runs[0]) == list(runs[1])
    assert set(runs[0]) - set(runs[2]) == {"h.0.attn.scores", "h.1.attn.scores"}
    for run in runs[1:]:
        for name, value in run.items():
            # Some hundred roundings of numbers of about 1 to 10.
            np.testing.assert_allclose(value.numpy(), runs[0][name], rtol=0, atol=1e-12, err_msg=name)


def test_numbers_of_40_digits_are_near_doubles_and_not_the_same(tmp_path):
    folder = write_tiny_model(tmp_path, seed=2, n_layer=1)
    exact, doubles = numpy_gpt2(folder, IDS[:2], object), numpy_gpt2(folder, IDS[:2])
    far = abs(exact["logits"] - doubles["logits"]).max()
    assert 0 < far < 1e-13


def test_a_stand_in_is_the_same_every_time_and_a_model_of_transformers(tmp_path):
    one, other = (write_stand_in(tmp_path / name, 4, tie_word_embeddings=False) for name in "ab")
    assert (one / "model.safetensors").read_bytes() == (other / "model.safetensors").read_bytes()
    torch.testing.assert_close(torch_gpt2(one, IDS)["logits"], transformers_gpt2(one, IDS)["logits"])
