"""`starchart score` as a program: what it prints, and one clear line for every error."""

import io
import json
import os
import subprocess
import sys
from math import exp, fsum, isclose, log
from pathlib import Path
from types import SimpleNamespace

import pytest

from starport.cli import main
from starport.terminal import console
from tests.hanging import needs_pipes, no_hang
from tests.scoring.transformers_score import transformers_score
from tests.starport.terminal import run_on_terminal
from tests.tiny_model import END_OF_TEXT, write_tiny_model

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = ["The fox met\r\nthe hound on the hill.", "caf\u00e9"]
TEXT = f"\n{DOCUMENTS[0]}\r\n{END_OF_TEXT}\r\n{END_OF_TEXT}\n {DOCUMENTS[1]} \n".encode()


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return write_tiny_model(tmp_path_factory.mktemp("tiny"), seed=5)


@pytest.fixture
def text(tmp_path):
    file = tmp_path / "tale.txt"
    file.write_bytes(TEXT)
    return str(file)


def report(capsys, *arguments):
    assert main(["score", *map(str, arguments), "--json"]) == 0
    output = capsys.readouterr().out
    assert output.count("\n") == 1
    return json.loads(output)


def complaint(capsys, *arguments):
    """Return the one line that a refusal consists of."""
    assert main(["score", *map(str, arguments)]) == 2
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.count("\n") == 1, output.err
    return output.err


@pytest.mark.parametrize("options", [[], ["--context", "9"], ["--stride", "5"], ["--context", "8", "--stride", "3"]])
def test_json_equals_transformers(capsys, model, text, options):
    given = dict(zip(options[::2], map(int, options[1::2]), strict=True))
    context = given.get("--context", 16)
    stride = given.get("--stride", context - 1)
    tokens, count, likelihood = transformers_score(model, DOCUMENTS, context, stride)
    found = report(capsys, text, "--model", model, "--engine", "reference", *options)
    assert (found["documents"], found["tokens"], found["bytes"]) == (2, tokens, count)
    for name, value in {
        "log_likelihood": likelihood,
        "perplexity": exp(-likelihood / tokens),
        "bits_per_byte": -likelihood / log(2) / count,
    }.items():
        assert isclose(found[name], value, rel_tol=1e-9), name
    assert {name: found["recipe"][name] for name in ("context", "stride", "precedes", "precedes_id")} == {
        "context": context, "stride": stride, "precedes": END_OF_TEXT, "precedes_id": 260,
    }  # fmt: skip


def test_json_says_what_was_done(capsys, model, text):
    found = report(capsys, text, "--model", model, "--precision", "fast", "--workers", "2")
    assert (found["model"], found["engine"], found["precision"], found["workers"]) == (str(model), "packed", "fast", 2)
    assert set(found["seconds"]) == {"load", "score"}
    (alone,) = found["files"]
    assert alone.pop("file") == text
    assert alone == {name: found[name] for name in alone}
    assert {"documents", "counted", "log_likelihood", "perplexity", "bits_per_byte"} < set(found["recipe"])


def test_engines_agree(capsys, model, text):
    packed = report(capsys, text, "--model", model)
    reference = report(capsys, text, "--model", model, "--engine", "reference")
    assert (packed["engine"], reference["engine"]) == ("packed", "reference")
    # The packed engine rounds: see tests/scoring/test_against_transformers.py.
    assert isclose(packed["log_likelihood"], reference["log_likelihood"], rel_tol=1e-7)
    assert packed["log_likelihood"] != reference["log_likelihood"]


def test_several_files_and_their_sum(capsys, model, text, tmp_path):
    second = tmp_path / "b.txt"
    second.write_text("x")
    found = report(capsys, text, second, "--model", model)
    rows = found["files"]
    assert [row["file"] for row in rows] == [text, str(second)]
    assert [row["documents"] for row in rows] == [2, 1]
    assert (rows[1]["bytes"], rows[1]["tokens"]) == (1, 1)
    for name in ("documents", "bytes", "tokens"):
        assert found[name] == sum(row[name] for row in rows)
    assert found["log_likelihood"] == fsum(row["log_likelihood"] for row in rows)
    assert isclose(found["perplexity"], exp(-found["log_likelihood"] / found["tokens"]), rel_tol=1e-14)
    assert rows[0]["log_likelihood"] == report(capsys, text, "--model", model)["log_likelihood"]


def test_the_table(capsys, model, text, tmp_path):
    second = tmp_path / "b.txt"
    second.write_text("x")
    found = report(capsys, text, second, "--model", model)
    assert main(["score", text, str(second), "--model", str(model)]) == 0
    output = capsys.readouterr()
    table, sentences = output.out.split("\n\n")
    lines = table.splitlines()
    assert len({len(line) for line in lines}) == 1  # columns that stand one below the other
    for line, name, row in zip(lines[1:], [text, str(second), "all"], [*found["files"], found], strict=True):
        assert line.split() == [
            name,
            *(str(row[key]) for key in ("documents", "bytes", "tokens")),
            f"{row['log_likelihood']:.3f}", "nats",
            f"{row['perplexity']:.6g}",
            f"{row['bits_per_byte']:.4f}",
        ]  # fmt: skip
    assert f"exp(-log-likelihood / {found['tokens']} tokens)" in sentences
    assert f"-log-likelihood / ln 2 / {found['bytes']} bytes" in sentences
    assert "at most 16 tokens" in sentences
    assert "15 apart" in sentences
    assert "<|endoftext|> (id 260), which is not counted" in sentences
    assert output.err.endswith("packed engine\n")
    assert main(["score", text, "--model", str(model)]) == 0
    assert len(capsys.readouterr().out.partition("\n\n")[0].splitlines()) == 2  # one file has no row for all


