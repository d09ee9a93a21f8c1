"""The command line itself: suggestions, prompts that look like options, usage, and the help of every command."""

import json
import sys

import pytest

from starport.cli import main
from starport.commands.command_line import COMMANDS
from starport.terminal.suggestions import did_you_mean
from tests.tiny_model import write_tiny_model


@pytest.fixture
def model(tmp_path):
    return str(write_tiny_model(tmp_path / "tiny", seed=5, n_positions=40))


def complaint(capsys, *arguments):
    assert main(list(arguments)) == 2
    output = capsys.readouterr()
    assert output.out == ""
    (line,) = output.err.splitlines()
    return line.removeprefix("starchart: ")


@pytest.mark.parametrize("word", ["frobnicate", "walk", "x", "", "--", "zzzzzz", "tell-me-a-tale"])
def test_no_suggestion_for_what_is_far_off(word):
    assert did_you_mean(word, [*COMMANDS, "--model", "--max-new-tokens", "towel", "gpt2"]) == ""


def test_a_prompt_of_several_words(capsys, model):
    line = "the prompt is more than one argument; put it in quotes: 'Once upon a time'"
    assert complaint(capsys, "generate", "Once", "upon", "a", "time", "--model", model) == line
    assert complaint(capsys, "generate", "Once", "--model", model, "upon", "a", "time") == line
    line = "the text is more than one argument; put it in quotes: 'Once upon'"
    assert complaint(capsys, "tokenize", "Once", "upon") == line
    unexpected = "unexpected arguments: now; --help shows what this command takes"
    assert complaint(capsys, "compare", "--text", "x", "now") == unexpected
    assert complaint(capsys, "cache", "now") == unexpected
    line = "no option '-x'; --help lists the options; write -- before a text that begins with -"
    assert complaint(capsys, "tokenize", "-x") == line


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["score", "tale.txt"], "the prompt is more than one argument; put it in quotes: 'score tale.txt'"),
        (["train", "tale.txt", "--ot", "x"], "no option '--ot'; --help lists the options"),
        (["cache", "--clear"], "no option '--clear'; --help lists the options"),
    ],
    ids=str,
)
def test_run_gpt2_names_the_way_to_other_commands(arguments, line, capsys):
    assert main(["generate", *arguments], program="python run_gpt2.py") == 2
    hint = f"; for the command {arguments[0]}: python -m starport {arguments[0]}"
    assert capsys.readouterr().err == f"starchart: {line}{hint}\n"
    assert complaint(capsys, "generate", *arguments) == line  # starchart itself needs no hint
    assert main(["generate", *arguments], program="python starchart.pyz") == 2
    assert capsys.readouterr().err.endswith(f"PYTHONPATH=starchart.pyz python -m starport {arguments[0]}\n")
    assert main(["generate", "a", "tale"], program="python run_gpt2.py") == 2
    assert capsys.readouterr().err == "starchart: the prompt is more than one argument; put it in quotes: 'a tale'\n"


def test_a_prompt_that_looks_like_an_option(capsys, model):
    for arguments in (["--my dash is text"], ["--", "--dash"]):
        assert main(["generate", "--model", model, "--max-new-tokens", "1", "--json", *arguments]) == 0
        assert json.loads(capsys.readouterr().out)["prompt"] == arguments[-1]


def test_an_older_python_is_told_so(capsys, monkeypatch):
    monkeypatch.setattr(sys, "version_info", (3, 10, 9))
    assert "3.11 or newer is needed" in complaint(capsys, "generate")


def test_usage_is_what_was_typed(capsys):
    for program, usage in (
        ("starchart", "usage: starchart generate "),
        ("python -m starport", "usage: python -m starport generate "),
        ("python run_gpt2.py", "usage: python run_gpt2.py ["),
    ):
        assert main(["generate", "--help"], program=program) == 0
        assert capsys.readouterr().out.startswith(usage)
    assert main(["--help"]) == 0
    words = capsys.readouterr().out.split()
    assert [word for word in words if word in COMMANDS] == list(COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_describes_itself_and_its_arguments(command, capsys):
    assert main([command, "--help"]) == 0
    told = capsys.readouterr().out
    assert "\n\n" in told
    for line in told.splitlines():
        words = line.split()
        if words and words[0].startswith("--") and len(words) == 2:  # a long name: its help is on the next line
            assert told.partition(line)[2].splitlines()[1].startswith(" " * 20), line


def report(capsys, *arguments):
    assert main(["generate", *arguments, "--max-new-tokens", "2", "--seed", "1", "--json"]) == 0
    output = capsys.readouterr()
    return json.loads(output.out), output.err.splitlines()


def test_stop_texts_may_have_escapes(capsys, model):
    given = [r"\n", r"a\tb", r"\\n", r"\d\\", "\\"]
    stops = [word for stop in given for word in ("--stop", stop)]
    found, _ = report(capsys, "Hi", "--model", model, *stops)
    assert found["settings"]["stop"] == ["\n", "a\tb", r"\n", "\\d\\", "\\"]


def test_a_hint_for_a_space_at_the_end(capsys, model):
    hint = "hint: the prompt ends in a space; GPT-2's tokens begin with their space, so leave it out"
    assert report(capsys, "the one ", "--model", model)[1][0] == hint
    assert len(report(capsys, "the one ", "--model", model)[1]) == 2
    assert len(report(capsys, "the one", "--model", model)[1]) == 1
    assert report(capsys, "the one ", "--model", model)[0]["prompt"] == "the one "


def test_special_tokens_in_a_prompt(capsys, model):
    prompt = "the<|endoftext|>one"
    special, _ = report(capsys, prompt, "--special", "--model", model)
    assert special["prompt_ids"].count(260) == 1
    assert special["prompt"] == prompt
    plain, _ = report(capsys, prompt, "--model", model)
    assert 260 not in plain["prompt_ids"]
