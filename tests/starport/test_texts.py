"""Texts with a byte-order mark, in UTF-16, or from a pipe that stays open."""

import codecs
import io
import json
import os
import subprocess
import sys
from pathlib import Path
from threading import Timer
from types import SimpleNamespace

import pytest

from starport.cli import main
from tests.children import started
from tests.tiny_model import END_OF_TEXT, write_tiny_model

RUN = [sys.executable, str(Path(__file__).resolve().parents[2] / "run_gpt2.py")]
MARK = codecs.BOM_UTF8
TALE = f"the one on the hill met the other one.\n{END_OF_TEXT}\nthe end of the tale\n"


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return str(write_tiny_model(tmp_path_factory.mktemp("models") / "tiny", seed=5, n_positions=40))


@pytest.fixture
def texts(tmp_path, monkeypatch):
    """The same tale without and with a mark, and in UTF-16."""
    monkeypatch.chdir(tmp_path)
    Path("plain.txt").write_bytes(TALE.encode())
    Path("marked.txt").write_bytes(MARK + TALE.encode())
    Path("wide.txt").write_bytes(TALE.encode("utf-16"))


def give(monkeypatch, content):
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(content), isatty=lambda: False))


def says_once(capsys, name):
    output = capsys.readouterr()
    lines = [line for line in output.err.splitlines() if "byte-order mark" in line]
    assert lines == [f"starchart: {name}: the byte-order mark at its beginning was removed; it is not part of the text"]
    return output.out


def test_a_prompt_with_a_mark(monkeypatch, capsys, model):
    give(monkeypatch, MARK + b"the one\r\n")
    assert main(["generate", "--model", model, "--max-new-tokens", "1", "--json"]) == 0
    assert json.loads(says_once(capsys, "standard input"))["prompt"] == "the one"
    give(monkeypatch, "the one".encode("utf-16"))
    assert main(["generate", "--model", model]) == 2
    assert capsys.readouterr().err == "starchart: standard input: is UTF-16 text; convert it to UTF-8\n"


def test_tokens_of_a_text_with_a_mark(monkeypatch, capsys, model):
    def tokens(*arguments):
        assert main(["tokenize", *arguments, "--model", model, "--json"]) == 0
        return json.loads(capsys.readouterr().out)

    plain = tokens("the one")
    give(monkeypatch, MARK + b"the one")
    assert tokens("-") == plain
    assert tokens("\ufeffthe one")["text"] == "\ufeffthe one"  # an argument is taken as it is
    give(monkeypatch, "the one".encode("utf-16"))
    assert main(["tokenize", "-", "--model", model]) == 2
    assert capsys.readouterr().err == "starchart: standard input: is UTF-16 text; convert it to UTF-8\n"


def test_a_file_that_is_read_twice_is_named_once(capsys, tmp_path):
    folder = write_tiny_model(tmp_path / "marked", seed=5)
    (folder / "config.json").write_bytes(MARK + (folder / "config.json").read_bytes())
    assert main(["generate", "the", "--model", str(folder), "--max-new-tokens", "1"]) == 0
    says_once(capsys, folder / "config.json")


def test_a_score_of_texts_with_marks(monkeypatch, capsys, model, texts):
    def score(name):
        assert main(["score", name, "--model", model, "--json"]) == 0
        report = json.loads(capsys.readouterr().out)
        return {key: report[key] for key in ("documents", "bytes", "tokens", "log_likelihood")}

    plain = score("plain.txt")
    assert score("marked.txt") == plain
    give(monkeypatch, MARK + TALE.encode())
    assert score("-") == plain
    Path("middle.txt").write_bytes(TALE.encode().replace(b"the end", MARK + b"the end", 1))
    assert score("middle.txt")["bytes"] == plain["bytes"] + 3
    assert main(["score", "plain.txt", "marked.txt", "--model", model]) == 0
    says_once(capsys, "marked.txt")
    assert main(["score", "wide.txt", "--model", model]) == 2
    assert capsys.readouterr().err == "starchart: wide.txt: is UTF-16 text; convert it to UTF-8\n"


def test_the_line_of_a_fault_counts_from_the_file(capsys, model, tmp_path):
    (tmp_path / "bad.txt").write_bytes(MARK + b"one\n\xe9")
    assert main(["score", str(tmp_path / "bad.txt"), "--model", model]) == 2
    assert "line 2 is not UTF-8: byte 7 is 0xe9" in capsys.readouterr().err


def test_a_vocabulary_from_texts_with_marks(monkeypatch, capsys, texts):
    def files(*names):
        out = f"vocabulary-{len(list(Path().iterdir()))}"
        assert main(["train-tokenizer", *names, "--out", out, "--vocab-size", "900"]) == 0
        return [Path(out, name).read_bytes() for name in ("vocab.json", "merges.txt")]

    plain, twice = files("plain.txt"), files("plain.txt", "plain.txt")
    assert plain != twice
    assert files("marked.txt") == plain
    says_once(capsys, "marked.txt")
    assert files("plain.txt", "marked.txt") == twice
    give(monkeypatch, MARK + TALE.encode())
    assert files("-") == plain
    give(monkeypatch, TALE.encode())
    assert files("plain.txt", "-") == twice
    capsys.readouterr()
    assert main(["train-tokenizer", "plain.txt", "wide.txt", "--out", "new"]) == 2
    assert capsys.readouterr().err == "starchart: wide.txt: is UTF-16 text; convert it to UTF-8\n"


def test_standard_input_that_has_no_vocabulary_in_it(monkeypatch, capsys, tmp_path):
    for content, words in ((b"", "no pair of characters occurs 2 times in standard input"), (b"\xff", "line 1")):
        give(monkeypatch, content)
        assert main(["train-tokenizer", "-", "--out", str(tmp_path / "new")]) == 2
        assert words in capsys.readouterr().err
    monkeypatch.setattr(sys, "stdin", None)
    assert main(["train-tokenizer", "-", "--out", str(tmp_path / "new")]) == 2
    assert "standard input is closed; give files of text" in capsys.readouterr().err
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("arguments", [[], ["-"]], ids=str)
def test_a_pipe_that_stays_open_is_named(model, arguments):
    command = [*RUN, *arguments, "--model", model, "--max-new-tokens", "1", "--json"]
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    with started(command, **pipes) as running:
        ending = Timer(60, running.kill)  # so that the test ends if nothing is printed
        ending.start()
        assert running.stderr.readline() == b"reading standard input until it ends; or give the prompt as an argument\n"
        output, errors = running.communicate(b"the one\n", timeout=60)
        ending.cancel()
    assert json.loads(output)["prompt"] == "the one"
    assert errors.count(b"\n") == 1


def test_a_pipe_with_a_prompt_in_it_is_read_without_a_word(model):
    command = [*RUN, "--model", model, "--max-new-tokens", "1", "--seed", "1"]
    done = subprocess.run(command, input=b"the one\n", capture_output=True, env=os.environ, check=True, timeout=60)
    assert b"standard input" not in done.stderr
    assert done.stderr.count(b"\n") == 1
