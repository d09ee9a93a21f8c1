"""Opening a checkpoint needs little more memory than the model that is opened."""

import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest

from starchart import GPT2
from starchart.checkpoints.folder import load_checkpoint
from starchart.checkpoints.safetensors import open_safetensors, read_rows
from tests.checkpoints.raw_file import one_tensor, write
from tests.tiny_model import write_tiny_model


@pytest.fixture(params=["F32", "F64"])
def model(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return write_tiny_model(tmp_path, n_layer=10, n_embd=48, vocab_size=64, dtype=request.param)


@pytest.fixture
def traced() -> Iterator[None]:
    tracemalloc.start()
    yield
    tracemalloc.stop()


@pytest.mark.parametrize(("dtype", "size"), [("F32", 4), ("F16", 2), ("BF16", 2), ("F64", 8)])
def test_a_tensor_is_not_there_twice(dtype, size, tmp_path, traced):
    path = write(tmp_path, one_tensor(dtype, [1500, 1000], bytes(1_500_000 * size)))
    with open_safetensors(path) as tensors:
        before, _ = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        rows = read_rows(tensors["a"])
        kept, most = tracemalloc.get_traced_memory()
    assert len(rows) == 1500
    # What is read at once is 1/46 of this tensor, and its copies on the way are a few. A whole copy would make it 1.5.
    assert most - before < 1.2 * (kept - before)


def test_linear_layers_are_not_there_twice(model, traced):
    config, weights = load_checkpoint(model)
    loaded, _ = tracemalloc.get_traced_memory()
    tracemalloc.reset_peak()
    gpt2 = GPT2(config, weights)
    _, most = tracemalloc.get_traced_memory()
    assert gpt2.config.n_layer == 10
    # The largest linear layer is 1/30 of this model, and there are its rows, its columns and a copy between them.
    # As measured it is 1.1, and 1.9 with all rows kept.
    assert most < 1.3 * loaded
