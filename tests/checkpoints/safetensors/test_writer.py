"""The safetensors library and transformers read what we write, bit for bit."""

import json

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file

from starchart.checkpoints.safetensors.reader import open_safetensors
from starchart.checkpoints.safetensors.writer import write_safetensors
from starchart.errors import CheckpointError
from tests.checkpoints.raw_file import one_tensor, write
from tests.checkpoints.written_models import TORCH, random_model, transposed

PREFIX = "transformer."


def written(path, config, tensors, dtype):
    with path.open("wb") as file:
        write_safetensors(file, config, tensors, dtype)
    return path


@pytest.mark.parametrize("dtype", TORCH)
@pytest.mark.parametrize("source", TORCH)
def test_every_number_is_torchs(source, dtype, tmp_path):
    config, tensors, state = random_model(tmp_path, dtype=TORCH[source], n_inner=17)
    ours = load_file(written(tmp_path / "new", config, tensors, dtype))
    assert {name.removeprefix(PREFIX) for name in ours} == set(state) == set(tensors)
    for name, tensor in ours.items():
        expected = state[name.removeprefix(PREFIX)].to(TORCH[dtype])
        assert tensor.dtype == expected.dtype
        assert torch.equal(tensor, expected), name


def test_the_layout(tmp_path):
    config, tensors, _ = random_model(tmp_path, tie_word_embeddings=False)
    raw = written(tmp_path / "new", config, tensors, "F32").read_bytes()
    length = int.from_bytes(raw[:8], "little")
    assert length % 8 == 0
    header = json.loads(raw[8 : 8 + length])
    assert list(header)[:3] == ["__metadata__", "transformer.wte.weight", "transformer.wpe.weight"]
    assert list(header)[-1] == "lm_head.weight"
    with safe_open(tmp_path / "new", "pt") as file:
        assert file.metadata() == {"format": "pt"}


def test_the_order_of_the_source_does_not_matter(tmp_path):
    config, tensors, _ = random_model(tmp_path)
    backwards = dict(reversed(tensors.items()))
    first = written(tmp_path / "a", config, tensors, "F32").read_bytes()
    assert written(tmp_path / "b", config, backwards, "F32").read_bytes() == first


@pytest.mark.parametrize("dtype", ["F32", "F64"])
def test_a_source_that_is_transposed(dtype, tmp_path):
    config, tensors, _ = random_model(tmp_path, dtype=TORCH[dtype], n_inner=17)
    plain = written(tmp_path / "a", config, tensors, dtype).read_bytes()
    turned = transposed(tensors, tmp_path)
    assert sum(tensor.transposed for tensor in turned.values()) == 2 + 4 * config.n_layer
    assert written(tmp_path / "b", config, turned, dtype).read_bytes() == plain


@pytest.mark.parametrize(
    ("raw", "dtype", "words"),
    [
        ("0000c07f", "F32", r"holds nan at \[1\]"),
        ("0000807f", "F16", r"holds inf at \[1\]"),
        ("00f07f47", "F16", "holds 65520.0, which is too large for F16; BF16 and F32 hold larger numbers"),
        ("ffff7fff", "BF16", r"holds -3.4.*e\+38, which is too large for BF16; F32 holds larger numbers"),
    ],
)
def test_numbers_that_cannot_be_written(raw, dtype, words, tmp_path):
    config, tensors, _ = random_model(tmp_path)
    data = bytes(4) + bytes.fromhex(raw) + bytes(4 * 10)
    lie = open_safetensors(write(tmp_path, one_tensor("F32", [12], data, "ln_f.bias"), "lie"))["ln_f.bias"]
    tensors = {**tensors, "ln_f.bias": lie}
    with pytest.raises(CheckpointError, match=words) as caught:
        written(tmp_path / "new", config, tensors, dtype)
    assert "lie: tensor 'ln_f.bias'" in str(caught.value)


def test_a_double_that_is_too_large_for_a_float(tmp_path):
    config, tensors, _ = random_model(tmp_path)
    data = bytes(8 * 11) + bytes.fromhex("a0c8eb85f3cce17f")  # 1e308
    lie = open_safetensors(write(tmp_path, one_tensor("F64", [12], data, "ln_f.bias"), "lie"))["ln_f.bias"]
    with pytest.raises(CheckpointError, match=r"holds 1e\+308, which is too large for F32; F64 holds larger numbers"):
        written(tmp_path / "new", config, {**tensors, "ln_f.bias": lie}, "F32")
