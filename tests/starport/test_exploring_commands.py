"""`lens`, `attention`, `contributions`, `patch` and `generate --show-candidates` as a person meets them."""

import io
import json
import os
import re
import sys
from itertools import combinations
from math import inf, nan
from pathlib import Path
from types import SimpleNamespace
from xml.etree import ElementTree

import pytest

from starchart import GPT2, Tokenizer
from starchart.lens import contributions, logit_lens, patch_residual
from starchart.tap import Recording
from starchart.utils.softmax import softmax
from starport.cli import main
from starport.commands import patch
from starport.commands.contributions import bar
from starport.commands.result_file import write_result
from starport.explorer.attention_drawing import attention_drawing
from starport.terminal.tables import width
from tests.starport.terminal import COLUMNS, run_on_terminal
from tests.tiny_model import write_tiny_model

ROOT = Path(__file__).resolve().parents[2]
PROMPT, CORRUPT = "a one on the", "b one on the"


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return str(write_tiny_model(tmp_path_factory.mktemp("tiny"), seed=5, n_positions=40))


@pytest.fixture(scope="module")
def gpt2(model):
    with GPT2.from_pretrained(model, "packed", pack_cache=False) as opened:
        yield opened


@pytest.fixture(scope="module")
def tokenizer(model):
    return Tokenizer.from_pretrained(model)


def printed(capsys, model, *arguments):
    assert main([*map(str, arguments), "--model", model]) == 0
    return capsys.readouterr().out


def report(capsys, model, *arguments):
    output = printed(capsys, model, *arguments, "--json")
    assert output.count("\n") == 1
    return json.loads(output)


def complaint(capsys, model, *arguments):
    """Return the line that a refusal consists of."""
    assert main([*map(str, arguments), "--model", model]) == 2
    output = capsys.readouterr()
    assert output.out == ""
    lines = [line for line in output.err.splitlines() if not line.startswith("model ")]  # which model was opened
    assert len(lines) == 1, output.err
    return lines[0]


def test_lens(capsys, model, gpt2, tokenizer):
    ids = tokenizer.encode(PROMPT)
    found = report(capsys, model, "lens", PROMPT, "--top", "2", "--position", "1")
    expected = logit_lens(gpt2, ids, 1)
    assert found["prompt_ids"] == ids
    for point in found["points"]:
        row = expected[point["name"]]
        best = sorted(range(len(row)), key=row.__getitem__, reverse=True)[:2]
        assert [each["token"]["id"] for each in point["positions"][0]["tokens"]] == best
        assert [each["probability"] for each in point["positions"][0]["tokens"]] == [softmax(row)[v] for v in best]
    table = printed(capsys, model, "lens", PROMPT).splitlines()
    names = [line.split()[0] for line in table[1:]]
    assert names == [
        f"h.{point}" for point in ("0.resid_pre", "0.resid_mid", "0.resid_post", "1.resid_mid", "1.resid_post")
    ]
    assert table[0].split() == [re.sub("^ ", "␣", tokenizer.decode([i])) for i in ids]
    listed = printed(capsys, model, "lens", PROMPT, "--position", "-1", "--top", "3").splitlines()
    assert listed[0] == "after ␣the"
    assert listed[2].count("%") == 3


def test_attention(capsys, model, gpt2, tokenizer, tmp_path):
    with Recording("h.1.attn.*") as values:
        gpt2.logits(tokenizer.encode(PROMPT), tap=values)
    pattern = values["h.1.attn.pattern"]
    assert report(capsys, model, "attention", PROMPT, "--layer", "1")["patterns"] == pattern
    one = report(capsys, model, "attention", PROMPT, "--layer", "1", "--head", "2")
    assert one["pattern"]["values"] == pattern[2]
    assert one["scores"]["values"] == values["h.1.attn.scores"][2]
    table = printed(capsys, model, "attention", PROMPT, "--layer", "1", "--head", "2").splitlines()
    numbers = [list(map(int, re.findall(r"(?<= )\d+", line))) for line in table[3:]]
    assert numbers == [[round(100 * w) for w in row[: t + 1]] for t, row in enumerate(pattern[2])]
    maps = printed(capsys, model, "attention", PROMPT, "--layer", "1")
    assert re.findall("head (.)", maps) == ["0", "1", "2"]


