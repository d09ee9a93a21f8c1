"""A model folder: which files are read, and the messages for those that are missing or wrong."""

import json
import logging
import os

import pytest

from starchart.checkpoints import model_files
from starchart.checkpoints.checkpoint import load_checkpoint, open_tensors, read_config
from starchart.checkpoints.stored_tensor import rows_of
from starchart.errors import CheckpointError, ConfigError
from tests.data import shared
from tests.hanging import needs_pipes, no_hang, put_pipe
from tests.read_matrices import read_matrices
from tests.tiny_model import DEFAULTS, write_tiny_model


@pytest.fixture
def folder(tmp_path):
    return write_tiny_model(tmp_path / "model", n_layer=1)


def message_of(folder, kind=CheckpointError):
    with pytest.raises(kind) as caught:
        load_checkpoint(folder)
    assert str(caught.value).isprintable()
    return str(caught.value)


def test_config_and_weights(folder):
    config, weights = load_checkpoint(str(folder))
    assert (config.n_embd, config.eos_token_ids, len(weights.h)) == (12, (260,), 1)


@pytest.mark.parametrize("name", ["none", "x" * 5000, "a\0b", "\ud800"])
def test_no_such_folder(name, tmp_path):
    with pytest.raises(CheckpointError, match="there is no such folder or file; a model folder holds"):
        load_checkpoint(tmp_path / name)


def test_a_file_of_no_known_format(folder):
    assert message_of(folder / "config.json") == (
        f"{folder / 'config.json'}: is of no format that can be read; it begins with "
        f"{(folder / 'config.json').read_bytes()[:8]!r}"
    )


@pytest.mark.parametrize("name", ["model.safetensors", "other"])
@pytest.mark.parametrize("read", [load_checkpoint, open_tensors, read_config])
def test_a_folder_is_searched_once(read, name, folder, monkeypatch):
    (folder / "model.safetensors").rename(folder / name)
    searched = []
    search = model_files.weights_in
    monkeypatch.setattr(model_files, "weights_in", lambda folder: searched.append(folder) or search(folder))
    read(folder)
    assert searched == [folder]


def test_a_configuration_without_weights(folder):
    config = read_config(folder)
    (folder / "model.safetensors").unlink()
    assert read_config(folder) == config
    (folder / "config.json").unlink()
    with pytest.raises(CheckpointError, match="holds no weights; a model folder holds"):
        read_config(folder)


def test_a_file_of_weights_names_its_model(folder):
    assert load_checkpoint(folder / "model.safetensors")[0] == load_checkpoint(folder)[0]


def test_the_format_is_told_by_content_and_not_by_name(folder):
    whole = read_matrices(load_checkpoint(folder)[1])
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    assert read_matrices(load_checkpoint(folder)[1]) == whole


def test_the_only_file_of_weights_may_have_any_name(folder):
    (folder / "model.safetensors").rename(folder / "my-gpt2.safetensors")
    (folder / "tokenizer.bin").write_bytes(b"not weights")
    assert load_checkpoint(folder)[0].n_layer == 1
    (folder / "copy.bin").write_bytes((folder / "my-gpt2.safetensors").read_bytes())
    assert message_of(folder) == (
        f"{folder}: holds more than one file of weights: 'copy.bin', 'my-gpt2.safetensors'; give the path of one"
    )


@pytest.mark.parametrize("name", ["weights", "my-gpt2.model", "model.safetensors.backup"])
def test_the_only_file_of_weights_needs_no_suffix(name, folder):
    (folder / "model.safetensors").rename(folder / name)
    (folder / "notes").write_bytes(b"A note: {")  # the ninth byte is that of a header, the length before it is none
    (folder / ".gitattributes").write_bytes(b"")
    assert load_checkpoint(folder)[0].n_layer == 1


def test_no_config(folder):
    (folder / "config.json").unlink()
    assert message_of(folder, ConfigError).startswith(
        f"{folder}: holds no config.json; a model folder holds config.json"
    )


BAD_CONFIGS = {
    "empty": (b"", "cannot be read as JSON"),
    "not JSON": (b"n_layer: 2", "cannot be read as JSON"),
    "a list": (b"[]", "not a JSON object"),
    "not UTF-8": (b'{"a": "\xe9"}', "not UTF-8"),
    "a key twice": (b'{"n_layer": 1, "n_layer": 2}', "the name 'n_layer' appears twice"),
    "a bad value": (json.dumps(DEFAULTS | {"n_head": 5}).encode(), "n_head"),
    "another model": (json.dumps(DEFAULTS | {"model_type": "llama"}).encode(), "'llama'"),
}


@pytest.mark.parametrize(("data", "words"), BAD_CONFIGS.values(), ids=BAD_CONFIGS)
def test_a_bad_config_is_a_config_error_with_its_path(data, words, folder):
    (folder / "config.json").write_bytes(data)
    message = message_of(folder, ConfigError)
    assert message.startswith(f"{folder / 'config.json'}: ")
    assert words in message
    assert message.count("config.json") == 1


@pytest.mark.parametrize(
    ("generation_config", "ids"),
    [({"eos_token_id": 7}, (7,)), ({"eos_token_id": [3, 4]}, (3, 4)), ({"eos_token_id": None}, ()), ({}, ())],
)
def test_the_generation_config_says_where_texts_end(generation_config, ids, folder):
    (folder / "generation_config.json").write_text(json.dumps(generation_config))
    assert load_checkpoint(folder)[0].eos_token_ids == ids


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b'{"eos_token_id": "x"}', b'{"eos_token_id": true}'])
def test_a_bad_generation_config(data, folder):
    (folder / "generation_config.json").write_bytes(data)
    assert message_of(folder, ConfigError).startswith(f"{folder / 'generation_config.json'}: ")


