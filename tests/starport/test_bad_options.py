"""Bad options and arguments of the commands: one line that says what is wrong, exit code 2, and no file written."""

import io
import os
import sys
from types import SimpleNamespace

import pytest

from starport.cli import main
from tests.data import ROOT
from tests.tiny_model import END_OF_TEXT, write_tiny_model

FILES = {
    "tale.txt": b"the one on the hill met the other one",
    "empty.txt": b"",
    "separators.txt": f"\n{END_OF_TEXT}\r\n \n".encode(),
    "latin.txt": b"one\ncaf\xe9 caf\xe9\n",
    "abc.txt": b"abc",
}
TOO_LONG = "9" * 5000  # digits: more than Python converts
ONE_PROCESS = "--workers 2: the reference engine computes in one process"
NOTHING_GIVEN = "give one of: a text, - for standard input, or --decode IDS"

# command: (its arguments, how the line begins after "starchart: ", or with "..." before it what the line contains)
CASES = {
    "": [
        ([], "the following arguments are required: COMMAND; --help lists the options"),
        (["genrate"], "no command 'genrate'; did you mean generate?"),
        (["train_tokenizer"], "no command 'train_tokenizer'; did you mean train-tokenizer?"),
        (["comp"], "no command 'comp'; did you mean compare?"),
        (["walk"], "no command 'walk'; --help lists the commands"),
        (["It's late."], """no command "It's late."; to continue a text: starchart generate 'It'"'"'s late.'"""),
        (["--hepl"], "no option '--hepl'; did you mean --help?"),
    ],
    "generate": [
        (["--temperature", "-1"], "--temperature -1.0 is not allowed: give 0 for the most probable token"),
        (["--temperature", "nan"], "--temperature nan is not allowed"),
        (["--temperature", "warm"], "...warm"),
        (["--top-k", "-3"], "--top-k -3 is not a whole number"),
        (["--top-p", "0"], "--top-p 0.0 is not above 0"),
        (["--top-p", "1.5"], "--top-p 1.5 is not above 0 and at most 1: use 1"),
        (["--seed", str(1 << 64)], f"--seed {1 << 64} is not"),
        (["--max-new-tokens", "0"], "--max-new-tokens must be a whole number of at least 1, not 0"),
        (["--max-new-tokens", TOO_LONG], "argument --max-new-tokens"),
        (["--stop", ""], "--stop '' is empty; give a text of at least one character"),
        (["--on-full", "wrap"], "...wrap"),
        (["--engine", "warp"], "...warp"),
        (["--precision", "half"], "...half"),
        (["--engine", "reference", "--precision", "fast"], "--precision fast: the reference engine has full"),
        (["--engine", "reference", "--workers", "2"], ONE_PROCESS),
        (["--workers", "0"], "--workers 0: it must be at least 1"),
        (["--frobnicate"], "no option '--frobnicate'; --help lists the options"),
        (["--modle", "towel"], "no option '--modle'; did you mean --model?"),
        (["--Modle=towel"], "no option '--Modle'; did you mean --model?"),
        (["--max_tokens", "5"], "no option '--max-tokens'; did you mean --max-new-tokens?"),
        (["--top", "5"], "no option '--top'; did you mean --top-k or --top-p?"),
        (["--temp=1"], "no option '--temp'; did you mean --temperature?"),
        (["--lr"], "no option '--lr'; --help lists the options"),
        (["one", "two"], "...two"),
        (["--model"], "...--model"),
        (["--model", "no/such/folder"], "...no/such/folder"),
        (["--model", ""], "no such file or folder: ''"),
        (["--model", str(ROOT / "run_gpt2.py")], "...is of no format that can be read"),
        (["Hi", "--model", "a\0b"], r"no model 'a\x00b'"),  # a shell cannot pass NUL, a program can
        (
            ["x" * 41],
            "the prompt has 41 tokens and this model reads at most 40; shorten it, or let it read only the last part"
            " with --on-full slide",
        ),
    ],
    "score": [
        (["none.txt"], "none.txt: cannot be read: there is no such file"),
        (["."], ".: cannot be read: it is a folder, not a regular file"),
        ([""], "...cannot be read"),
        (["a\0b"], "...cannot be read"),
        (["tale.txt", "tale.txt"], "tale.txt: is given twice"),
        ([], "...FILE"),
        (["tale.txt", "empty.txt"], "empty.txt: contains no text"),
        (["tale.txt", "separators.txt"], "separators.txt: contains no text"),
        (["tale.txt", "latin.txt"], "latin.txt: line 2 is not UTF-8"),
        (["tale.txt", "--context", "41"], "--context 41: it must be at most 40"),
        (["tale.txt", "--context", "1"], "--context 1: it must be at least 2"),
        (["tale.txt", "--context", "wide"], "...wide"),
        (["tale.txt", "--context", "2.5"], "...2.5"),
        (["tale.txt", "--context", TOO_LONG], "argument --context"),
        (["tale.txt", "--stride", "40"], "--stride 40: it must be from 1 to 39"),
        (["tale.txt", "--stride", "0"], "--stride 0: it must be from 1 to 39"),
        (["tale.txt", "--context", "4", "--stride", "4"], "--stride 4: it must be from 1 to 3"),
        (["tale.txt", "--engine", "warp"], "...warp"),
        (
            ["tale.txt", "--engine", "reference", "--precision", "fast"],
            "--precision fast: the reference engine has full",
        ),
        (["tale.txt", "--engine", "reference", "--workers", "2"], ONE_PROCESS),
        (["tale.txt", "--workers", "0"], "--workers 0: it must be at least 1"),
        (["tale.txt", "--model", "no/such/folder"], "...no/such/folder"),
        (["tale.txt", "--model", "towl"], "no model 'towl' (--model); did you mean towel?"),
    ],
    "tokenize": [
        ([], NOTHING_GIVEN),
        (["a", "--decode", "1"], NOTHING_GIVEN),
        ([""], "the text is empty; give a text"),
        (["-"], "standard input is empty; give a text"),
        (["a\udcff"], "the text: line 1 is not UTF-8: byte 1 is 0xff; convert it first"),
        (["--decode", ""], "--decode: '' is not a token id; give whole numbers with commas between, such as 7454,2402"),
        (["--decode", "1,,2"], "--decode: '' is not a token id"),
        (["--decode", "1,x"], "--decode: 'x' is not a token id"),
        (["--decode", "1.0"], "--decode: '1.0' is not a token id"),
        (["--decode", "1_0"], "--decode: '1_0' is not a token id"),
        (["--decode", "1,٣"], "--decode: '٣' is not a token id"),
        (["--decode", TOO_LONG], "--decode: '999"),
        (["--decode", "1\n2"], r"--decode: '1\n2' is not a token id"),
        (["--decode", "1,50257"], "token id 50257 is not in the vocabulary; ids go from 0 to 50256"),
        (["--decode", "0,-1"], "token id -1 is not in the vocabulary"),
        (["--decode", "50257", "--json"], "token id 50257 is not in the vocabulary"),
        (["a", "--model", "./nothing"], "no such file or folder: ./nothing"),
        (["a", "--model", ""], "no such file or folder: ''"),
        (["a", "--model", "gpt2", "--revision", "x y"], "--revision 'x y' is not the name of a branch"),
    ],
    "train": [(["tale.txt", "--ot", "new"], "no option '--ot'; did you mean --out?")],  # not that --out is missing
    "train-tokenizer": [
        (["--out", "new", "empty.txt"], "...give more text"),
        (["--out", "new", "abc.txt"], "...give more text"),
        (["--out", "new", "latin.txt"], "latin.txt: line 2 is not UTF-8"),
        (["--out", "new", "--vocab-size", "256", "tale.txt"], "--vocab-size 256"),
        (["--out", "new", "--vocab-size", "-1", "tale.txt"], "--vocab-size -1"),
        (["--out", "new", "--min-frequency", "0", "tale.txt"], "--min-frequency 0"),
        (["--out", "", "tale.txt"], "--out is empty"),
        (["--out", "tale.txt/new", "tale.txt"], "...cannot be written"),
        (["--out", "new", "none.txt", "tale.txt"], "none.txt: cannot be read"),
    ],
    "inspect": [(["gpt2-lage"], "no model 'gpt2-lage'; did you mean gpt2-large?")],
    "compare": [(["--onyl", "utils"], "no option '--onyl'; did you mean --only?")],
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("folder")
    write_tiny_model(folder / "tiny", seed=5, n_positions=40)
    for name, content in FILES.items():
        (folder / name).write_bytes(content)
    return folder


@pytest.mark.parametrize(
    ("command", "arguments", "words"),
    [pytest.param(command, *case, id=ascii([command, *case[0]])[:60]) for command in CASES for case in CASES[command]],
)
def test_one_line(command, arguments, words, folder, capsys, monkeypatch):
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(b""), isatty=lambda: False))
    there = sorted(os.listdir(folder))
    model = ["--model", "tiny"] if command in ("generate", "score") and "--model" not in arguments else []
    assert main([*[command] * bool(command), *model, *arguments]) == 2
    output = capsys.readouterr()
    assert output.out == ""
    (line,) = output.err.splitlines()
    said = line.removeprefix("starchart: ")
    assert said != line
    assert words[3:] in said if words.startswith("...") else said.startswith(words)
    assert len(said) < 300 or command != "tokenize"  # it shortens what it shows
    assert sorted(os.listdir(folder)) == there
