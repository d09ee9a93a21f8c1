"""Opening a checkpoint needs little memory, and laying it out little more than the model that comes of it."""

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
def traced(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    # A file is read into a buffer of as many bytes as it may have, which the system hands out when they are touched:
    # no memory in truth, but tracemalloc counts it.
    monkeypatch.setattr("starchart.json_file.MAX_JSON_BYTES", 10_000)
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
    # What is read at once is 1/46 of this tensor, and its copies on the way are a few. A whole copy would make it 1.5.
    assert most - before < 1.2 * (kept - before)


def test_opening_reads_no_matrix(model, traced):
    load_checkpoint(model)  # what is made once for all
    before, _ = tracemalloc.get_traced_memory()
    tracemalloc.reset_peak()
    config, weights = load_checkpoint(model)
    _, most = tracemalloc.get_traced_memory()
    assert (config.n_layer, len(weights.h)) == (10, 10)
    print(most - before, (model / "model.safetensors").stat().st_size)


def test_heads_that_are_compared_are_not_there_whole(tmp_path, traced):
    model = write_tiny_model(tmp_path, n_layer=1, n_embd=24, vocab_size=20_000, tie_word_embeddings=False)
    (model / "config.json").write_text(
        (model / "config.json").read_text().replace('embeddings": false', 'embeddings": true')
    )
    load_checkpoint(model)
    before, _ = tracemalloc.get_traced_memory()
    tracemalloc.reset_peak()
    assert load_checkpoint(model)[1].lm_head is not None
    _, most = tracemalloc.get_traced_memory()
    print(most - before, (model / "model.safetensors").stat().st_size)


def test_linear_layers_are_not_there_twice(model, traced):
    config, weights = load_checkpoint(model)
    before, _ = tracemalloc.get_traced_memory()
    tracemalloc.reset_peak()
    gpt2 = GPT2(config, weights)
    kept, most = tracemalloc.get_traced_memory()
    assert gpt2.config.n_layer == 10
    print(most - before, kept - before)
