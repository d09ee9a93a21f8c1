"""Checkpoints that TensorFlow wrote: every number, configuration, vocabulary, and the logits that it computes.

They were written by tools/write_tensorflow_fixture.py, with TensorFlow 2.21.0, from the numbers of tests/tiny_model.py.
"""

import json
import math
import shutil
import struct
from itertools import chain

import pytest
import torch

from starchart import GPT2, Tokenizer
from starchart.checkpoints.checkpoint import load_checkpoint, read_config
from starchart.checkpoints.stored_tensor import read_rows, read_vector
from starchart.checkpoints.tensorflow.bundle import read_message
from starchart.checkpoints.tensorflow.reader import open_tensorflow
from starchart.checkpoints.tensorflow.table import crc32c, read_table
from starchart.errors import CheckpointError, ConfigError, VocabularyError
from tests.checkpoints.tensorflow import table_file
from tests.checkpoints.tensorflow.samples import FIXTURES, INDEX
from tests.read_matrices import read_matrices
from tests.tiny_model import DEFAULTS, tiny_tensors, write_tiny_model

SIZES = {
    "openai": {"vocab_size": 261, "n_positions": 7, "n_embd": 12, "n_head": 3, "n_layer": 2},
    "training": {"vocab_size": 9, "n_positions": 5, "n_embd": 3, "n_head": 1, "n_layer": 1},
}
SEEDS = {"openai": 1, "training": 2}
LOGITS = json.loads((FIXTURES / "logits.json").read_text())
DTYPES = {"F32": torch.float32, "F64": torch.float64, "BF16": torch.bfloat16, "F16": torch.float16}


@pytest.fixture
def folder(tmp_path):
    return shutil.copytree(FIXTURES / "openai", tmp_path / "model")


def message_of(folder, kind=CheckpointError):
    with pytest.raises(kind) as caught:
        load_checkpoint(folder)
    assert str(caught.value).isprintable()
    return str(caught.value)


def table_in(path):
    with path.open("rb") as file:
        return read_table(file, path.stat().st_size, "example")


@pytest.mark.parametrize("name", SIZES)
def test_every_number(name):
    tensors = open_tensorflow(FIXTURES / name / INDEX)
    expected = tiny_tensors(DEFAULTS | SIZES[name], SEEDS[name], prefix="")
    assert tensors.keys() == expected.keys()
    for key, (shape, numbers) in expected.items():
        tensor = tensors[key]
        assert tensor.shape == shape
        rounded = torch.tensor(numbers).to(DTYPES[tensor.dtype]).double()
        read = chain(*read_rows(tensor)) if len(shape) == 2 else read_vector(tensor)
        assert torch.equal(torch.tensor([*read], dtype=torch.float64), rounded), key


def test_types_and_files_of_a_training():
    tensors = open_tensorflow(FIXTURES / "training" / INDEX).values()
    assert {tensor.dtype for tensor in tensors} == {"F32", "F64", "BF16", "F16"}
    names = {tensor.path.name for tensor in tensors}
    assert names == {f"model.ckpt.data-0000{shard}-of-00002" for shard in range(2)}
    assert not any("Adam" in tensor.name for tensor in tensors)
    assert b"model/wte/Adam_1" in table_in(FIXTURES / "training" / INDEX)


@pytest.mark.parametrize("name", SIZES)
def test_configuration(name):
    config = read_config(FIXTURES / name)
    assert {key: getattr(config, key) for key in SIZES[name]} == SIZES[name]
    assert config.eos_token_ids == (SIZES[name]["vocab_size"] - 1,)
    assert (config.n_inner, config.tie_word_embeddings) == (None, True)


def test_logits_are_those_of_the_same_model_in_safetensors(tmp_path):
    write_tiny_model(tmp_path, seed=1, **SIZES["openai"])
    ids = LOGITS["openai"]["ids"]
    with GPT2.from_pretrained(tmp_path) as same, GPT2.from_pretrained(FIXTURES / "openai") as gpt2:
        assert gpt2.logits(ids, last_only=False) == same.logits(ids, last_only=False)


@pytest.mark.parametrize("name", SIZES)
def test_logits_are_those_that_tensorflow_computes(name):
    with GPT2.from_pretrained(FIXTURES / name) as gpt2:
        logits = gpt2.logits(LOGITS[name]["ids"], last_only=False)
    theirs = LOGITS[name]["logits"]
    assert [len(row) for row in logits] == [len(row) for row in theirs]
    # Doubles, a few hundred operations deep, values below 20: measured 4e-15.
    assert max(math.dist(a, b) for a, b in zip(logits, theirs, strict=True)) < 1e-12


def test_the_vocabulary_is_that_of_the_other_names(folder, tmp_path):
    write_tiny_model(tmp_path / "other")
    theirs, ours = Tokenizer.from_pretrained(tmp_path / "other"), Tokenizer.from_pretrained(folder)
    text = "the one, on the <|endoftext|>"
    assert ours.encode(text, allow_special=True) == theirs.encode(text, allow_special=True)
    assert Tokenizer.from_pretrained(folder / INDEX).vocab_size == 261


