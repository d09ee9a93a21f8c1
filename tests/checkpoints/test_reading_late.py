"""Matrices are read when an engine prepares them: the values at that time, and errors for wrong ones."""

import os
import struct
from functools import partial
from math import inf, nan

import pytest

from starchart.checkpoints.checkpoint import load_checkpoint
from starchart.checkpoints.stored_tensor import read_rows
from starchart.engines.packed.packed_engine import PackedEngine
from starchart.engines.packed.process_group import ProcessGroup
from starchart.errors import CheckpointError
from starchart.gpt2 import GPT2
from tests.hanging import needs_pipes, no_hang, put_pipe
from tests.tiny_model import DEFAULTS, tensor_shapes, write_tiny_model

CONFIG = DEFAULTS | {"n_layer": 1, "n_inner": 5, "vocab_size": 11, "tie_word_embeddings": False}
SHAPES = tensor_shapes(CONFIG)
MATRICES = [name for name, shape in SHAPES.items() if len(shape) == 2]
VECTORS = [name for name, shape in SHAPES.items() if len(shape) == 1]


@pytest.fixture
def folder(tmp_path):
    return write_tiny_model(tmp_path / "model", seed=1, **CONFIG)


def spoil(folder, name, index, value):
    """Write `value` over one number of a tensor in the file. The tensors lie in it in the order of SHAPES."""
    path = folder / "model.safetensors"
    data = bytearray(path.read_bytes())
    sizes = {tensor: shape[0] * (shape[1] if len(shape) == 2 else 1) for tensor, shape in SHAPES.items()}
    first = list(SHAPES).index(name)
    start = 8 + int.from_bytes(data[:8], "little") + 4 * sum(list(sizes.values())[:first])
    struct.pack_into("<f", data, start + 4 * index, value)
    path.write_bytes(data)


def message_of(ask, *arguments):
    with pytest.raises(CheckpointError) as caught:
        ask(*arguments)
    assert str(caught.value).isprintable()
    return str(caught.value)


@pytest.mark.parametrize("value", [nan, inf, -inf])
@pytest.mark.parametrize("name", MATRICES)
def test_a_matrix_that_is_not_finite_is_refused_by_the_engine(name, value, folder):
    row, column = SHAPES[name][0] - 1, 2
    spoil(folder, name, row * SHAPES[name][1] + column, value)
    load_checkpoint(folder)  # the matrices are not read yet
    assert message_of(GPT2.from_pretrained, folder) == (
        f"{folder / 'model.safetensors'}: tensor '{name}': holds {value} at [{row}][{column}]; "
        "weights must be finite numbers"
    )


@pytest.mark.parametrize("name", VECTORS)
def test_a_vector_that_is_not_finite_is_refused_at_once(name, folder):
    spoil(folder, name, 4, nan)
    assert message_of(load_checkpoint, folder) == (
        f"{folder / 'model.safetensors'}: tensor '{name}': holds nan at [4]; weights must be finite numbers"
    )


def test_a_file_that_goes_away_before_the_matrices_are_read(folder):
    config, weights = load_checkpoint(folder)
    (folder / "model.safetensors").unlink()
    words = "cannot be read: there is no such file"
    assert message_of(GPT2, config, weights) == f"{folder / 'model.safetensors'}: {words}"


def test_a_file_that_becomes_shorter_before_the_matrices_are_read(folder):
    config, weights = load_checkpoint(folder)
    path = folder / "model.safetensors"
    os.truncate(path, path.stat().st_size - 1)
    assert message_of(GPT2, config, weights) == f"{path}: has changed since it was opened; open the model again"


@needs_pipes
@pytest.mark.parametrize("workers", [None, 1, 2])
def test_a_pipe_in_the_place_of_the_file_hangs_no_engine(workers, folder):
    config, weights = load_checkpoint(folder)
    path = put_pipe(folder / "model.safetensors")
    with no_hang():
        message = message_of(GPT2, config, weights, *([] if workers is None else [PackedEngine(workers=workers)]))
    assert message == f"{path}: cannot be read: it is a pipe, not a regular file"


@needs_pipes
def test_a_pipe_in_the_place_of_the_file_hangs_no_worker(folder):
    tensor = load_checkpoint(folder)[1].wte.weight
    path = put_pipe(folder / "model.safetensors")
    group = ProcessGroup([partial(tuple), partial(read_rows, tensor)])  # this process reads nothing
    try:
        with no_hang():
            message = message_of(group.call, "__call__")
    finally:
        group.close()
    assert message == f"{path}: cannot be read: it is a pipe, not a regular file"
