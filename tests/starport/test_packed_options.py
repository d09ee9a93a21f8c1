"""The packed engine on the command line: workers, the pack cache, the progress line."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from starport.cli import main
from tests.starport.terminal import run_on_terminal, screen
from tests.tiny_model import write_tiny_model

RUN_GPT2 = Path(__file__).resolve().parents[2] / "run_gpt2.py"


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return write_tiny_model(tmp_path_factory.mktemp("models") / "tiny", seed=4, n_positions=64)


@pytest.fixture
def run(tmp_path, model):
    def run_command(*arguments, program=(RUN_GPT2, "the one", "--model", model, "--seed", "5")):
        command = [sys.executable, *map(str, program), *arguments]
        variables = {
            **os.environ,
            "STARCHART_CACHE": str(tmp_path / "cache"),
            "PYTHONPATH": str(RUN_GPT2.parent / "src"),
        }
        return subprocess.run(command, capture_output=True, text=True, env=variables, timeout=60, check=False)

    return run_command


def cache_command(run, *arguments):
    return run("cache", *arguments, program=("-m", "starport"))


def test_workers_change_nothing_but_their_number(run):
    runs = [run("--json", "--workers", str(workers)) for workers in (1, 2, 3, 50)]
    reports = [json.loads(done.stdout) for done in runs]
    assert [report.pop("workers") for report in reports] == [1, 2, 3, 3]  # the model has three heads
    told = [{name: report[name] for name in ("generated_ids", "text", "fingerprint")} for report in reports]
    assert told == told[:1] * 4
    *enough, few = [done.stderr.splitlines() for done in runs]
    assert [len(lines) for lines in enough] == [1, 1, 1]  # the model
    reason = "the model has 3 attention heads, and each process needs at least one"
    assert few[0] == f"--workers 50: only 3 can be used; {reason}"


def test_a_small_model_uses_one_process(run):
    assert json.loads(run("--json").stdout)["workers"] == 1


def test_the_fingerprint_is_that_of_the_whole_row(run):
    # Greedy needs one logit and the fingerprint all of them.
    reports = [json.loads(run("--json", "--temperature", "0", "--top-k", k).stdout) for k in ("0", "1", "40")]
    assert len({report["fingerprint"] for report in reports}) == 1
    assert len({report["text"] for report in reports}) == 1


def test_the_cache_is_shown_and_cleared(run, tmp_path, model):
    assert "0.0 MB of at most 8.00 GB" in cache_command(run).stderr
    assert run("--precision", "fast").returncode == 0
    assert run("--no-pack-cache").returncode == 0
    (line,) = cache_command(run).stdout.splitlines()
    assert line.endswith(f"{model} (fast, lanes of 20 bits)")
    cleared = cache_command(run, "--clear")
    assert (cleared.returncode, cleared.stdout) == (0, "")
    assert not list((tmp_path / "cache" / "packs").iterdir())
    assert cache_command(run).stdout == ""
    assert cache_command(run, "--clear").returncode == 0


def test_a_cache_that_cannot_be_written_is_said_in_one_line(run, tmp_path):
    (tmp_path / "cache").write_text("a file")
    done = run()
    assert done.returncode == 0
    assert len(done.stderr.splitlines()) == 2
    assert "the packed model is not kept in" in done.stderr
    assert done.stdout == run("--no-pack-cache").stdout


@pytest.mark.skipif(sys.platform == "win32", reason="no pseudo-terminals")
def test_progress_is_shown_on_a_terminal(tmp_path, model):
    command = [sys.executable, RUN_GPT2, "--model", model, "--workers", "2", "--max-new-tokens", "3", "x" * 40]
    variables = {**os.environ, "STARCHART_CACHE": str(tmp_path / "cache")}
    shown, output = run_on_terminal(command, stdout=subprocess.PIPE, env=variables)
    assert output.startswith(b"x" * 40)
    lines = [line.strip() for line in shown.replace("\r", "\n").splitlines()]
    for what in ("opening it with the packed engine", "packing 0 %", "packing 8", "reading 0 %", "reading 80 %"):
        assert any(what in line for line in lines), (what, lines)
    (seed_line,) = (line for line in lines if "seed" in line)
    assert screen(shown) == [*screen(seed_line), ""]  # nothing else is left


@pytest.mark.skipif(sys.platform == "win32", reason="no pseudo-terminals")
@pytest.mark.parametrize("cache", [["--no-pack-cache"], []], ids=str)
def test_progress_leaves_the_text_on_the_same_terminal_whole(model, cache):
    """The text outgrows the model's 64 positions: 32 of them are read once more while it is being told."""
    prompt = "the one, " * 6
    options = ["--seed", "5", "--max-new-tokens", "80", "--on-full", "slide", "--workers", "2", *cache]
    command = [sys.executable, RUN_GPT2, "--model", model, *options, prompt]
    apart = subprocess.run(command, capture_output=True, timeout=60, check=True)
    together, _ = run_on_terminal(command)
    assert "reading 0 %" in together
    assert apart.stdout.startswith(prompt.encode())
    assert screen(together) == screen((apart.stderr + apart.stdout).decode().replace("\n", "\r\n"))


def complaint(capsys, *arguments):
    assert main(["cache", *arguments]) == 2
    output = capsys.readouterr()
    assert output.out == ""
    (line,) = output.err.splitlines()
    return line


@pytest.fixture
def packed(tmp_path, model, monkeypatch):
    """A cache folder with two packs."""
    monkeypatch.setenv("STARCHART_CACHE", str(tmp_path))
    for precision in ("full", "fast"):
        assert main(["generate", "the", "--model", str(model), "--max-new-tokens", "1", "--precision", precision]) == 0
    return sorted((tmp_path / "packs").iterdir())


def denying(function, denied):
    """Return `function` for whom the path `denied` is forbidden. root, which may run the tests, can read everything."""

    def deny(path=".", *arguments, **options):
        if str(path) == str(denied):
            raise PermissionError(13, "Permission denied", str(path))
        return function(path, *arguments, **options)

    return deny


@pytest.mark.parametrize(("option", "what"), [([], "read"), (["--clear"], "removed")], ids=str)
def test_a_cache_that_cannot_be_read_is_not_empty(option, what, packed, capsys, monkeypatch):
    capsys.readouterr()
    for folder in (packed[0].parent, packed[1]):
        with monkeypatch.context() as patch:
            patch.setattr(os, "listdir", denying(os.listdir, folder))
            line = f"starchart: {folder}: cannot be {what}: Permission denied; check its permissions"
            assert complaint(capsys, *option) == line
    assert len(list(packed[0].parent.iterdir())) == 2


def test_what_cannot_be_removed_is_not_said_to_be(packed, capsys, monkeypatch):
    capsys.readouterr()
    with monkeypatch.context() as patch:
        patch.setattr(os, "unlink", denying(os.unlink, "index.json"))
        line = complaint(capsys, "--clear")
    assert line.endswith("index.json: cannot be removed: Permission denied; check its permissions")
    assert main(["cache", "--clear"]) == 0
    assert not list(packed[0].parent.iterdir())


def test_a_file_in_the_place_of_the_cache(tmp_path, capsys, monkeypatch):
    (tmp_path / "packs").write_text("precious")
    monkeypatch.setenv("STARCHART_CACHE", str(tmp_path))
    for option in ([], ["--clear"]):
        assert f"{tmp_path / 'packs'}: cannot be" in complaint(capsys, *option)
    assert (tmp_path / "packs").read_text() == "precious"
