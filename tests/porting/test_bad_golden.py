"""`starchart golden` refused, interrupted, killed, or on a full disk: one line, and no half-written folder."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from starport.cli import main
from starport.commands import golden as command
from starport.conversion import destination
from starport.porting import golden, new_folder
from tests.children import started
from tests.hanging import no_hang
from tests.tiny_model import write_tiny_model

ROOT = Path(__file__).resolve().parents[2]
FORMATS = ["safetensors", "npz", "npy", "json"]


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return write_tiny_model(tmp_path_factory.mktemp("model") / "source")


def names(folder):
    return {path.name for path in folder.iterdir()}


def complaint(capsys, *arguments):
    """Return the line that a refusal consists of."""
    assert main(["golden", *map(str, arguments)]) == 2
    output = capsys.readouterr()
    lines = [line for line in output.err.splitlines() if not line.startswith("model ")]  # which model was opened
    assert (output.out, len(lines)) == ("", 1), output
    return lines[0]


@pytest.fixture
def unopened(monkeypatch):
    """Let the test fail if the model is opened."""

    def fail(*_):
        raise AssertionError("the model was opened")

    monkeypatch.setattr(command, "open_found_model", fail)


BAD = [
    (["--ids", "1,2", "--only", "h.9.attn.scores"], "--only 'h.9.attn.scores': no value of this run is called so"),
    (["--ids", "1,2", "--only", "logits", "--only", "h.0.atn.z"], "did you mean h.0.attn.z?"),
    (["--ids", "1,2", "--new", "1", "--only", "step.2/logits"], "no value of this run"),
    (["--ids", "1,2", "--only", ""], "--only ''"),
    (["--ids", "1,,2"], "--ids: '' is not a token id"),
    (["--ids", ""], "--ids: '' is not a token id"),
    (["--ids", "1;2"], "--ids: '1;2' is not a token id"),
    (["--ids", "261"], "token id 261 is not one of the model's 261"),
    (["--ids", "-1"], "token id -1 is not one of the model's 261"),
    (["--ids", ",".join("7" * 17)], "17 tokens and 0 steps do not fit: this model reads at most 16"),
    (["--ids", "1,2", "--new", "15"], "2 tokens and 15 steps do not fit"),
    (["--ids", "1,2", "--new", "-1"], "--new -1: give a whole number of steps"),
    (["--ids", "1,2", "--new", "x"], "--new: invalid int value"),
    (["--ids", "1,2", "--dtype", "f16"], "--dtype: invalid choice"),
    (["--ids", "1,2", "--format", "gguf"], "--format: invalid choice"),
    (["--ids", "1,2", "--prompt", "a"], "not allowed with argument"),
    ([], "one of the arguments --prompt --ids is required"),
]


@pytest.mark.parametrize(("options", "message"), BAD, ids=lambda value: " ".join(value)[:40] if value else "nothing")
@pytest.mark.usefixtures("unopened")
def test_bad_input_is_refused_before_the_model_is_opened(options, message, model, tmp_path, capsys):
    assert message in complaint(capsys, model, "--out", tmp_path / "out", *options)
    assert names(tmp_path) == set()


@pytest.mark.usefixtures("unopened")
def test_places_that_cannot_be_written_to(model, tmp_path, capsys):
    (tmp_path / "file").write_bytes(b"mine")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "index.json").write_text("{}")
    assert "is not empty, and nothing is overwritten" in complaint(
        capsys, model, "--ids", 1, "--out", tmp_path / "full"
    )
    for out in ("file", "file/out"):
        assert "is not a folder" in complaint(capsys, model, "--ids", 1, "--out", tmp_path / out)
    assert "--out is empty" in complaint(capsys, model, "--ids", 1, "--out", "")
    assert "--out" in complaint(capsys, model, "--ids", 1)
    assert names(tmp_path) == {"file", "full"}
    assert (tmp_path / "file").read_bytes() == b"mine"
    assert names(tmp_path / "full") == {"index.json"}


def test_models_that_will_not_do(model, tmp_path, capsys):
    out = tmp_path / "out"
    assert "no such file or folder" in complaint(capsys, tmp_path / "none", "--ids", 1, "--out", out)
    assert "the reference engine has full" in complaint(capsys, model, "--ids", 1, "--out", out, "--precision", "fast")
    bare = write_tiny_model(tmp_path / "bare")
    (bare / "vocab.json").unlink()
    (bare / "merges.txt").unlink()
    assert "vocab.json" in complaint(capsys, bare, "--prompt", "a", "--out", out)
    assert names(tmp_path) == {"bare"}
    assert main(["golden", str(bare), "--ids", "1", "--out", str(out)]) == 0  # ids need no vocabulary
    assert names(out) == {"index.json", "values.safetensors"}


@pytest.mark.usefixtures("unopened")
def test_a_configuration_that_lies(tmp_path, capsys):
    """The names of all values are listed before the model is opened: a billion blocks must not be listed."""
    for key in ("n_layer", "n_positions"):
        model = write_tiny_model(tmp_path / key)
        config = json.loads((model / "config.json").read_text(encoding="utf-8"))
        (model / "config.json").write_text(json.dumps(config | {key: 10**9}), encoding="utf-8")
        with no_hang():
            line = complaint(capsys, model, "--ids", 1, "--new", 10**9 - 1, "--out", tmp_path / "out")
        assert str(model) in line
    assert not (tmp_path / "out").exists()


def test_logits_of_which_none_is_the_largest(tmp_path, capsys):
    """A prompt's NaN are values like others; a greedy step has no token to read then."""
    model = write_tiny_model(tmp_path / "model", dtype="F64", scale=1e100)
    out = tmp_path / "out"
    assert "NaN" in complaint(capsys, model, "--ids", "1,2", "--out", out, "--new", 1)
    assert names(tmp_path) == {"model"}
    assert main(["golden", str(model), "--ids", "1,2", "--out", str(out)]) == 0