def test_a_drawing_is_well_formed_and_has_every_number(capsys, model, tokenizer, gpt2, tmp_path):
    prompt = "<a>&\"' the"
    for head in ("2", None):
        file = tmp_path / f"{head}.svg"
        options = ["--head", head] if head else []
        assert main(["attention", prompt, "--layer", "0", "--svg", str(file), *options, "--model", model]) == 0
        output = capsys.readouterr()
        heads = "head 2" if head else "all 3 heads"
        assert (output.out, output.err.splitlines()[-1]) == ("", f"{file}: a drawing of block 0, {heads}")
        drawing = ElementTree.fromstring(file.read_text(encoding="utf-8"))
        titles = [title.text for title in drawing.iter("{http://www.w3.org/2000/svg}title")]
        with Recording("h.0.attn.pattern") as values:
            gpt2.logits(tokenizer.encode(prompt), tap=values)
        patterns = values["h.0.attn.pattern"]
        weights = [
            f"{100 * weight:.1f}"
            for pattern in ([patterns[2]] if head else patterns)
            for t, row in enumerate(pattern)
            for weight in row[: t + 1]
        ]
        assert [re.findall("takes (.*) % from", title)[0] for title in titles[1:]] == weights
    assert [file.suffix for file in tmp_path.iterdir()] == [".svg", ".svg"]  # nothing half-written


def test_every_head_of_a_drawing_has_its_tokens_and_its_place():
    patterns, tokens = [[[1.0], [0.25, 0.75]]] * 5, ["a", "an ambassador of"]
    drawing = ElementTree.fromstring(attention_drawing(tokens, patterns, 3, 0))
    texts = [text.text for text in drawing.iter("{http://www.w3.org/2000/svg}text")]
    names = ["a", "a", "an ambassador…", "an ambassador…"]  # beside a row and above a column
    assert texts[0] == "block 3: how much each token (row) takes from each (column)"
    assert texts[1:] == [text for head in range(5) for text in (f"head {head}", *names)]
    _, *squares = drawing.iter("{http://www.w3.org/2000/svg}rect")
    boxes = [tuple(float(square.get(name)) for name in ("x", "y", "width", "height")) for square in squares]
    assert all(min(width, height) >= 16 for *_, width, height in boxes)
    assert all(x + w <= float(drawing.get("width")) and y + h <= float(drawing.get("height")) for x, y, w, h in boxes)
    apart = [abs(a[0] - b[0]) >= a[2] or abs(a[1] - b[1]) >= a[3] for a, b in combinations(boxes, 2)]
    assert (len(boxes), all(apart)) == (15, True)


def test_contributions(capsys, model, gpt2, tokenizer):
    ids = tokenizer.encode(PROMPT)
    (token,) = tokenizer.encode(" the")
    found = report(capsys, model, "contributions", PROMPT, "--token", " the", "--position", "2")
    assert [part["value"] for part in found["parts"]] == [part.value for part in contributions(gpt2, ids, token, 2)]
    assert found["logit"] == gpt2.logits(ids)[2][token]
    table = printed(
        capsys, model, "contributions", PROMPT, "--token", " the", "--position", "2", "--top", "4"
    ).splitlines()
    assert table[0] == "what raises the logit of ␣the after on"
    numbers = [float(re.findall(r"[+-]\d+\.\d+(?:e.\d+)?", line)[0]) for line in table[2:]]
    assert len(numbers) == 7  # four parts, the smaller ones, the rounding, the logit
    assert abs(sum(numbers[:-1]) - numbers[-1]) < 7 * 0.00005 + 1e-6  # each is rounded to four digits
    assert sorted(map(abs, numbers[:4]), reverse=True) == list(map(abs, numbers[:4]))
    likeliest = report(capsys, model, "contributions", PROMPT)
    row = gpt2.logits(ids)[-1]
    assert likeliest["token"]["id"] == row.index(max(row))


