"""Shards: an index and its files, which must agree in both directions."""

import json
import struct

import pytest

from starchart.checkpoints.shards import open_shards
from starchart.checkpoints.stored_tensor import read_vector
from starchart.errors import CheckpointError
from tests.checkpoints.raw_file import entry, raw_file, write

FIRST, SECOND = "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"
TRUE_MAP = {"a": FIRST, "b": SECOND, "c": FIRST}


def write_shards(folder, weight_map=TRUE_MAP, first=("a", "c"), second=("b",)):
    """Write two shards, each of one-number tensors that hold the code of their name, and the index; return its path."""
    for file_name, names in ((FIRST, first), (SECOND, second)):
        header = {name: entry("F32", [1], 4 * i, 4 * i + 4) for i, name in enumerate(names)}
        numbers = struct.pack(f"<{len(names)}f", *map(ord, names))
        write(folder, raw_file(header, numbers), file_name)
    index = {"metadata": {"total_size": 12}, "weight_map": weight_map}
    return write(folder, json.dumps(index).encode(), "model.safetensors.index.json")


def message_of(index):
    with pytest.raises(CheckpointError) as caught:
        open_shards(index)
    assert str(caught.value).isprintable()
    return str(caught.value)


def test_tensors_of_all_shards(tmp_path):
    tensors = open_shards(write_shards(tmp_path))
    assert {name: list(read_vector(tensor)) for name, tensor in tensors.items()} == {
        "a": [97.0],
        "b": [98.0],
        "c": [99.0],
    }
    assert {name: tensor.path for name, tensor in tensors.items()} == {
        name: tmp_path / file for name, file in TRUE_MAP.items()
    }


def test_a_shard_that_goes_away_after_it_was_opened(tmp_path):
    tensors = open_shards(write_shards(tmp_path))
    (tmp_path / SECOND).unlink()
    assert list(read_vector(tensors["a"])) == [97.0]
    with pytest.raises(CheckpointError) as caught:
        read_vector(tensors["b"])
    assert str(caught.value) == f"{tmp_path / SECOND}: cannot be read: there is no such file"


def test_a_shard_is_missing(tmp_path):
    index = write_shards(tmp_path)
    (tmp_path / SECOND).unlink()
    assert message_of(index) == f"{tmp_path / SECOND}: cannot be read: there is no such file"


def test_a_shard_lies(tmp_path):
    index = write_shards(tmp_path)
    (tmp_path / SECOND).write_bytes(b"")
    assert message_of(index).startswith(f"{tmp_path / SECOND}: is empty")


def test_a_tensor_is_not_where_the_index_says(tmp_path):
    index = write_shards(tmp_path, weight_map={**TRUE_MAP, "d": SECOND})
    assert message_of(index) == f"{index}: says that tensor 'd' is in '{SECOND}', but it is not"


def test_a_tensor_is_in_another_shard(tmp_path):
    index = write_shards(tmp_path, weight_map={"a": FIRST, "b": SECOND, "c": SECOND})
    assert message_of(index) == f"{tmp_path / FIRST}: tensor 'c': should be in '{SECOND}', says {index.name}"


def test_a_tensor_is_in_two_shards(tmp_path):
    index = write_shards(tmp_path, second=("b", "c"))
    assert message_of(index) == f"{tmp_path / SECOND}: tensor 'c': is also in {FIRST}"


def test_a_tensor_is_not_in_the_index(tmp_path):
    index = write_shards(tmp_path, second=("b", "d"))
    assert message_of(index) == f"{tmp_path / SECOND}: tensor 'd': is not in {index.name}"


WAYS_OUT = [
    *("../other.safetensors", "..", ".", "", "/etc/passwd", "/model.safetensors", "sub/model.safetensors"),
    *("sub\\model.safetensors", "..\\model.safetensors", "C:model.safetensors", "C:\\model.safetensors"),
    *("\\\\host\\share\\model.safetensors", "model.safetensors:stream", "model.safetensors\0", "\ud800.safetensors"),
    *(
        "model.safetensors\n",
        "~/model.safetensors",
        "..safetensors",
        "model.pt",
        "m" * 10**6 + ".safetensors",
        "../model.bin",
        "https://example.com/a.safetensors",
    ),
]


@pytest.mark.parametrize("name", WAYS_OUT)
def test_an_index_may_not_lead_out_of_its_folder(name, tmp_path):
    outside = write_shards(tmp_path).parent / FIRST
    (tmp_path / "model").mkdir()
    (tmp_path / "other.safetensors").write_bytes(outside.read_bytes())
    index = write_shards(tmp_path / "model", weight_map={**TRUE_MAP, "a": name})
    assert "is not the name of a .safetensors or .bin file in its own folder" in message_of(index)
    assert len(message_of(index)) < 300 + len(str(index))


def test_more_tensors_than_any_model_has(tmp_path):
    index = write_shards(tmp_path, weight_map={str(n): FIRST for n in range(10_001)})
    assert message_of(index) == f"{index}: has 10001 tensors; no GPT-2 has more than 10000"


@pytest.mark.parametrize("index", [{}, {"weight_map": None}, {"weight_map": [FIRST]}, {"weight_map": {"a": 1}}])
def test_no_weight_map(index, tmp_path):
    path = write(tmp_path, json.dumps(index).encode(), "model.safetensors.index.json")
    assert message_of(path) == f"{path}: must hold a weight_map from names of tensors to names of files"


def test_an_index_that_is_not_json(tmp_path):
    path = write(tmp_path, b"<html>", "model.safetensors.index.json")
    assert message_of(path).startswith(f"{path}: cannot be read as JSON")
