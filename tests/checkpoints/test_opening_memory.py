"""Opening a checkpoint needs little memory; preparing it needs little more than the prepared model."""

import json
import tracemalloc
from array import array
from collections.abc import Iterator
from pathlib import Path

import pytest

from starchart import GPT2
from starchart.checkpoints.checkpoint import load_checkpoint
from starchart.checkpoints.safetensors.reader import open_safetensors
from starchart.checkpoints.stored_tensor import read_rows
from tests.checkpoints.raw_file import one_tensor, write
from tests.tiny_model import DEFAULTS, safetensors_bytes, tiny_tensors, write_tiny_model


@pytest.fixture(params=["F32", "F64"])
def model(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return write_tiny_model(tmp_path, n_layer=10, n_embd=48, vocab_size=64, dtype=request.param)


@pytest.fixture
def traced(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    # A file is read into a buffer of as many bytes as it may have, which the system hands out when they are touched:
    # it is not really used, but tracemalloc counts it.
    monkeypatch.setattr("starchart.files.json_file.MAX_JSON_BYTES", 10_000)
    tracemalloc.start()
    yield
    tracemalloc.stop()


@pytest.mark.parametrize(("dtype", "size"), [("F32", 4), ("F16", 2), ("BF16", 2), ("F64", 8)])
def test_a_tensor_is_not_there_twice(dtype, size, tmp_path, traced):
    tensor = open_safetensors(write(tmp_path, one_tensor(dtype, [1500, 1000], bytes(1_500_000 * size))))["a"]
    before, _ = tracemalloc.get_traced_memory()
    tracemalloc.reset_peak()
    rows = read_rows(tensor)
    kept, most = tracemalloc.get_traced_memory()
    assert len(rows) == 1500
    # What is read at once is 1/46 of this tensor, and a few temporary copies are made. A whole copy would make it 1.5.
    assert most - before < 1.2 * (kept - before)


def test_opening_reads_no_matrix(model, traced):
    before, _ = tracemalloc.get_traced_memory()
    config, weights = load_checkpoint(model)
    _, most = tracemalloc.get_traced_memory()
    assert (config.n_layer, len(weights.h)) == (10, 10)
    # The header and the vectors: a fifteenth of the file in float64, a seventh in float32. The matrices are the rest.
    assert most - before < 0.25 * (model / "model.safetensors").stat().st_size


def test_tables_that_are_compared_are_not_there_whole(tmp_path, traced):
    write_tiny_model(tmp_path, n_layer=1, n_embd=24)
    (tmp_path / "config.json").write_text(json.dumps(DEFAULTS | {"n_layer": 1, "n_embd": 24, "vocab_size": 40_000}))
    tensors = tiny_tensors(DEFAULTS | {"n_layer": 1, "n_embd": 24}, seed=1)
    tensors["transformer.wte.weight"] = (40_000, 24), array("f", bytes(4 * 24 * 40_000))
    tensors["lm_head.weight"] = (40_000, 24), array("f", bytes(4 * 24 * 40_000 - 4)) + array("f", [1.0])
    (tmp_path / "model.safetensors").write_bytes(safetensors_bytes(tensors))
    before, _ = tracemalloc.get_traced_memory()
    tracemalloc.reset_peak()
    assert load_checkpoint(tmp_path)[1].lm_head is not None
    _, most = tracemalloc.get_traced_memory()
    # 1024 rows of each, which is a fortieth of the tables, twice for the temporary copies.
    assert most - before < 4 * 24 * 40_000 / 4


def test_linear_layers_are_not_there_twice(model, traced):
    config, weights = load_checkpoint(model)
    before, _ = tracemalloc.get_traced_memory()
    tracemalloc.reset_peak()
    gpt2 = GPT2(config, weights)
    kept, most = tracemalloc.get_traced_memory()
    assert gpt2.config.n_layer == 10
    # The largest linear layer is 1/30 of this model, and there are its rows, its columns and a copy between them.
    # As measured it is 1.06, and 1.9 with all rows kept.
    assert most - before < 1.3 * (kept - before)