def test_no_weights(folder):
    (folder / "model.safetensors").unlink()
    assert message_of(folder).startswith(f"{folder}: holds no weights; a model folder holds")


@pytest.mark.parametrize("name", ["tf_model.h5", "flax_model.msgpack"])
def test_another_format_is_named_with_the_way_out(name, folder):
    (folder / "model.safetensors").unlink()
    (folder / name).write_bytes(b"\x89HDF\r\n\x1a\n")
    message = message_of(folder)
    assert message.startswith(f"{folder / name}: this format is not read; convert it with transformers")
    assert "save_pretrained" in message


def test_the_single_file_is_read_before_an_index(folder):
    (folder / "model.safetensors.index.json").write_bytes(b"not JSON")
    load_checkpoint(folder)
    (folder / "model.safetensors").unlink()
    assert message_of(folder).startswith(f"{folder / 'model.safetensors.index.json'}: cannot be read as JSON")


def test_shards(folder):
    config, weights = load_checkpoint(folder)
    weights = read_matrices(weights)
    data = (folder / "model.safetensors").read_bytes()
    names = [name for name in json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")]) if name != "__metadata__"]
    (folder / "model.safetensors").rename(folder / "model-00001-of-00001.safetensors")
    weight_map = dict.fromkeys(names, "model-00001-of-00001.safetensors")
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": weight_map}))
    from_shards = load_checkpoint(folder)
    assert from_shards[0] == config
    assert read_matrices(from_shards[1]) == weights


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_a_file_that_may_not_be_read(name, folder, monkeypatch):
    ask = os.open

    def refuse(path, flags):
        if os.path.basename(path) == name:
            raise PermissionError(13, "Permission denied")
        return ask(path, flags)

    # Not by taking the permission away: the tests may run as root, who may read everything.
    monkeypatch.setattr(os, "open", refuse)
    assert message_of(folder) == f"{folder / name}: cannot be read: Permission denied"


def test_tales_6m():
    config, weights = load_checkpoint(shared("models/tales-6m"))
    assert (config.vocab_size, config.n_positions, len(weights.h)) == (4096, 512, 6)
    assert len(rows_of(weights.wte.weight)) == 4096
    rows = rows_of(weights.h[5].mlp.c_proj.weight)
    assert [len(rows), len(rows[0])] == [1024, 256]
    assert weights.lm_head is None


def test_a_shard_is_no_model(folder):
    shard = folder / "model-00001-of-00003.safetensors"
    (folder / "model.safetensors").rename(shard)
    assert message_of(shard) == f"{shard}: is one shard of 3, not a whole model; give the folder that holds them all"
    assert "one shard of 3, not a whole model; its index is missing here, fetch it" in message_of(folder)


def test_a_folder_in_the_place_of_the_weights(folder):
    (folder / "model.safetensors").rename(folder / "away.txt")
    (folder / "model.safetensors").mkdir()
    assert message_of(folder) == (
        f"{folder / 'model.safetensors'}: cannot be read: it is a folder, not a regular file;"
        " put the file of the weights in its place"
    )


def put_link(path):
    path.unlink(missing_ok=True)
    path.symlink_to("../blobs/0123")


PIPE = "it is a pipe, not a regular file"
LINK = "it is a link to '../blobs/0123', where there is no file"
ADVICE = "put the file of the weights in its place"


@needs_pipes
@pytest.mark.parametrize(("put", "fault"), [(put_pipe, PIPE), (put_link, LINK)], ids=["pipe", "link"])
@pytest.mark.parametrize("name", ["model.safetensors", "pytorch_model.bin.index.json", "mine.gguf", "config.json"])
def test_what_lies_in_the_place_of_a_file_is_named(name, put, fault, folder):
    if name != "config.json":
        (folder / "model.safetensors").unlink()
    put(folder / name)
    with no_hang():
        message = message_of(folder)
    assert message == f"{folder / name}: cannot be read: {fault}{'' if name == 'config.json' else f'; {ADVICE}'}"


@needs_pipes
def test_a_pipe_that_is_named_itself(tmp_path):
    assert message_of(put_pipe(tmp_path / "model.safetensors")).startswith(f"{tmp_path / 'model.safetensors'}: {PIPE};")


@needs_pipes
@pytest.mark.parametrize(("put", "fault"), [(put_pipe, PIPE), (put_link, LINK)], ids=["pipe", "link"])
def test_what_may_be_missing_is_ignored_with_one_line(put, fault, folder, caplog):
    put(folder / "generation_config.json")
    with caplog.at_level(logging.WARNING, "starchart"), no_hang():
        for _ in range(2):
            assert load_checkpoint(folder)[0].eos_token_ids == (DEFAULTS["eos_token_id"],)
    assert caplog.messages == [f"{folder / 'generation_config.json'}: is ignored: {fault}"]


@needs_pipes
@pytest.mark.parametrize("other", ["pytorch_model.bin", "mine.safetensors"])
def test_weights_that_come_first_and_are_no_file_are_ignored_with_one_line(other, folder, caplog):
    (folder / "model.safetensors").rename(folder / other)
    put_pipe(folder / "model.safetensors")
    with caplog.at_level(logging.WARNING, "starchart"), no_hang():
        load_checkpoint(folder)
    assert caplog.messages == [f"{folder / 'model.safetensors'}: is ignored: {PIPE}"]
