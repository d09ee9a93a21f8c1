"""The head: tied to the table of tokens or not, as the file and the configuration have it."""

from array import array
from math import nan

import numpy as np
import pytest
import torch

from starchart.checkpoints import stored_tensor
from starchart.checkpoints.checkpoint import load_checkpoint
from starchart.checkpoints.stored_tensor import rows_of
from starchart.errors import CheckpointError
from tests.tiny_model import DEFAULTS, safetensors_bytes, tiny_tensors, write_tiny_model

CONFIG = DEFAULTS | {"n_embd": 6, "n_inner": 5, "n_layer": 3, "vocab_size": 11}
WTE, HEAD = "transformer.wte.weight", "lm_head.weight"


def load(folder, tensors, **options):
    """Return the weights of a folder with these tensors, and a configuration that may say something else."""
    write_tiny_model(folder, **CONFIG | options)
    (folder / "model.safetensors").write_bytes(safetensors_bytes(tensors))
    return load_checkpoint(folder)[1]


def message_of(folder, tensors, **options):
    with pytest.raises(CheckpointError) as caught:
        load(folder, tensors, **options)
    return str(caught.value).removeprefix(f"{folder / 'model.safetensors'}: ")


def numbers_of(table):
    return [number for row in rows_of(table.weight) for number in row]


def changed(tensor, place, value):
    """Return a copy of a tensor with another number at one place."""
    shape, numbers = tensor
    numbers = array("f", numbers)
    numbers[place] = value
    return shape, numbers


@pytest.fixture
def tensors():
    return tiny_tensors(CONFIG, seed=1)


def test_an_untied_head_is_a_field(tmp_path):
    tensors = tiny_tensors(CONFIG | {"tie_word_embeddings": False}, seed=1)
    weights = load(tmp_path, tensors, tie_word_embeddings=False)
    assert numbers_of(weights.lm_head) == list(tensors[HEAD][1])
    assert numbers_of(weights.wte) == list(tensors[WTE][1])


def test_an_untied_head_stays_a_field_where_it_equals_the_table(tensors, tmp_path):
    weights = load(tmp_path, tensors | {HEAD: tensors[WTE]}, tie_word_embeddings=False)
    assert numbers_of(weights.lm_head) == numbers_of(weights.wte) == list(tensors[WTE][1])


def test_an_untied_model_needs_its_head(tensors, tmp_path):
    assert message_of(tmp_path, tensors, tie_word_embeddings=False).endswith("1 missing: lm_head.weight")


def test_an_untied_model_needs_its_table(tensors, tmp_path):
    tensors[HEAD] = tensors.pop(WTE)
    assert message_of(tmp_path, tensors, tie_word_embeddings=False).endswith("1 missing: wte.weight")


def test_a_tied_model_needs_no_head(tensors, tmp_path):
    assert load(tmp_path, tensors).lm_head is None


def test_a_head_equal_to_the_table_is_tied(tensors, tmp_path):
    assert load(tmp_path, tensors | {HEAD: tensors[WTE]}).lm_head is None


def test_a_head_of_its_own_is_believed_before_the_configuration(tensors, tmp_path):
    other = changed(tensors[WTE], -1, 7.5)
    weights = load(tmp_path, tensors | {HEAD: other})
    assert numbers_of(weights.lm_head) == list(other[1])
    assert numbers_of(weights.wte) == list(tensors[WTE][1])


# The tables are compared in parts: one number apart in the first row, at the border, and in the last row.
@pytest.mark.parametrize("row", [None, 0, 1023, 1024, 2047, 2048, 2060])
def test_a_long_head_is_compared_to_its_end(row, tmp_path):
    tensors = tiny_tensors(CONFIG | {"vocab_size": 2061, "n_layer": 1}, seed=2)
    tensors[HEAD] = tensors[WTE] if row is None else changed(tensors[WTE], 6 * row + 3, 7.5)
    weights = load(tmp_path, tensors, vocab_size=2061, n_layer=1)
    assert (weights.lm_head is None) == (row is None)


@pytest.mark.parametrize("orders", ["CC", "FF", "CF", "FC"])
@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
@pytest.mark.parametrize("row", [None, 0, 1024, 6060])
def test_each_table_is_read_once_to_be_compared(row, save, orders, tmp_path, monkeypatch):
    options = CONFIG | {"vocab_size": 6061, "n_layer": 1}
    write_tiny_model(tmp_path, **options)
    tensors = {name: np.array(x, "f").reshape(shape) for name, (shape, x) in tiny_tensors(options, seed=2).items()}
    tensors[HEAD] = tensors[WTE].copy()
    if row is not None:
        tensors[HEAD][row, 3] = 7.5
    for name, order in zip((WTE, HEAD), orders, strict=True):
        tensors[name] = np.asarray(tensors[name], order=order)
    save(tmp_path / "model.npz", **tensors)
    (tmp_path / "model.safetensors").unlink()
    counts = dict.fromkeys(tensors, 0)
    read_numbers = stored_tensor._read_numbers

    def counted(file, tensor, first, count, *more):
        counts[tensor.name] += count
        return read_numbers(file, tensor, first, count, *more)

    monkeypatch.setattr(stored_tensor, "_read_numbers", counted)
    assert (load_checkpoint(tmp_path)[1].lm_head is None) == (row is None)
    assert max(counts[WTE], counts[HEAD]) <= 6061 * 6


def test_one_table_under_two_names_is_not_read(tmp_path, monkeypatch):
    options = CONFIG | {"n_layer": 1}
    write_tiny_model(tmp_path, **options)
    state = {name: torch.tensor(x).view(shape) for name, (shape, x) in tiny_tensors(options, seed=2).items()}
    torch.save(state | {HEAD: state[WTE]}, tmp_path / "pytorch_model.bin")
    (tmp_path / "model.safetensors").unlink()
    monkeypatch.setattr("starchart.checkpoints.weights.read_rows", None)
    monkeypatch.setattr("starchart.checkpoints.weights.read_parts", None, raising=False)
    assert load_checkpoint(tmp_path)[1].lm_head is None


@pytest.mark.parametrize("name", [WTE, HEAD])
def test_a_head_that_cannot_be_compared_is_refused(name, tensors, tmp_path):
    tensors[HEAD] = tensors[WTE]
    tensors[name] = changed(tensors[name], 6 * 9 + 2, nan)
    message = message_of(tmp_path, tensors)
    assert message == f"tensor '{name}': holds nan at [9][2]; weights must be finite numbers"


def test_a_tied_head_serves_as_the_missing_table(tensors, tmp_path):
    tensors[HEAD] = tensors.pop(WTE)
    weights = load(tmp_path, tensors)
    assert numbers_of(weights.wte) == list(tensors[HEAD][1])
    assert weights.lm_head is None


def test_a_tied_head_of_the_wrong_shape_is_refused(tensors, tmp_path):
    _, numbers = tensors[WTE]
    message = message_of(tmp_path, tensors | {HEAD: ((5, 6), numbers[:30])})
    assert message.endswith("lm_head.weight is [5, 6], not [11, 6]")
