"""`starchart tokenize`: tokens and ids of a text, and the way back; one clear line for whatever goes wrong."""

import io
import json
import subprocess
import sys
from types import SimpleNamespace

import pytest

from starchart import Tokenizer
from starport.cli import main
from tests.data import ROOT
from tests.tiny_model import write_tiny_model
from tests.tokenizer.gpt2_vocabulary import CASES


@pytest.fixture(autouse=True)
def empty_folder(tmp_path, monkeypatch):
    """Keep what lies in the working directory out of it: a folder called gpt2 would win."""
    monkeypatch.chdir(tmp_path)


def tokenize(capsys, *arguments):
    """Return standard output and standard error of a run that must succeed."""
    code = main(["tokenize", *map(str, arguments)])
    output = capsys.readouterr()
    assert code == 0, output.err
    return output.out, output.err


def as_json(capsys, *arguments):
    output, errors = tokenize(capsys, *arguments, "--json")
    assert errors == ""
    return json.loads(output)


def piped(monkeypatch, data):
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(data), isatty=lambda: False))


def test_a_line_for_every_token(capsys):
    output, errors = tokenize(capsys, "Once upon a\n  'time' 🌟")
    assert output.splitlines() == [
        " 7454  'Once'",
        " 2402  ' upon'",
        "  257  ' a'",
        "  198  '\\n'",
        "  220  ' '",
        '  705  " \'"',
        " 2435  'time'",
        '    6  "\'"',
        "12520  b' \\xf0\\x9f'",
        "  234  b'\\x8c'",
        "  253  b'\\x9f'",
        "11 tokens, 22 characters, 25 bytes",
    ]
    assert errors == ""


def test_the_text_is_taken_as_it_is(capsys):
    assert as_json(capsys, r"a\n") == {"ids": [64, 59, 77], "tokens": ["a", "\\", "n"], "text": "a\\n"}
    assert tokenize(capsys, "!")[0] == "    0  '!'\n1 token, 1 character, 1 byte\n"
    assert as_json(capsys, " \n ")["text"] == " \n "
    assert json.loads(tokenize(capsys, "--json", "--", "--json")[0])["text"] == "--json"


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_there_and_back(capsys, monkeypatch, case):
    piped(monkeypatch, case["text"].encode())
    report = as_json(capsys, "-")
    assert (report["ids"], report["text"]) == (case["ids"], case["text"])
    assert len(report["tokens"]) == len(report["ids"])
    assert as_json(capsys, "--decode", json.dumps(report["ids"])) == report
    assert tokenize(capsys, "--decode", ",".join(map(str, report["ids"]))) == (case["text"] + "\n", "")


def test_standard_input_is_taken_as_it_is(capsys, monkeypatch):
    for data in (b" a\r\n\n", b"\n", b"\0"):
        piped(monkeypatch, data)
        assert as_json(capsys, "-")["text"].encode() == data


def test_tokens_are_those_of_vocab_json(capsys, gpt2_folder):
    ids = json.loads((gpt2_folder / "vocab.json").read_text(encoding="utf-8"))
    report = as_json(capsys, "Once upon\n 星")
    assert report["tokens"][:3] == ["Once", "Ġupon", "Ċ"]
    assert [ids[token] for token in report["tokens"]] == report["ids"]


def test_end_of_text_is_text_unless_it_is_special(capsys):
    assert 50256 not in as_json(capsys, "a<|endoftext|>")["ids"]
    special = as_json(capsys, "a<|endoftext|>", "--special")
    assert (special["ids"], special["tokens"]) == ([64, 50256], ["a", "<|endoftext|>"])
    assert as_json(capsys, "--decode", "64,50256") == special


def test_ids_that_end_inside_a_character(capsys):
    output, errors = tokenize(capsys, "--decode", " 12520, 234 ")
    assert output == " \ufffd\n"
    assert errors == "these tokens begin or end inside a character; its bytes are shown as U+FFFD\n"
    assert tokenize(capsys, "--decode", "4210")[1] == ""  # U+FFFD itself, whole
    output = json.loads(tokenize(capsys, "--decode", "12520,234", "--json")[0])
    assert output == {"ids": [12520, 234], "tokens": ["ĠðŁ", "Į"], "text": " \ufffd"}


def test_other_vocabularies(capsys, tmp_path, gpt2_folder):
    assert as_json(capsys, "Once", "--model", "towel")["ids"] == Tokenizer.from_pretrained("towel").encode("Once")
    folder = write_tiny_model(tmp_path / "gpt2")
    expected = Tokenizer.from_pretrained(folder).encode("the one")
    assert as_json(capsys, "the one", "--model", folder)["ids"] == expected
    assert as_json(capsys, "the one", "--model", folder / "model.safetensors")["ids"] == expected
    assert as_json(capsys, "the one", "--model", gpt2_folder)["ids"] == [1169, 530]  # no weights are needed
    assert as_json(capsys, "the one", "--model", "gpt2-xl")["ids"] == [1169, 530]
    assert as_json(capsys, "the one")["ids"] == expected  # a folder called gpt2 wins


def test_bytes_that_are_not_utf8(capsys, monkeypatch):
    piped(monkeypatch, b"abc \xe2\x98")
    assert main(["tokenize", "-"]) == 2
    message = "starchart: standard input: line 1 is not UTF-8: byte 4 is 0xe2; convert it first\n"
    assert capsys.readouterr() == ("", message)


def test_help_says_how_tokens_are_written(capsys):
    assert main(["tokenize", "--help"]) == 0
    words = " ".join(capsys.readouterr().out.split())
    assert '{"ids": [...], "tokens": [...], "text": ...}' in words
    assert '"Ġupon" for " upon"' in words


def test_from_a_bare_clone(tmp_path):
    command = [sys.executable, "-m", "starport", "tokenize", "Once upon a time", "--json"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=60, encoding="utf-8")
    assert json.loads(done.stdout)["ids"] == [7454, 2402, 257, 640]
