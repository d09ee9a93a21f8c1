"""Files that the gguf package writes: the same bits of every number, and of the logits in lossless types."""

import dataclasses
import json
import struct
import tracemalloc

import gguf
import numpy as np
import pytest
import torch
from gguf import GGUFValueType

from starchart import GPT2, Tokenizer
from starchart.checkpoints.checkpoint import load_checkpoint, read_config
from starchart.checkpoints.gguf.reader import open_gguf
from starchart.checkpoints.model_files import known_format
from starchart.checkpoints.stored_tensor import read_rows, read_vector
from starchart.errors import CheckpointError
from tests.checkpoints.gguf.raw_gguf import gguf_file
from tests.checkpoints.gguf.write_gguf import KINDS, TRANSPOSED, tensors, write_gguf
from tests.random_gpt2 import SIZES, write_random_gpt2
from tests.read_matrices import read_matrices
from tests.tiny_model import write_tiny_model

IDS = [1, 60, 7, 7, 33]
DTYPES = {"F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}


def logits(model, ids=IDS, engine="reference"):
    with GPT2.from_pretrained(model, engine) as gpt2:
        return gpt2.logits(ids)


@pytest.mark.parametrize(
    "sizes", [{}, {"n_head": 1, "n_inner": 7, "n_embd": 10}, {"n_layer": 1, "n_positions": 5}], ids=str
)
@pytest.mark.parametrize("kind", DTYPES)
def test_logits_are_those_of_the_safetensors_file(kind, sizes, tmp_path):
    write_random_gpt2(tmp_path / "model", seed=1, dtype=DTYPES[kind], **sizes)
    path = write_gguf(tmp_path / "model.gguf", tmp_path / "model", kind)
    assert {tensor.dtype for tensor in open_gguf(path).values()} == {kind, "F32"}
    for ids in (IDS, IDS[:1]):
        assert logits(path, ids) == logits(tmp_path / "model", ids)


@pytest.mark.parametrize("kind", ["F16", "Q8_0"])
def test_every_engine_reads_it(kind, tmp_path):
    sizes = {"n_embd": 96, "n_inner": 64, "n_positions": 40}
    path = write_gguf(tmp_path / "model.gguf", write_tiny_model(tmp_path / "model", seed=2, **sizes), kind)
    exact = logits(path)
    for engine in ("packed", "packed"):  # packed just now, and from the pack cache
        assert np.abs(np.array(logits(path, engine=engine)) - exact).max() < 1e-5
    torch_engine = pytest.importorskip("starport.engines.torch_engine").TorchEngine("cpu", "float64")
    assert np.abs(np.array(logits(path, engine=torch_engine)) - exact).max() < 1e-10


@pytest.mark.parametrize("kind", KINDS)
def test_every_number_is_that_of_the_gguf_package(kind, tmp_path):
    folder = write_tiny_model(tmp_path / "model", seed=3, n_embd=32, n_head=2, n_inner=96, tie_word_embeddings=False)
    stored = open_gguf(write_gguf(tmp_path / "model.gguf", folder, kind))
    by_file_name = {tensor.name: tensor for tensor in stored.values()}
    expected = tensors(folder)
    assert by_file_name.keys() == expected.keys()
    for name, numbers in expected.items():
        quantised = gguf.quants.quantize(numbers, KINDS[kind]) if numbers.ndim == 2 else numbers
        theirs = gguf.quants.dequantize(quantised, KINDS[kind]) if numbers.ndim == 2 else numbers
        tensor = by_file_name[name]
        if numbers.ndim == 1:
            assert read_vector(tensor).tobytes() == theirs.tobytes()
        else:
            rows = b"".join(row.tobytes() for row in read_rows(tensor))
            assert rows == np.ascontiguousarray(theirs.T if tensor.transposed else theirs).tobytes()
            assert read_rows(tensor, 1, 4) == read_rows(tensor)[1:4]


def test_names_and_shapes_are_those_of_the_safetensors_file(tmp_path):
    folder = write_tiny_model(tmp_path / "model", seed=4, n_inner=20, prefix="", tie_word_embeddings=False)
    from_gguf = open_gguf(write_gguf(tmp_path / "model.gguf", folder))
    _, ours = load_checkpoint(folder)
    _, theirs = load_checkpoint(tmp_path / "model.gguf")
    assert read_matrices(ours) == read_matrices(theirs)
    assert sum(tensor.transposed for tensor in from_gguf.values()) == 8  # four in each block
    assert all(name.endswith(TRANSPOSED) for name, tensor in from_gguf.items() if tensor.transposed)


def test_the_configuration_is_that_of_config_json(tmp_path):
    write_random_gpt2(tmp_path / "model", layer_norm_epsilon=3e-6)
    ours = read_config(write_gguf(tmp_path / "model.gguf", tmp_path / "model"))
    theirs = read_config(tmp_path / "model")
    assert (ours.feed_forward_width, ours.eos_token_ids) == (theirs.feed_forward_width, ())  # there is no vocabulary
    assert dataclasses.replace(ours, n_inner=None, eos_token_ids=(60,)) == theirs


@pytest.mark.parametrize("epsilon", [1e-5, 1e-6, 1e-12, 0.5, 0.1234567, 2**-20, 1.1754944e-38, 1e-45])
def test_epsilon_is_the_shortest_decimal_number(epsilon, tmp_path):
    write_random_gpt2(tmp_path / "model")
    entry = epsilon, GGUFValueType.FLOAT32
    path = write_gguf(
        tmp_path / "model.gguf", tmp_path / "model", metadata={"gpt2.attention.layer_norm_epsilon": entry}
    )
    assert read_config(path).layer_norm_epsilon == float(str(np.float32(epsilon)))


@pytest.mark.parametrize("kind", ["F32", "Q4_0"])
def test_a_head_that_is_a_copy_of_the_table_is_left_out(kind, tmp_path):
    folder = write_tiny_model(tmp_path / "model", n_embd=32, n_head=2)
    path = write_gguf(tmp_path / "model.gguf", folder, kind, copy_head=True)
    assert "lm_head.weight" in open_gguf(path)
    assert load_checkpoint(path)[1].lm_head is None
    assert logits(path) == logits(write_gguf(tmp_path / "without.gguf", folder, kind))


def test_a_head_of_its_own_is_used(tmp_path):
    folder = write_tiny_model(tmp_path / "model", seed=6, tie_word_embeddings=False)
    path = write_gguf(tmp_path / "model.gguf", folder)
    assert load_checkpoint(path)[1].lm_head is not None
    assert logits(path) == logits(folder)


@pytest.mark.parametrize("alignment", [8, 16, 64, 256])
def test_alignment(alignment, tmp_path):
    folder = write_tiny_model(tmp_path / "model", seed=7, n_inner=5)
    path = write_gguf(tmp_path / "model.gguf", folder, alignment=alignment)
    assert {tensor.start % alignment for tensor in open_gguf(path).values()} == {0}
    assert logits(path) == logits(folder)


def test_version_2(tmp_path):
    folder = write_tiny_model(tmp_path / "model", seed=8)
    path = write_gguf(tmp_path / "model.gguf", folder)
    data = bytearray(path.read_bytes())
    assert struct.unpack_from("<I", data, 4) == (3,)
    struct.pack_into("<I", data, 4, 2)
    path.write_bytes(data)
    assert logits(path) == logits(folder)


def test_metadata_of_every_type_are_passed_over(tmp_path):
    folder = write_tiny_model(tmp_path / "model", seed=9)
    kinds = (kind for kind in GGUFValueType if kind not in (GGUFValueType.STRING, GGUFValueType.ARRAY))
    entries = {f"test.{kind.name}": (1, kind) for kind in kinds}
    path = tmp_path / "model.gguf"
    many = {"test.texts": (["a", "\u2606", ""], GGUFValueType.ARRAY), "test.reals": ([0.5, 2.0], GGUFValueType.ARRAY)}
    write_gguf(path, folder, metadata={**entries, **many})
    assert len(entries) == 11
    assert logits(path) == logits(folder)


def test_a_folder_with_nothing_else(tmp_path):
    folder = write_tiny_model(tmp_path / "model", seed=10)
    (tmp_path / "alone").mkdir()
    path = write_gguf(tmp_path / "alone" / "some-name.gguf", folder)
    assert logits(tmp_path / "alone") == logits(path) == logits(folder)
    text = "then the other one<|endoftext|>"
    assert Tokenizer.from_pretrained(path.parent).encode(text) == Tokenizer.from_pretrained(folder).encode(text)


def test_the_content_counts_and_not_the_name(tmp_path):
    folder = write_tiny_model(tmp_path / "model", seed=11)
    path = write_gguf(tmp_path / "model.bin", folder)
    assert logits(path) == logits(folder)


def test_a_header_that_looks_like_one_of_safetensors(tmp_path):
    path = tmp_path / "model"
    path.write_bytes(gguf_file(counts=(ord("{"), 0)))  # which stands where the JSON of safetensors begins
    assert path.read_bytes()[8:9] == b"{"
    assert known_format(path).name == "GGUF"


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("gpt2.context_length", 17, r"n_positions is 17, but wpe\.weight is \[16, 12\]"),
        ("gpt2.embedding_length", 24, r"n_embd is 24, but wte\.weight is \[261, 12\]"),
        ("gpt2.block_count", 2**32 - 1, "n_layer is 4294967295, but the file has 2 blocks"),
        ("gpt2.feed_forward_length", 7, r"n_inner is 7, but h\.0\.mlp\.c_fc\.weight is \[12, 48\]"),
    ],
)
def test_metadata_that_the_tensors_contradict(key, value, words, tmp_path):
    folder = write_tiny_model(tmp_path / "model")
    path = write_gguf(tmp_path / "model.gguf", folder, metadata={key: (value, GGUFValueType.UINT32)})
    with pytest.raises(CheckpointError, match=f"is not the model of its configuration: {words}"):
        load_checkpoint(path)