def test_standard_input(capsys, monkeypatch, model, text):
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(TEXT)))
    found = report(capsys, "-", "--model", model)
    assert found["files"][0]["file"] == "-"
    assert found["log_likelihood"] == report(capsys, text, "--model", model)["log_likelihood"]
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(b"ab\n\xff")))
    assert "standard input: line 2 is not UTF-8" in complaint(capsys, "-", "--model", model)
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(b"")))
    assert "standard input: contains no text" in complaint(capsys, "-", "--model", model)
    monkeypatch.setattr(sys, "stdin", None)
    assert "standard input is closed; give files" in complaint(capsys, "-", "--model", model)


def test_a_bad_recipe_is_refused_before_the_weights_are_read(capsys, text, tmp_path):
    folder = write_tiny_model(tmp_path / "m")
    (folder / "model.safetensors").unlink()
    assert "stride" in complaint(capsys, text, "--model", folder, "--stride", "99")
    assert "holds no weights" in complaint(capsys, text, "--model", folder)


def test_a_vocabulary_without_end_of_text(capsys, text, tmp_path):
    folder = write_tiny_model(tmp_path / "m")
    ids = json.loads((folder / "vocab.json").read_text(encoding="utf-8"))
    del ids[END_OF_TEXT]
    (folder / "vocab.json").write_text(json.dumps(ids), encoding="utf-8")
    assert "the vocabulary has no <|endoftext|>" in complaint(capsys, text, "--model", folder)


def test_a_vocabulary_of_another_model(capsys, text, tmp_path):
    folder = write_tiny_model(tmp_path / "m", vocab_size=500)
    assert "do not belong together" in complaint(capsys, text, "--model", folder)


@pytest.mark.parametrize("engine", ["packed", "reference"])
def test_weights_so_large_that_the_numbers_overflow(capsys, text, tmp_path, engine):
    folder = write_tiny_model(tmp_path / "m", dtype="F64", scale=1e160)
    assert main(["score", text, "--model", str(folder), "--engine", engine]) == 2
    output = capsys.readouterr()
    assert output.out == ""
    assert "huge weights" in output.err.splitlines()[-1]


def test_a_perplexity_beyond_floats(capsys, text, tmp_path):
    folder = write_tiny_model(tmp_path / "m", scale=1000.0)
    found = report(capsys, text, "--model", folder, "--engine", "reference")
    assert found["log_likelihood"] / found["tokens"] < -710
    assert found["perplexity"] is None
    assert found["bits_per_byte"] > 710
    assert main(["score", text, "--model", str(folder), "--engine", "reference"]) == 0
    assert " inf " in capsys.readouterr().out


@pytest.mark.skipif(sys.platform == "win32", reason="no pseudo-terminals")
def test_progress_is_shown_on_a_terminal(tmp_path, model):
    name = "tale.txt"
    (tmp_path / name).write_text("x y z " * 50)  # 300 tokens: several to a percent
    command = [sys.executable, "-m", "starport", "score", name, "--model", str(model), "--workers", "1"]
    variables = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT)])}
    shown, output = run_on_terminal(command, stdout=subprocess.PIPE, env=variables, cwd=tmp_path)
    assert b"bits per byte" in output
    assert "opening it with the packed engine" in shown
    steps = [step.strip() for step in shown.split("\r") if "scoring" in step]
    assert steps[0].startswith(f"scoring {name}: ")
    percents = [int(step.rpartition(": ")[2].removesuffix(" %")) for step in steps]
    assert percents == sorted(set(percents))  # each is written once
    assert percents[-1] > 90
    assert "reading" not in shown.partition("scoring")[2]
    assert shown.rstrip(" ").endswith("\r")  # the line is empty in the end


def test_what_takes_long_says_how_far_it_is_where_there_is_no_terminal(capsys, monkeypatch, model, tmp_path):
    text = tmp_path / "tale.txt"
    text.write_text("x y z " * 50)
    assert main(["score", str(text), "--model", str(model)]) == 0
    quick = capsys.readouterr()
    assert len(quick.err.splitlines()) == 1  # the model
    monkeypatch.setattr(console, "SECONDS_APART", 0.0)
    assert main(["score", str(text), "--model", str(model)]) == 0
    slow = capsys.readouterr()
    assert slow.out == quick.out
    lines = [line for line in slow.err.splitlines() if line.startswith("scoring")]
    assert lines[0] == f"scoring {text}: 0 %"
    assert lines[-1] == f"scoring {text}: 99 %"
    seconds = iter(range(0, 10**6, 10))  # ten between two questions
    monkeypatch.setattr(console, "SECONDS_APART", 500.0)
    monkeypatch.setattr(console.time, "monotonic", lambda: next(seconds))
    assert main(["score", str(text), "--model", str(model)]) == 0
    rare = [line for line in capsys.readouterr().err.splitlines() if line.startswith("scoring")]
    assert 3 <= len(rare) <= 7  # 300 updates in 3000 seconds and a few
    assert set(rare) < set(lines)


@needs_pipes
def test_a_text_may_be_a_pipe(capsys, model, text):
    expected = report(capsys, text, "--model", model)["files"]
    reader, writer = os.pipe()  # as a shell makes for <(...)
    os.write(writer, Path(text).read_bytes())
    os.close(writer)
    with no_hang():
        found = report(capsys, f"/dev/fd/{reader}", "--model", model)["files"]
    os.close(reader)
    assert [file | {"file": ""} for file in found] == [file | {"file": ""} for file in expected]
