"""The reference engine against transformers in float64, over every option of the family and on real sizes."""

import random

import pytest
import torch
from transformers import GPT2Config, GPT2LMHeadModel

from starchart.engines import reference
from starchart.gpt2 import GPT2
from starport.engines.torch_engine import TorchEngine
from tests.data import shared
from tests.numpy_engine import NumpyEngine
from tests.random_gpt2 import SIZES, transformers_logits, write_random_gpt2

# Both sides round every one of some thousand operations to 2^-53 of values of about 10: 1e-10 leaves room for both.
TOLERANCE = 1e-10

CONFIGS = {
    "plain": {},
    "one head, one layer": {"n_head": 1, "n_layer": 1},
    "one channel a head": {"n_embd": 5, "n_head": 5},
    "odd sizes": {"n_embd": 21, "n_head": 7, "n_layer": 3, "vocab_size": 97, "n_positions": 17},
    "narrow feed-forward": {"n_inner": 7},
    "wide feed-forward": {"n_inner": 101},
    "large epsilon": {"layer_norm_epsilon": 0.03},
    "erf gelu": {"activation_function": "gelu"},
    "gelu_pytorch_tanh": {"activation_function": "gelu_pytorch_tanh"},
    "gelu_python_tanh": {"activation_function": "gelu_python_tanh"},
    "gelu_accurate": {"activation_function": "gelu_accurate"},
    "gelu_python": {"activation_function": "gelu_python"},
    "gelu_fast": {"activation_function": "gelu_fast"},
    "relu": {"activation_function": "relu"},
    "silu": {"activation_function": "silu"},
    "swish": {"activation_function": "swish"},
    "tanh": {"activation_function": "tanh"},
    "no attention scale": {"scale_attn_weights": False},
    "scale by layer": {"scale_attn_by_inverse_layer_idx": True, "n_layer": 4},
    "scale by layer alone": {"scale_attn_by_inverse_layer_idx": True, "scale_attn_weights": False, "n_layer": 3},
    "untied head": {"tie_word_embeddings": False},
    "half precision": {"dtype": torch.float16},
    "bfloat16, untied": {"dtype": torch.bfloat16, "tie_word_embeddings": False},
    "float64": {"dtype": torch.float64},
}


def some_ids(count, vocab_size, seed=1):
    return [random.Random(seed).randrange(vocab_size) for _ in range(count)]


def largest_difference(ours, theirs):
    return (torch.tensor(ours, dtype=torch.float64) - theirs).abs().max().item()


@pytest.mark.parametrize(
    "engine", [reference, NumpyEngine(), TorchEngine(dtype="float64")], ids=["reference", "numpy", "torch"]
)
@pytest.mark.parametrize("options", CONFIGS.values(), ids=CONFIGS.keys())
def test_logits_equal_transformers(tmp_path, options, engine):
    write_random_gpt2(tmp_path, seed=len(options), **options)
    sizes = {**SIZES, **options}
    ids = some_ids(sizes["n_positions"], sizes["vocab_size"])
    expected = transformers_logits(tmp_path, ids)
    assert expected.std() > 0.1  # the model says something
    ours = GPT2.from_pretrained(tmp_path, engine=engine).logits(ids)
    assert largest_difference(ours, expected) <= TOLERANCE


def test_reorder_and_upcast_changes_no_bit(tmp_path):
    # transformers in float64 raises with it on, so its logits are computed with it off.
    write_random_gpt2(tmp_path / "on", reorder_and_upcast_attn=True)
    write_random_gpt2(tmp_path / "off", reorder_and_upcast_attn=False)
    ids = some_ids(9, SIZES["vocab_size"])
    on, off = (GPT2.from_pretrained(tmp_path / name).logits(ids) for name in ("on", "off"))
    assert on == off
    assert largest_difference(on, transformers_logits(tmp_path / "on", ids, reorder_and_upcast_attn=False)) <= TOLERANCE


def test_one_token(tmp_path):
    write_random_gpt2(tmp_path)
    assert (
        largest_difference(GPT2.from_pretrained(tmp_path).logits([7]), transformers_logits(tmp_path, [7])) <= TOLERANCE
    )


def test_tales_6m():
    folder = shared("models/tales-6m")
    ids = some_ids(12, 4096)
    assert largest_difference(GPT2.from_pretrained(folder).logits(ids), transformers_logits(folder, ids)) <= TOLERANCE


@pytest.mark.parametrize("engine", [NumpyEngine(), TorchEngine(dtype="float64")], ids=["numpy", "torch"])
def test_tales_6m_in_a_long_context(engine):
    # 512 tokens through the engines over NumPy and torch, which the first test ties to the reference engine.
    folder = shared("models/tales-6m")
    ids = some_ids(512, 4096)
    expected = transformers_logits(folder, ids)
    assert largest_difference(GPT2.from_pretrained(folder, engine=engine).logits(ids), expected) <= TOLERANCE


def test_gpt2_124m(tmp_path):
    torch.manual_seed(0)
    model = GPT2LMHeadModel(GPT2Config())
    assert sum(p.numel() for p in model.parameters()) == 124_439_808
    model.save_pretrained(tmp_path)
    ids = [464, 3290, 373]
    with torch.no_grad():
        expected = model.double().eval()(torch.tensor([ids])).logits[0]
    assert largest_difference(GPT2.from_pretrained(tmp_path).logits(ids), expected) <= TOLERANCE
