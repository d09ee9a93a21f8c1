"""The model where --model is not given: STARCHART_MODEL, gpt2 or towel, under the name that --model takes."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from starport.cli import main
from tests.tiny_model import write_tiny_model

WHY = ", as gpt2 is not in the Hugging Face cache and cannot be downloaded: HF_HUB_OFFLINE is set"
SHORT = ["--max-new-tokens", "1", "--engine", "reference", "--seed", "7"]


@pytest.fixture
def model(tmp_path):
    return str(write_tiny_model(tmp_path / "tiny", seed=5))


@pytest.fixture(autouse=True)
def fresh_machine(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("STARCHART_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("STARCHART_MODEL", raising=False)


def put_gpt2(tmp_path):
    repository = tmp_path / "hub" / "models--openai-community--gpt2"
    write_tiny_model(repository / "snapshots" / "abc123", seed=5)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("abc123")


def generate(capsys, *arguments):
    """Return the report and the lines on standard error."""
    assert main(["generate", "Hi", *SHORT, "--json", *arguments]) == 0
    output = capsys.readouterr()
    return json.loads(output.out), output.err.splitlines()


def complaint(capsys, *arguments):
    assert main(["generate", "Hi", *SHORT, *arguments]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    return line


def test_json_has_the_name_that_the_option_takes(capsys, tmp_path):
    for name in ("towel", "gpt2"):
        default, _ = generate(capsys)
        named, _ = generate(capsys, "--model", name)
        assert default["model"] == named["model"] == name
        assert default["generated_ids"] == named["generated_ids"]
        put_gpt2(tmp_path) if name == "towel" else None
    (tmp_path / "text.txt").write_text("one")
    assert main(["score", str(tmp_path / "text.txt"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["model"] == "gpt2"


def test_the_reason_is_told_once(capsys, monkeypatch):
    told = [generate(capsys)[1] for _ in range(3)]
    short = "model towel from the box{}; reference engine; seed 7"
    assert told == [[short.format(WHY)], [short.format("")], [short.format("")]]
    monkeypatch.delenv("HF_HUB_OFFLINE")
    monkeypatch.setenv("TRANSFORMERS_OFFLINE", "1")  # another reason
    assert generate(capsys)[1] == [short.format(WHY.replace("HF_HUB", "TRANSFORMERS"))]
    assert generate(capsys, "--model", "towel")[1] == [short.format("")]


@pytest.mark.parametrize("cache", ["a file", "a folder in its place", "no cache"])
def test_where_nothing_can_be_remembered_it_is_told_again(cache, capsys, monkeypatch, tmp_path):
    if cache == "a file":
        (tmp_path / "cache").write_text("precious")
    elif cache == "a folder in its place":
        (tmp_path / "cache" / "said-about-default-model.txt").mkdir(parents=True)
    else:
        monkeypatch.setenv("STARCHART_CACHE_GB", "0")
    for _ in range(2):
        assert WHY in generate(capsys)[1][0]
    assert cache != "a file" or (tmp_path / "cache").read_text() == "precious"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with a name here")
def test_a_pipe_in_the_place_of_the_memory_does_not_hang(tmp_path):
    (tmp_path / "cache").mkdir()
    os.mkfifo(tmp_path / "cache" / "said-about-default-model.txt")
    command = [sys.executable, str(Path(__file__).resolve().parents[2] / "run_gpt2.py"), "Hi", *SHORT]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    assert WHY in done.stderr


def test_a_variable_names_the_default(capsys, monkeypatch, model, tmp_path):
    put_gpt2(tmp_path)
    monkeypatch.setenv("STARCHART_MODEL", model)
    report, (line,) = generate(capsys)
    assert report["model"] == model
    assert line == f"model tiny from the folder {model}; reference engine; seed 7"
    assert generate(capsys, "--model", "gpt2")[0]["model"] == "gpt2"
    monkeypatch.setenv("STARCHART_MODEL", "")
    assert generate(capsys)[0]["model"] == "gpt2"
    assert main(["generate", "--help"]) == 0
    assert "STARCHART_MODEL" in capsys.readouterr().out


def test_a_variable_that_is_wrong_is_named(capsys, monkeypatch, model, tmp_path):
    monkeypatch.setenv("STARCHART_MODEL", "/no/such/folder")
    line = "starchart: STARCHART_MODEL is '/no/such/folder': no such file or folder: /no/such/folder"
    assert complaint(capsys) == line
    monkeypatch.setenv("STARCHART_MODEL", "towl")
    assert complaint(capsys) == "starchart: STARCHART_MODEL is 'towl': no model 'towl'; did you mean towel?"
    monkeypatch.setenv("STARCHART_MODEL", "org/name")
    assert complaint(capsys).startswith("starchart: STARCHART_MODEL is 'org/name': no model 'org/name': there is no")
    monkeypatch.setenv("STARCHART_MODEL", model)
    assert "STARCHART_MODEL is " in complaint(capsys, "--revision", "v1")
    (tmp_path / "tiny" / "config.json").write_text("{")
    assert complaint(capsys).startswith(f"starchart: STARCHART_MODEL is {model!r}: {model}/config.json: ")
