"""The token that ends a text, if the file of the weights does not name it."""

import json
import shutil

import pytest

from starchart.checkpoints.checkpoint import read_config
from starchart.errors import ConfigError
from tests.checkpoints.llm_c.samples import TINY, llm_c_file, state_dict
from tests.checkpoints.tensorflow.samples import FIXTURES


@pytest.fixture(params=["openai", "llm.c"])
def folder(request, tmp_path):
    if request.param == "openai":
        shutil.copytree(FIXTURES / "training", tmp_path, dirs_exist_ok=True)
    else:
        (tmp_path / "model.bin").write_bytes(llm_c_file(state_dict(TINY), TINY))
    return tmp_path


@pytest.mark.parametrize(
    ("files", "ids"),
    [
        ({}, (8,)),
        ({"vocab.json": {"a": 1, "<|endoftext|>": 0}}, (0,)),
        ({"encoder.json": {"a": 1, "<|endoftext|>": 3}}, (3,)),
        ({"vocab.json": {"<|endoftext|>": 0}, "encoder.json": {"<|endoftext|>": 3}}, (0,)),
        ({"vocab.json": {"<|endoftext|>": 8}, "generation_config.json": {"eos_token_id": [1, 2]}}, (1, 2)),
        ({"vocab.json": {"<|endoftext|>": 2}, "generation_config.json": {}}, ()),
        ({"vocab.json": {"a": 1}}, (8,)),
        ({"vocab.json": {"<|endoftext|>": 9}}, (8,)),  # of another model
        ({"vocab.json": {"<|endoftext|>": -1}}, (8,)),
        ({"vocab.json": {"<|endoftext|>": True}}, (8,)),
    ],
)
def test_where_it_is_found(files, ids, folder):
    for name, values in files.items():
        (folder / name).write_text(json.dumps(values))
    assert read_config(folder).eos_token_ids == ids


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("vocab.json", "{", "cannot be read as JSON"),
        ("generation_config.json", "[]", "is not a JSON object"),
        ("generation_config.json", '{"eos_token_id": "x"}', "eos_token_id must be a number"),
    ],
)
def test_a_bad_file_is_named_once(name, text, words, folder):
    (folder / name).write_text(text)
    with pytest.raises(ConfigError, match=words) as caught:
        read_config(folder)
    assert str(caught.value).startswith(f"{folder / name}: ")
    assert str(caught.value).count(name) == 1
