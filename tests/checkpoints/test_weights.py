"""Tensors against the configuration: everything that does not fit is listed in one line, before anything is read."""

import json

import pytest

from starchart.checkpoints.checkpoint import load_checkpoint
from starchart.errors import CheckpointError
from tests.checkpoints.raw_file import entry, raw_file
from tests.read_matrices import read_matrices
from tests.tiny_model import DEFAULTS, safetensors_bytes, tiny_tensors, write_tiny_model

CONFIG = DEFAULTS | {"n_embd": 6, "n_inner": 5, "n_layer": 3, "vocab_size": 11}
WTE = "transformer.wte.weight"


def load(folder, tensors, **options):
    """Write a folder with these tensors, and a configuration that may say something else, and load it."""
    write_tiny_model(folder, **CONFIG | options)
    (folder / "model.safetensors").write_bytes(safetensors_bytes(tensors))
    return load_checkpoint(folder)


def message_of(folder, tensors, **options):
    with pytest.raises(CheckpointError) as caught:
        load(folder, tensors, **options)
    assert str(caught.value).isprintable()
    return str(caught.value).removeprefix(f"{folder / 'model.safetensors'}: ")


@pytest.fixture
def tensors():
    return tiny_tensors(CONFIG, seed=1)


@pytest.mark.parametrize("prefix", ["", "transformer."])
def test_every_tensor_is_in_its_field(prefix, tmp_path):
    options = CONFIG | {"tie_word_embeddings": False}
    tensors = tiny_tensors(options, seed=1, prefix=prefix)
    config, weights = load(tmp_path, tensors, tie_word_embeddings=False)
    assert (config.n_layer, config.feed_forward_width) == (3, 5)
    for name, (shape, numbers) in tensors.items():
        value = read_matrices(weights)
        for field in name.removeprefix("transformer.").split("."):
            value = value[int(field)] if field.isdigit() else getattr(value, field)
        rows = [value] if len(shape) == 1 else value
        assert [len(row) for row in rows] == [shape[-1]] * len(rows)
        assert [number for row in rows for number in row] == list(numbers)


def test_a_missing_tensor(tensors, tmp_path):
    del tensors["transformer.h.1.attn.c_attn.bias"]
    assert message_of(tmp_path, tensors).endswith("configuration: 1 missing: h.1.attn.c_attn.bias")


def test_blocks_that_are_hardly_there_are_not_counted(tmp_path, monkeypatch):
    monkeypatch.setattr("starchart.checkpoints.weights.tensor_shapes", None)
    vector = tiny_tensors(CONFIG, seed=1)["transformer.ln_f.bias"]
    message = message_of(tmp_path, {f"h.{n}.ln_1.w": vector for n in range(30)}, n_layer=30)
    assert message.startswith("has 30 blocks of a GPT-2, each of 12 tensors, but 30 tensors in all: 'h.0.ln_1.w', ")
    assert message.endswith("and 25 more")


def test_an_unknown_tensor(tensors, tmp_path):
    tensors["transformer.h.1.attn.q_norm"] = tensors["transformer.ln_f.bias"]
    assert message_of(tmp_path, tensors).endswith("configuration: 1 unknown: 'transformer.h.1.attn.q_norm'")


def test_a_wrong_shape(tensors, tmp_path):
    _, numbers = tensors["transformer.h.2.attn.c_attn.weight"]
    tensors["transformer.h.2.attn.c_attn.weight"] = ((18, 6), numbers)  # torch's Linear would be stored like this
    message = message_of(tmp_path, tensors)
    assert message.endswith("1 of the wrong shape: h.2.attn.c_attn.weight is [18, 6], not [6, 18]")


@pytest.mark.parametrize("shape", [(), (1,), (3, 2), (1, 6), (6, 1), (2, 3, 1)])
def test_the_number_of_axes_counts(shape, tensors, tmp_path):
    count = {(): 1, (1,): 1}.get(shape, 6)
    _, numbers = tensors["transformer.ln_f.bias"]
    tensors["transformer.ln_f.bias"] = (shape, numbers[:count])
    assert f"ln_f.bias is {list(shape)}, not [6]" in message_of(tmp_path, tensors)


