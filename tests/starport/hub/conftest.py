"""A hub with tiny models, and runs against it."""

import subprocess
import sys

import pytest

from tests.starport.hub.hub_server import running
from tests.starport.hub.runs import NEEDED, PROGRAM, SETTINGS, Runs
from tests.tiny_model import write_tiny_model


def model_files(folder, seed=5, **config):
    write_tiny_model(folder, seed=seed, n_positions=40, **config)
    return {file.name: file.read_bytes() for file in sorted(folder.iterdir())}


@pytest.fixture(scope="session")
def tiny(tmp_path_factory):
    """The files of a tiny model, and those that its makers keep beside them."""
    files = model_files(tmp_path_factory.mktemp("tiny"))
    others = ("README.md", "pytorch_model.bin", "tf_model.h5", "tokenizer.json", "onnx/model.onnx", ".gitattributes")
    return files | {name: name.encode() for name in others}


@pytest.fixture(scope="session")
def other(tmp_path_factory):
    """The files of another tiny model."""
    return model_files(tmp_path_factory.mktemp("other"), seed=6)


@pytest.fixture
def hub(tiny, other):
    revisions = {"main": tiny, "v1.0": other, "refs/pr/1": other}
    with running({"org/tiny": revisions, "distilbert/distilgpt2": {"main": other}}) as server:
        yield server


@pytest.fixture
def runs(hub, tmp_path):
    return Runs(hub, tmp_path / "home")


def story_of(files, folder):
    """Return what a model tells from a folder."""
    folder.mkdir()
    for name in NEEDED:
        (folder / name).write_bytes(files[name])
    command = [sys.executable, PROGRAM, "Hello", *SETTINGS, "--model", str(folder)]
    return subprocess.run(command, capture_output=True, check=True, timeout=60).stdout.decode()


@pytest.fixture(scope="session")
def stories(tiny, other, tmp_path_factory):
    """What the tiny model tells, and what the other one does."""
    folder = tmp_path_factory.mktemp("stories")
    told = story_of(tiny, folder / "tiny"), story_of(other, folder / "other")
    assert told[0] != told[1]
    return told
