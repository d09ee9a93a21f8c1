"""Files that transformers and safetensors write, read back bit for bit; and the same decisions as in transformers."""

import json
import logging
import warnings

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import GPT2Config, GPT2LMHeadModel, GPT2Model

from starchart.checkpoints.checkpoint import load_checkpoint
from tests.random_gpt2 import SIZES, write_random_gpt2
from tests.read_matrices import read_matrices

DTYPES = {"F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16, "F64": torch.float64}
HEAD, WTE = "lm_head.weight", "transformer.wte.weight"


def flat(weights, name):
    """Return the numbers of the tensor with transformers' name."""
    value = read_matrices(weights)
    for field in name.removeprefix("transformer.").split("."):
        value = value[int(field)] if field.isdigit() else getattr(value, field)
    return torch.tensor(
        [list(row) for row in value] if hasattr(value[0], "__len__") else list(value), dtype=torch.float64
    )


def assert_same_bits(weights, state):
    """Compare every tensor with torch's, as doubles: each of the four formats is a subset of them."""
    assert len(state) > 20
    for name, tensor in state.items():
        assert torch.equal(flat(weights, name), tensor.to(torch.float64)), name


def state_of(folder):
    """Return the tensors as the safetensors library reads them."""
    return {name: t for file in folder.glob("*.safetensors") for name, t in load_file(file).items()}


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_dtype_bit_for_bit(dtype, tmp_path):
    write_random_gpt2(tmp_path, seed=3, dtype=DTYPES[dtype], n_inner=7)
    config, weights = load_checkpoint(tmp_path)
    assert (config.n_embd, config.feed_forward_width) == (12, 7)
    assert read_matrices(weights).wte.weight[0].typecode == ("d" if dtype == "F64" else "f")
    state = state_of(tmp_path)
    assert {tensor.dtype for tensor in state.values()} == {DTYPES[dtype]}
    assert_same_bits(weights, state)


def test_tensors_of_several_dtypes_in_one_file(tmp_path):
    write_random_gpt2(tmp_path, seed=4)
    state = state_of(tmp_path)
    mixed = {name: tensor.to(list(DTYPES.values())[n % 4]) for n, (name, tensor) in enumerate(state.items())}
    save_file(mixed, tmp_path / "model.safetensors")
    assert_same_bits(load_checkpoint(tmp_path)[1], mixed)


@pytest.mark.parametrize("dtype", ["F32", "BF16"])
def test_shards(dtype, tmp_path):
    model = GPT2LMHeadModel(GPT2Config(**SIZES)).to(DTYPES[dtype])
    model.save_pretrained(tmp_path, max_shard_size="4KB")
    assert len(list(tmp_path.glob("model-*.safetensors"))) > 2
    assert not (tmp_path / "model.safetensors").exists()
    assert_same_bits(load_checkpoint(tmp_path)[1], state_of(tmp_path))


def test_names_without_the_prefix(tmp_path):
    torch.manual_seed(5)
    GPT2Model(GPT2Config(**SIZES)).save_pretrained(tmp_path)
    state = state_of(tmp_path)
    assert "wte.weight" in state
    assert_same_bits(load_checkpoint(tmp_path)[1], state)


def test_an_untied_head(tmp_path):
    write_random_gpt2(tmp_path, seed=6, tie_word_embeddings=False)
    state = state_of(tmp_path)
    assert HEAD in state
    assert_same_bits(load_checkpoint(tmp_path)[1], state)


# What becomes of the head: a change to the tensors of a tied model.
HEADS = {
    "absent": lambda state: state,
    "equal to wte": lambda state: {**state, HEAD: state[WTE].clone()},
    "different from wte": lambda state: {**state, HEAD: state[WTE] + 1.0},
    "in place of wte": lambda state: {HEAD if name == WTE else name: tensor for name, tensor in state.items()},
}


@pytest.mark.parametrize("change", HEADS.values(), ids=HEADS)
def test_the_head_of_a_tied_model_as_transformers_takes_it(change, tmp_path, caplog):
    write_random_gpt2(tmp_path, seed=7)
    save_file(change(state_of(tmp_path)), tmp_path / "model.safetensors", metadata={"format": "pt"})
    with caplog.at_level(logging.CRITICAL), warnings.catch_warnings(action="ignore"):
        theirs = GPT2LMHeadModel.from_pretrained(tmp_path)
    _, weights = load_checkpoint(tmp_path)
    tied = theirs.lm_head.weight is theirs.transformer.wte.weight
    assert (weights.lm_head is None) == tied
    assert torch.equal(flat(weights, WTE), theirs.transformer.wte.weight.double())
    assert torch.equal(flat(weights, WTE if tied else HEAD), theirs.lm_head.weight.double())


@pytest.mark.parametrize(
    "generation", [None, {}, {"eos_token_id": 7}, {"eos_token_id": [3, 4]}, {"eos_token_id": None}]
)
@pytest.mark.parametrize("eos", [5, None])
def test_end_of_text_as_transformers_takes_it(generation, eos, tmp_path):
    write_random_gpt2(tmp_path, seed=8)
    values = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(values | {"eos_token_id": eos}))
    (tmp_path / "generation_config.json").unlink()
    if generation is not None:
        (tmp_path / "generation_config.json").write_text(json.dumps(generation))
    theirs = GPT2LMHeadModel.from_pretrained(tmp_path).generation_config.eos_token_id
    expected = () if theirs is None else tuple(theirs) if isinstance(theirs, list) else (theirs,)
    assert load_checkpoint(tmp_path)[0].eos_token_ids == expected


def test_the_single_file_is_read_before_shards_as_transformers_does(tmp_path):
    torch.manual_seed(9)
    model = GPT2LMHeadModel(GPT2Config(**SIZES))
    model.save_pretrained(tmp_path, max_shard_size="4KB")
    single = tmp_path / "single"
    write_random_gpt2(single, seed=10)
    (single / "model.safetensors").rename(tmp_path / "model.safetensors")
    theirs = GPT2LMHeadModel.from_pretrained(tmp_path).transformer.wte.weight
    assert not torch.equal(theirs, model.transformer.wte.weight)
    assert torch.equal(flat(load_checkpoint(tmp_path)[1], WTE), theirs.double())