def test_patch(capsys, model, gpt2, tokenizer):
    answer, wrong = " the", "he"
    found = report(
        capsys, model, "patch", PROMPT, CORRUPT, "--answer", answer, "--wrong", wrong, "--kind", "mlp.c_proj"
    )
    ids = [tokenizer.encode(text) for text in (PROMPT, CORRUPT)]
    (a,), (b,) = tokenizer.encode(answer), tokenizer.encode(wrong)
    expected = patch_residual(gpt2, *ids, a, b, "mlp.c_proj")
    assert found["differences"] == expected
    table = printed(capsys, model, "patch", PROMPT, CORRUPT, "--answer", answer, "--wrong", wrong).splitlines()
    assert table[5].split()[0] == "b<-a"
    effects = patch_residual(gpt2, *ids, a, b)
    rows = [gpt2.logits(each)[-1] for each in ids]
    clean, corrupt = (row[a] - row[b] for row in rows)
    shares = [[f"{100 * (effect - corrupt) / (clean - corrupt):.0f}%" for effect in row] for row in effects]
    assert [line.split()[2:] for line in table[6:]] == shares
    assert shares[0][0] == "100%"  # before the first block only the first token differs


def test_a_table_of_patches_is_of_shares_where_there_is_a_difference():
    side = [{"shown": "a", "id": 0}]
    answer = {
        "clean": {"difference": 2.0, "tokens": side}, "corrupt": {"difference": 1.0, "tokens": side},
        "answer": {"shown": "x"}, "wrong": {"shown": "y"}, "kind": "resid_pre", "differences": [[0.999], [1.5], [0.75]],
    }  # fmt: skip
    assert [line.split()[2] for line in patch._table(answer).splitlines()[6:]] == ["0%", "50%", "-25%"]
    answer["clean"]["difference"] = 1.0
    lines = patch._table(answer).splitlines()
    assert "there is no difference to bring back: the table has logit differences" in lines[2]
    assert [line.split()[2] for line in lines[6:]] == ["+0.999", "+1.500", "+0.750"]