def test_a_prompt_is_tokenized(model, tmp_path):
    special = "the<|endoftext|>"
    for name, options, ids in (("plain", [], 15), ("special", ["--special"], 3)):
        assert main(["golden", str(model), "--prompt", special, "--out", str(tmp_path / name), *options]) == 0
        index = json.loads((tmp_path / name / "index.json").read_text(encoding="utf-8"))
        assert (index["prompt"], len(index["ids"])) == (special, ids)


def test_a_folder_that_is_there_and_empty(model, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    assert main(["golden", str(model), "--ids", "1", "--out", str(out), "--new", "1", "--format", "npy"]) == 0
    assert {"index.json", "logits.npy", "step.1"} <= names(out)
    assert not [name for name in names(out) if name.startswith(".")]
    assert main(["golden", str(model), "--ids", "1", "--out", str(tmp_path / "a" / "b")]) == 0
    assert names(tmp_path / "a") == {"b"}


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("exists", [False, True])
def test_ctrl_c_leaves_nothing(form, exists, model, tmp_path, monkeypatch):
    found = golden.summary
    calls = []

    def interrupted(*arguments):
        calls.append(arguments)
        if len(calls) == 5:
            raise KeyboardInterrupt
        return found(*arguments)

    monkeypatch.setattr(golden, "summary", interrupted)
    out = tmp_path / "out" if exists else tmp_path / "new" / "out"
    if exists:
        out.mkdir()
    assert main(["golden", str(model), "--ids", "1,2", "--out", str(out), "--format", form]) == 130
    assert len(calls) == 5
    assert names(tmp_path) == ({"out"} if exists else set())
    assert not exists or names(out) == set()


@pytest.mark.skipif(sys.platform == "win32", reason="no such limit")
@pytest.mark.parametrize("form", FORMATS)
def test_a_full_disk(form, model, tmp_path, capsys):
    import resource  # noqa: PLC0415  Windows has none

    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    # bytes a file: the values need more, and where each has a file of its own, the index does
    resource.setrlimit(resource.RLIMIT_FSIZE, (15_000, limits[1]))
    try:
        line = complaint(capsys, model, "--ids", "1,2", "--out", tmp_path / "out", "--new", 1, "--format", form)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert "out: cannot be written: File too large; choose another place" in line
    assert names(tmp_path) == set()


def test_too_little_room(model, tmp_path, capsys, monkeypatch):
    usage = type("usage", (), {"free": 1_000_000})
    monkeypatch.setattr(destination.shutil, "disk_usage", lambda path: usage)
    assert "GB are free on that disk; make room" in complaint(capsys, model, "--ids", 1, "--out", tmp_path / "out")
    assert names(tmp_path) == set()


def test_the_index_comes_last(model, tmp_path, monkeypatch):
    moved = []
    rename = Path.rename

    def record(path, target):
        moved.append(path.name)
        return rename(path, target)

    monkeypatch.setattr(new_folder.Path, "rename", record)
    (tmp_path / "out").mkdir()
    assert main(["golden", str(model), "--ids", "1", "--out", str(tmp_path / "out"), "--format", "npy"]) == 0
    assert moved[-1] == "index.json"
    assert len(moved) > 20


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGTERM that could be answered")
@pytest.mark.parametrize("sent", ["SIGTERM", "SIGKILL", "SIGINT"])
def test_a_program_that_is_ended_leaves_no_half_written_folder(sent, tmp_path):
    ids = ",".join(["7"] * 300)  # a run of many seconds
    paths = {"PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT)])}
    arguments = [sys.executable, "-m", "starport", "golden", "towel", "--ids", ids, "--out", tmp_path / "out"]
    with started(arguments, env={**os.environ, **paths}, stderr=subprocess.PIPE) as process:
        end = time.monotonic() + 120
        while process.poll() is None and time.monotonic() < end and not list(tmp_path.glob(".golden.*/values.*")):
            time.sleep(0.01)
        process.send_signal(getattr(signal, sent))
        _, error = process.communicate(timeout=120)
    assert process.returncode == {"SIGTERM": 143, "SIGKILL": -9, "SIGINT": 130}[sent]
    assert b"Traceback" not in error
    left = names(tmp_path)
    assert not left if sent != "SIGKILL" else all(name.startswith(".golden.") for name in left)
