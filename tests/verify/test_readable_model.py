"""A model in any format can be checked: as it is if the peers can read it, else written to safetensors."""

import os
import signal
import subprocess
import sys
import tempfile

import pytest
import torch
from safetensors.torch import load_file, save_file

from starport.cli import main
from starport.verify.readable_model import WRITTEN, readable_model
from starport.verify.run_checks import run_component
from tests.children import started
from tests.house.source_tree import ROOT
from tests.tiny_model import write_tiny_model


@pytest.fixture(autouse=True)
def _own_temporary_folder(tmp_path, monkeypatch):
    """PyTorch makes a folder there too. Ours begin with tmp."""
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))


@pytest.fixture
def model(tmp_path):
    return write_tiny_model(tmp_path / "source", seed=3)


def written_in(form, model, folder):
    """Return the model in another form: a folder, or a file."""
    if form == "bin":
        torch.save(load_file(model / "model.safetensors"), model / "pytorch_model.bin")
    elif form == "bf16":
        tensors = load_file(model / "model.safetensors")
        save_file({name: tensor.bfloat16() for name, tensor in tensors.items()}, model / "pytorch_model.bin")
    if form in ("bin", "bf16"):
        os.replace(model / "pytorch_model.bin", model / f"pytorch_model.{'bin' if form == 'bin' else 'safetensors'}")
        (model / "model.safetensors").unlink()
        return model
    suffix = {"llm.c": "bin"}.get(form, form)
    place = folder / f"model.{suffix}"
    assert main(["convert", str(model), str(place), "--format", form]) == 0
    return place


@pytest.mark.parametrize("form", ["bin", "bf16", "gguf", "npz", "llm.c"])
def test_another_form_is_written_and_gone_afterwards(form, model, tmp_path):
    place = written_in(form, model, tmp_path / form)
    with readable_model(place) as (folder, told):
        assert told == WRITTEN
        assert folder.name == place.name
        for component in ("model", "tokenizer"):
            checks = list(run_component(component, folder))
            assert [check.finding for check in checks if not check.passed] == []
    assert not folder.exists()
    assert not list((tmp_path / "temporary").glob("tmp*"))


def test_the_cascade_says_so(model, tmp_path, capsys):
    place = written_in("gguf", model, tmp_path)
    capsys.readouterr()
    assert main(["compare", "--model", str(place), "--only", "embeddings"]) == 0
    assert capsys.readouterr().out.splitlines()[0] == f"model from the file {place}{WRITTEN}"


def test_safetensors_are_read_as_they_are(model):
    for place in (model, model / "model.safetensors"):
        with readable_model(place) as found:
            assert found == (model, "")


def test_a_file_that_the_peers_would_read_too_is_not_there_in_what_is_written(model):
    save_file({"transformer.wte.weight": torch.zeros(1, 1)}, model / "model-old.safetensors")
    with readable_model(model) as (folder, told):
        assert told == WRITTEN
        assert [file.name for file in folder.glob("model*.safetensors")] == ["model.safetensors"]


def test_what_cannot_be_written_is_one_line(model, tmp_path, capsys, monkeypatch):
    place = written_in("npz", model, tmp_path)
    capsys.readouterr()
    monkeypatch.setattr("shutil.disk_usage", lambda path: type("Usage", (), {"free": 0}))
    assert main(["compare", "--model", str(place), "--only", "embeddings"]) == 2
    told = capsys.readouterr()
    assert (told.out, told.err.count("\n")) == ("", 1)
    assert "are free on that disk" in told.err
    assert not list((tmp_path / "temporary").glob("tmp*"))


def test_nothing_is_left_when_it_is_terminated(model, tmp_path):
    place = written_in("npz", model, tmp_path)
    command = [sys.executable, str(ROOT / "compare.py"), "--model", str(place), "--only", "generation"]
    environment = os.environ | {"TMPDIR": str(tmp_path / "temporary"), "PYTHONUNBUFFERED": "1"}
    with started(command, stdout=subprocess.PIPE, env=environment) as run:
        assert run.stdout.readline().rstrip().endswith(WRITTEN.encode())
        assert list((tmp_path / "temporary").glob("tmp*"))
        run.send_signal(signal.SIGTERM)
        run.communicate(timeout=60)
    assert run.returncode == 128 + signal.SIGTERM
    assert not list((tmp_path / "temporary").glob("tmp*"))