def test_the_vocabulary_of_gpt2_under_openais_names(gpt2_folder, tmp_path):
    for theirs, ours in (("vocab.json", "encoder.json"), ("merges.txt", "vocab.bpe")):
        shutil.copyfile(gpt2_folder / theirs, tmp_path / ours)
    tokenizer = Tokenizer.from_pretrained(tmp_path)
    assert (tokenizer.vocab_size, tokenizer.end_of_text) == (50257, 50256)
    text = "Ships of every kind, naïve ones too:\n\t 1234567 🚀"
    assert tokenizer.encode(text) == Tokenizer.from_pretrained("gpt2").encode(text)


def test_one_file_of_the_vocabulary_is_missing(folder):
    (folder / "vocab.bpe").unlink()
    with pytest.raises(VocabularyError, match=r"no vocab\.bpe; needed are"):
        Tokenizer.from_pretrained(folder)


def test_a_whole_vocabulary_is_read_before_half_of_another(folder):
    (folder / "vocab.json").write_text("{}")
    assert Tokenizer.from_pretrained(folder).vocab_size == 261


def test_a_model_is_named_by_its_folder_or_its_index(folder):
    whole = read_matrices(load_checkpoint(folder)[1])
    assert read_matrices(load_checkpoint(folder / INDEX)[1]) == whole
    for path in [*folder.glob("model.ckpt.*")]:
        path.rename(path.with_name(path.name.replace("model.ckpt", "model-1000")))
    assert read_matrices(load_checkpoint(folder)[1]) == whole


def test_the_file_named_checkpoint_leads_nowhere(folder, tmp_path):
    shutil.copytree(FIXTURES / "training", tmp_path / "elsewhere")
    (folder / "checkpoint").write_text('model_checkpoint_path: "../elsewhere/model.ckpt"\n')
    (folder / "model.ckpt.meta").write_bytes(b"\x0a../../etc/passwd")
    assert load_checkpoint(folder)[0].n_layer == 2


def test_a_partitioned_variable(tmp_path):
    index = FIXTURES / "sliced" / INDEX
    with pytest.raises(CheckpointError) as caught:
        open_tensorflow(index)
    assert str(caught.value) == (
        f"{index}: tensor 'model/wte': is saved in slices; save it whole, from variables that are not partitioned"
    )


def test_checksums_are_those_of_tensorflow():
    data = (FIXTURES / "openai" / "model.ckpt.data-00000-of-00001").read_bytes()
    table = table_in(FIXTURES / "openai" / INDEX)
    entries = [read_message(value, "example") for name, value in table.items() if name]
    assert len(entries) == 28
    for fields in entries:
        offset, size = fields.get(4, [0])[0], fields[5][0]
        crc = crc32c(data[offset : offset + size])
        assert struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) % 2**32) == struct.pack("<I", fields[6][0])
        assert crc == table_file.crc32c(data[offset : offset + size])


@pytest.mark.parametrize(("name", "last"), [("openai", b"n"), ("training", b"o"), ("sliced", b"n")])
def test_the_tables_that_are_made_by_hand_here_are_those_of_tensorflow(name, last):
    data = (FIXTURES / name / INDEX).read_bytes()
    assert table_file.table([*table_in(FIXTURES / name / INDEX).items()], last) == data
    assert table_file.resealed(data) == data


def test_a_data_file_is_missing(folder):
    data = folder / "model.ckpt.data-00000-of-00001"
    data.unlink()
    assert message_of(folder) == (f"{data}: there is no such file; it must lie beside {INDEX}, whose numbers it holds")


def test_a_data_file_is_cut_off(folder):
    data = folder / "model.ckpt.data-00000-of-00001"
    data.write_bytes(data.read_bytes()[:-1])
    assert message_of(folder) == (
        f"{folder / INDEX}: tensor 'model/wte': ends at byte 28032 of a data file that has 28031; fetch that again"
    )


def test_an_index_of_another_name(folder):
    (folder / INDEX).rename(folder / "index.bin")
    assert message_of(folder) == (
        f"{folder / 'index.bin'}: is an index of TensorFlow; its name must end in .index, as its original name does"
    )


HPARAMS = {
    "missing": (None, "there is no such file"),
    "not JSON": ("n_vocab=5", "cannot be read as JSON"),
    "a size is missing": ('{"n_vocab": 5, "n_ctx": 4, "n_embd": 3}', "lacks n_head, n_layer"),
    "a size is none": (json.dumps({"n_vocab": 5, "n_ctx": 0, "n_embd": 4, "n_head": 2, "n_layer": 1}), "n_positions"),
    "a text": (json.dumps({"n_vocab": "5", "n_ctx": 1, "n_embd": 4, "n_head": 2, "n_layer": 1}), "'5'"),
    "heads do not divide": (
        json.dumps({"n_vocab": 5, "n_ctx": 1, "n_embd": 4, "n_head": 3, "n_layer": 1}),
        "n_embd 4 does not divide into n_head 3 heads",
    ),
}


@pytest.mark.parametrize(("text", "words"), HPARAMS.values(), ids=HPARAMS)
def test_bad_hparams(text, words, folder):
    path = folder / "hparams.json"
    path.unlink() if text is None else path.write_text(text)
    message = message_of(folder, ConfigError)
    assert message.startswith(f"{path}: ")
    assert words in message


def test_hparams_of_another_model(folder):
    (folder / "hparams.json").write_text(
        json.dumps({"n_vocab": 261, "n_ctx": 7, "n_embd": 12, "n_head": 3, "n_layer": 3})
    )
    assert "n_layer is 3, but the file has 2 blocks" in message_of(folder)