@pytest.mark.parametrize("shape", [(66,), (11, 6, 1)])
def test_a_table_that_is_no_matrix(shape, tensors, tmp_path):
    _, numbers = tensors[WTE]
    tensors[WTE] = (shape, numbers)
    assert f"wte.weight is {list(shape)}" in message_of(tmp_path, tensors)


def test_everything_wrong_is_in_one_line(tensors, tmp_path):
    for name in [name for name in tensors if ".h.0." in name][:7]:
        tensors[name.replace("h.0.", "h.0.x.")] = tensors.pop(name)
    _, numbers = tensors["transformer.ln_f.bias"]
    tensors["transformer.ln_f.bias"] = ((2, 3), numbers)
    message = message_of(tmp_path, tensors)
    assert "7 missing: h.0.ln_1.weight, h.0.ln_1.bias, h.0.attn.c_attn.weight, h.0.attn.c_attn.bias" in message
    assert "7 unknown: 'transformer.h.0.x.ln_1.weight'" in message
    assert message.count("and 2 more; ") == 2
    assert message.endswith("1 of the wrong shape: ln_f.bias is [2, 3], not [6]")


@pytest.mark.parametrize("n_layer", [2, 4, 10**9, 10**4000])
def test_another_number_of_blocks_is_said_first_and_not_counted_up_to(n_layer, tensors, tmp_path):
    write_tiny_model(tmp_path, **CONFIG)
    (tmp_path / "model.safetensors").write_bytes(safetensors_bytes(tensors))
    (tmp_path / "config.json").write_text(json.dumps(CONFIG | {"n_layer": n_layer}))
    with pytest.raises(CheckpointError) as caught:
        load_checkpoint(tmp_path)
    assert "is not the model of its configuration: n_layer is" in str(caught.value)
    assert str(caught.value).endswith("but the file has 3 blocks")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"vocab_size": 50257}, "vocab_size is 50257, but wte.weight is [11, 6]"),
        ({"n_positions": 1024}, "n_positions is 1024, but wpe.weight is [16, 6]"),
        ({"n_embd": 9}, "n_embd is 9, but wte.weight is [11, 6]"),
        ({"n_inner": 24}, "n_inner is 24, but h.0.mlp.c_fc.weight is [6, 5]"),
        ({"n_inner": None}, "n_inner (4 n_embd) is 24, but h.0.mlp.c_fc.weight is [6, 5]"),
    ],
)
def test_a_contradiction_is_named_by_its_number(options, words, tensors, tmp_path):
    write_tiny_model(tmp_path, **CONFIG)
    (tmp_path / "model.safetensors").write_bytes(safetensors_bytes(tensors))
    (tmp_path / "config.json").write_text(json.dumps(CONFIG | options))
    with pytest.raises(CheckpointError) as caught:
        load_checkpoint(tmp_path)
    assert str(caught.value).endswith(f"model.safetensors: is not the model of its configuration: {words}")


def test_another_kind_of_model_is_named_as_such(tensors, tmp_path):
    numbers = tensors["transformer.ln_f.bias"]
    bert = {f"bert.encoder.layer.{n}.output.dense.bias": numbers for n in range(8)}
    message = message_of(tmp_path, bert)
    assert message.startswith("holds no blocks of a GPT-2 (h.0.ln_1.weight and so on), but 'bert.encoder.layer.0")
    assert message.endswith("and 3 more")
    assert message_of(tmp_path, {}).endswith("but no tensors at all")


@pytest.mark.parametrize("dtype", ["BOOL", "U8"])
def test_masks_are_ignored_whatever_they_hold(dtype, tmp_path):
    write_tiny_model(tmp_path, **CONFIG)
    config, weights = load_checkpoint(tmp_path)
    weights = read_matrices(weights)
    path = tmp_path / "model.safetensors"
    data = path.read_bytes()
    length = int.from_bytes(data[:8], "little")
    header, numbers = json.loads(data[8 : 8 + length]), data[8 + length :]
    end = len(numbers)
    header["transformer.h.0.attn.bias"] = entry(dtype, [1, 1, 4, 4], end, end + 16)
    header["transformer.h.0.attn.masked_bias"] = entry("F32", [], end + 16, end + 20)
    path.write_bytes(raw_file(header, numbers + bytes(16) + b"\0\0\x80\xff"))  # minus infinity
    with_masks = load_checkpoint(tmp_path)
    assert with_masks[0] == config
    assert read_matrices(with_masks[1]) == weights
