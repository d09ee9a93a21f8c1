"""`gpt2.weights`: the numbers of the checkpoint by name, whatever the engine."""

import json
import os
import struct
from array import array
from collections.abc import Mapping

import pytest

from starchart.checkpoints import stored_tensor
from starchart.checkpoints.checkpoint import load_checkpoint
from starchart.engines import reference
from starchart.engines.packed.packed_engine import PackedEngine
from starchart.errors import CheckpointError
from starchart.gpt2 import GPT2
from starport.engines.torch_engine import TorchEngine
from tests.numpy_engine import NumpyEngine
from tests.read_matrices import read_matrices
from tests.tiny_model import DEFAULTS, tensor_shapes, write_tiny_model

IDS = [72, 101, 108]
ENGINES = {"reference": lambda: reference, "packed": PackedEngine, "numpy": NumpyEngine, "torch": TorchEngine}
MATRIX, VECTOR = "h.1.mlp.c_fc.weight", "h.0.ln_2.bias"


def by_hand(folder):
    """Return the tensors of model.safetensors as nested lists by name, read without starchart."""
    data = (folder / "model.safetensors").read_bytes()
    length = struct.unpack("<Q", data[:8])[0]
    tensors = {}
    for name, entry in json.loads(data[8 : 8 + length]).items():
        if name != "__metadata__":
            start, end = (8 + length + offset for offset in entry["data_offsets"])
            numbers, shape = array("f", data[start:end]).tolist(), entry["shape"]
            rows = [numbers[i : i + shape[-1]] for i in range(0, len(numbers), shape[-1])]
            tensors[name.removeprefix("transformer.")] = rows if len(shape) == 2 else numbers
    return tensors


@pytest.fixture
def folder(tmp_path):
    return write_tiny_model(tmp_path / "model", seed=4, n_inner=7)


@pytest.mark.parametrize("prefix", ["transformer.", ""])
@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("engine", ENGINES)
def test_they_are_those_of_the_file(engine, tied, prefix, tmp_path):
    folder = write_tiny_model(tmp_path, seed=4, n_inner=7, tie_word_embeddings=tied, prefix=prefix)
    with GPT2.from_pretrained(folder, ENGINES[engine]()) as gpt2:
        weights = gpt2.weights
        assert isinstance(weights, Mapping)
        assert dict(weights) == by_hand(folder)
        names = [*tensor_shapes(DEFAULTS | {"n_inner": 7, "tie_word_embeddings": tied}, "")]
        assert sorted(weights) == sorted(names)
        assert len(weights) == len(names) == 28 + (not tied)
        assert ("lm_head.weight" in weights) is not tied
        assert type(weights[MATRIX][0][0]) is type(weights[VECTOR][0]) is float


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("in_memory", [False, True])
def test_a_changed_list_changes_nothing(engine, in_memory, folder):
    config, weights = load_checkpoint(folder)
    with GPT2(config, read_matrices(weights) if in_memory else weights, ENGINES[engine]()) as gpt2:
        before = gpt2.logits(IDS)
        for name in gpt2.weights:
            value = gpt2.weights[name]
            value[0] = [9.0] * len(value[0]) if isinstance(value[0], list) else 9.0
            value.clear()
        assert dict(gpt2.weights) == by_hand(folder)
        assert gpt2.logits(IDS) == before


def test_they_are_read_only(folder):
    with pytest.raises(TypeError):
        GPT2.from_pretrained(folder).weights[VECTOR] = [0.0] * 12


def test_nothing_is_read_before_it_is_asked_for(folder, monkeypatch):
    gpt2 = GPT2.from_pretrained(folder)
    read = []
    rows = stored_tensor._read_rows
    monkeypatch.setattr(stored_tensor, "_read_rows", lambda tensor, *a: read.append(tensor.name) or rows(tensor, *a))
    assert MATRIX in gpt2.weights
    assert "nothing" not in gpt2.weights
    assert len([*gpt2.weights]) == len(gpt2.weights)
    assert repr(gpt2.weights).startswith("NamedWeights(28 tensors: wte.weight [261, 12], wpe.weight [16, 12], ")
    assert read == []
    assert len(gpt2.weights[MATRIX]) == 12
    assert read == [f"transformer.{MATRIX}"]


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("h.0.attn.c_atn.weight", r"did you mean 'h\.0\.attn\.c_attn\.weight'\?"),
        ("transformer.h.1.attn.c_proj.bias", r"did you mean 'h\.1\.attn\.c_proj\.bias'\?"),
        ("lm_head.weight", "docs/NAMES.md"),
        ("?", "no weight is called '.'; docs/NAMES.md lists the names"),
        (3, "no weight is called 3; docs/NAMES.md lists the names"),
    ],
    ids=str,
)
def test_a_name_that_no_weight_has(name, hint, folder):
    gpt2 = GPT2.from_pretrained(folder)
    with pytest.raises(KeyError, match=hint):
        gpt2.weights[name]
    assert gpt2.weights.get(name, "none") == "none"


@pytest.mark.parametrize("engine", ENGINES)
def test_a_file_that_was_changed_after_it_was_opened(engine, folder):
    path = folder / "model.safetensors"
    with GPT2.from_pretrained(folder, ENGINES[engine]()) as gpt2:
        before, vector = gpt2.logits(IDS), gpt2.weights[VECTOR]
        write_tiny_model(folder, seed=5, n_inner=7)  # of the same size, with other numbers
        os.utime(path, ns=(1, 1))
        with pytest.raises(CheckpointError, match="has changed since it was opened; open the model again"):
            gpt2.weights[MATRIX]
        path.unlink()
        with pytest.raises(CheckpointError, match="cannot be read"):
            gpt2.weights[MATRIX]
        assert gpt2.weights[VECTOR] == vector  # was read when the model was opened
        assert gpt2.logits(IDS) == before
