"""--engine torch on the command line."""

import json
import sys

import pytest

from starport.cli import main
from tests.tiny_model import write_tiny_model


@pytest.fixture
def model(tmp_path):
    return str(write_tiny_model(tmp_path / "tiny", seed=4, n_positions=64))


def report(capsys, *arguments):
    assert main(["generate", "the one on", "--seed", "3", "--json", *arguments]) == 0
    return json.loads(capsys.readouterr().out)


def test_it_tells_what_the_reference_engine_tells(model, capsys):
    ours = report(capsys, "--model", model, "--engine", "torch", "--precision", "float64")
    theirs = report(capsys, "--model", model, "--engine", "reference")
    assert ours["generated_ids"] == theirs["generated_ids"]
    assert (ours["engine"], ours["precision"], ours["workers"]) == ("torch", "float64", 1)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_narrow_numbers_have_other_fingerprints(precision, model, capsys):
    wide = report(capsys, "--model", model, "--engine", "torch", "--precision", "float64")
    narrow = report(capsys, "--model", model, "--engine", "torch", "--precision", precision, "--device", "cpu")
    assert narrow["fingerprint"] != wide["fingerprint"]
    assert narrow["precision"] == precision


def test_float32_is_what_it_computes_in(model, capsys):
    assert report(capsys, "--model", model, "--engine", "torch")["precision"] == "float32"


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (["--engine", "torch", "--precision", "full"], "the torch engine has float32, float64, bfloat16"),
        (["--engine", "packed", "--precision", "float32"], "the packed engine has full, fast"),
        (["--engine", "torch", "--workers", "2"], "the torch engine computes in one process"),
        (["--engine", "torch", "--device", "cuda:8"], "there is no device 'cuda:8' here; there is cpu"),
        (["--device", "cpu"], "--device cpu: the packed engine has none"),
    ],
)
def test_what_an_engine_does_not_have(options, complaint, model, capsys):
    assert main(["generate", "Hi", "--model", model, *options]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert complaint in line


def test_without_torch(model, capsys, monkeypatch):
    for name in [name for name in sys.modules if name.startswith("starport.engines")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "torch", None)
    assert main(["generate", "Hi", "--model", model, "--engine", "torch"]) == 2
    assert "--engine torch: there is no torch here; `pip install torch`" in capsys.readouterr().err