@pytest.mark.parametrize("kind", ["Q8_0", "Q4_0"])
@pytest.mark.parametrize("scale", [0x7C00, 0xFC00, 0x7E00, 0xFFFF])
def test_a_scale_that_is_not_finite(kind, scale, tmp_path):
    folder = write_tiny_model(tmp_path / "model", n_embd=32, n_head=2)
    path = write_gguf(tmp_path / "model.gguf", folder, kind)
    tensor = open_gguf(path)["h.1.mlp.c_fc.weight"]  # its rows in the file are the model's columns, a block each
    data = bytearray(path.read_bytes())
    struct.pack_into("<H", data, tensor.start + 5 * (34 if kind == "Q8_0" else 18), scale)
    path.write_bytes(data)
    with pytest.raises(
        CheckpointError, match=r"'blk\.1\.ffn_up\.weight': holds (nan|inf|-inf) at \[\d+\]\[5\]; weights must"
    ):
        read_rows(open_gguf(path)["h.1.mlp.c_fc.weight"])


def test_no_matrix_is_read_when_a_file_is_opened(tmp_path):
    folder = write_tiny_model(tmp_path / "model", n_embd=96, n_layer=6, n_head=2)
    path = write_gguf(tmp_path / "model.gguf", folder, "Q8_0")
    load_checkpoint(path)  # what is made once
    tracemalloc.start()
    try:
        load_checkpoint(path)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 0.25 * path.stat().st_size


def test_the_test_files_are_not_neutral(tmp_path):
    write_random_gpt2(tmp_path / "model", seed=1)
    assert json.loads((tmp_path / "model" / "config.json").read_text())["n_embd"] == SIZES["n_embd"]
    for name, numbers in tensors(tmp_path / "model").items():
        assert len(np.unique(numbers)) > 0.9 * numbers.size, name