def test_show_candidates(capsys, model, tokenizer, gpt2):
    options = ["generate", PROMPT, "--max-new-tokens", "5", "--seed", "7"]
    plain = report(capsys, model, *options)
    shown = report(capsys, model, *options, "--show-candidates", "3")
    assert shown["generated_ids"] == plain["generated_ids"]
    assert "candidates" not in plain
    ids = tokenizer.encode(PROMPT)
    for token, candidates in zip(shown["generated_ids"], shown["candidates"], strict=True):
        probabilities = softmax(gpt2.logits(ids)[-1])
        best = sorted(range(261), key=probabilities.__getitem__, reverse=True)[:3]
        assert [(each["id"], each["probability"]) for each in candidates] == [(v, probabilities[v]) for v in best]
        ids.append(token)
    text = printed(capsys, model, *options, "--show-candidates", "3")
    lines = text.split("\n")
    assert [line.count("%") for line in lines[:5]] == [4] * 5
    assert text.endswith(f"\n\n{PROMPT}{plain['text']}\n")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["lens", PROMPT, "--position", "99"], "--position 99: the prompt has"),
        (["lens", PROMPT, "--position", "0", "--top", "0"], ": --top 0: it must be at least 1"),
        (["lens", PROMPT, "--json", "--top", "262"], ": --top must be a whole number from 0 to 261, not 262"),
        (["lens", PROMPT, "--top", "5"], ": --top 5: the table of all positions has one token each; add --position"),
        (["lens", "x" * 41], "has 41 tokens; this model reads at most 40"),
        (["lens", "caf\udce9"], "is not UTF-8"),
        (["attention", PROMPT, "--layer", "2"], ": --layer must be a whole number from 0 to 1, not 2"),
        (["attention", PROMPT, "--layer", "0", "--head", "-1"], ": --head must be a whole number from 0 to 2, not -1"),
        (
            ["attention", PROMPT, "--layer", "0", "--svg", "/nowhere/a.svg"],
            "--svg /nowhere/a.svg: this is not a file in",
        ),
        (["attention", PROMPT, "--layer", "0", "--svg", ""], "--svg : this is not a file"),
        (["contributions", PROMPT, "--token", "king"], ": --token 'king' must be one token; it is 4 tokens: 'k'"),
        (["contributions", PROMPT, "--token", ""], ": --token '' must be one token; it is empty"),
        (["patch", "a", "ab", "--answer", "a", "--wrong", "b"], "equally many tokens: the first has 1, the second 2"),
        (["patch", "a", "a", "--answer", "a", "--wrong", "b"], "the two prompts are the same tokens"),
        (["patch", "a", "b", "--answer", "a", "--wrong", "a"], "both answers are the same token"),
        (["patch", "caf\udce9", "b", "--answer", "a", "--wrong", "b"], ": the first prompt: line 1 is not UTF-8"),
        (["patch", "a", "b", "--answer", "ab", "--wrong", "b"], ": --answer 'ab' must be one token"),
        (["generate", PROMPT, "--show-candidates", "-2"], "--show-candidates -2: give how many"),
        (["generate", PROMPT, "--show-candidates", "0"], "--show-candidates 0: give how many, at least 1"),
        (
            ["lens", PROMPT, "--engine", "reference", "--precision", "fast"],
            "--precision fast: the reference engine has",
        ),
    ],
    ids=lambda value: " ".join(value[:1] + value[2:4]) if isinstance(value, list) else "",
)
def test_bad_input_is_one_line(capsys, model, arguments, message):
    assert message in complaint(capsys, model, *arguments)


def test_options_that_are_missing(capsys, model):
    assert "--layer" in complaint(capsys, model, "attention", PROMPT)
    assert "--answer" in complaint(capsys, model, "patch", "a", "b", "--wrong", "b")
    assert "PROMPT" in complaint(capsys, model, "lens")


def test_an_empty_prompt_and_standard_input(capsys, model, monkeypatch):
    assert report(capsys, model, "lens", "")["prompt_ids"] == [260]
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(b"on\n"), isatty=lambda: False))
    assert report(capsys, model, "lens", "-")["tokens"] == ["on"]


@pytest.mark.skipif(sys.platform == "win32", reason="no pseudo-terminals")
@pytest.mark.parametrize(
    "command", [["lens"], ["attention", "--layer", "0"], ["attention", "--layer", "0", "--head", "1"]]
)
def test_no_line_is_wider_than_the_terminal(model, command):
    prompt = "the one on then 星星 abcdefghij"
    written, _ = run_on_terminal(
        [sys.executable, "-m", "starport", command[0], prompt, *command[1:], "--model", model], cwd=ROOT
    )
    lines = [line for part in written.split("\r") for line in part.split("\n")]
    said = next(n for n, line in enumerate(lines) if line.endswith("packed engine") and line.startswith("model "))
    lines = lines[said + 1 :]
    assert max(map(width, lines)) <= COLUMNS
    assert any("do not fit" in line or "██" in line for line in lines)


def test_a_contribution_that_is_no_number_has_no_bar():
    assert bar(nan, nan) == bar(inf, inf) == bar(1.0, nan) == ""
    assert bar(-2.0, 4.0) == "░" * 12


def test_a_drawing_that_cannot_be_written_leaves_nothing(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OSError, match="No space"):
        write_result(str(tmp_path / "a.svg"), "text")
    assert not list(tmp_path.iterdir())
