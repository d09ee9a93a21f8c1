"""Published facts, on a small model in a folder called gpt2, since tests have no official weights."""

import json
import math
from math import prod

import pytest

from starchart import GPT2, Tokenizer
from starchart.checkpoints.checkpoint import load_checkpoint
from starport.cli import main
from starport.verify import published
from starport.verify.published_facts import (
    CONTINUATIONS,
    PARAMETERS,
    PERPLEXITIES,
    Continuation,
    Parameters,
    Perplexity,
)
from starport.verify.run_checks import run_component
from tests.tiny_model import DEFAULTS, tensor_shapes, write_tiny_model

PROMPT = "the one"


@pytest.fixture
def empty_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path / "hub"


@pytest.fixture
def stand_in(tmp_path):
    """Return a tiny model in a folder that is called gpt2, as if it were OpenAI's."""
    return write_tiny_model(tmp_path / "gpt2", seed=5)


def greedy(folder, count):
    with GPT2.from_pretrained(folder) as gpt2:
        return list(
            gpt2.generate(Tokenizer.from_pretrained(folder).encode(PROMPT), max_new_tokens=count, temperature=0)
        )


def test_nothing_is_run_without_official_weights(tmp_path, empty_cache):
    (check,) = published.checks(write_tiny_model(tmp_path / "mine"))
    assert check.passed
    assert "not run: no official weights here" in check.finding


def test_official_weights_are_found_by_name_and_in_the_cache(tmp_path, empty_cache, stand_in):
    snapshot = empty_cache / "models--openai-community--gpt2-medium" / "snapshots" / "0abc"
    write_tiny_model(snapshot)
    (snapshot.parents[1] / "refs").mkdir()
    (snapshot.parents[1] / "refs" / "main").write_text("0abc")
    assert published.official_models(tmp_path) == {"gpt2-medium": snapshot}
    assert published.official_models(stand_in) == {"gpt2-medium": snapshot, "gpt2": stand_in}
    (snapshot / "config.json").unlink()
    assert published.official_models(tmp_path) == {}


def test_a_model_that_only_has_the_name_fails(empty_cache, stand_in):
    found = list(run_component("published", stand_in))
    assert not any(check.passed for check in found)


def test_facts_about_the_stand_in_pass_and_wrong_ones_fail(empty_cache, stand_in, monkeypatch):
    ids = greedy(stand_in, 8)
    shapes = tensor_shapes(DEFAULTS)
    count = sum(map(prod, shapes.values()))
    facts = [
        (Continuation("gpt2", PROMPT, tuple(ids), "here"), True),
        (Continuation("gpt2", PROMPT, (*ids[:-1], ids[-1] ^ 1), "here"), False),
        (Continuation("gpt2", tuple(Tokenizer.from_pretrained(stand_in).encode(PROMPT)), tuple(ids[:3]), "here"), True),
        (Continuation("gpt2", PROMPT, "no such text", "here"), False),
    ]
    monkeypatch.setattr(published, "CONTINUATIONS", [fact for fact, _ in facts])
    monkeypatch.setattr(
        published, "PARAMETERS", [Parameters("gpt2", count, 1, "here"), Parameters("gpt2", count + 1, 1, "")]
    )
    assert [check.passed for check in published.checks(stand_in)] == [True, False, *(passed for _, passed in facts)]


def test_parameters_are_counted_once_each(tmp_path):
    folder = write_tiny_model(tmp_path, tie_word_embeddings=False, n_layer=3)
    shapes = tensor_shapes(DEFAULTS | json.loads((folder / "config.json").read_text()))
    assert published.count_numbers(load_checkpoint(folder)[1]) == sum(map(prod, shapes.values()))


def test_perplexity_is_that_of_transformers(tmp_path):
    torch, transformers = pytest.importorskip("torch"), pytest.importorskip("transformers")
    folder = write_tiny_model(tmp_path)
    text = "the one on the one then. " * 3
    ids = Tokenizer.from_pretrained(folder).encode(text)
    model = transformers.GPT2LMHeadModel.from_pretrained(folder).eval()
    losses, count = 0.0, 0
    with torch.no_grad():
        for start in range(0, len(ids), 16):  # n_positions
            window = torch.tensor([ids[start : start + 16]])
            losses += float(model(window, labels=window).loss) * (window.shape[1] - 1)
            count += window.shape[1] - 1
    assert published.perplexity_of(folder, text) == pytest.approx(math.exp(losses / count), rel=1e-5)  # float32


def test_perplexity_in_windows_that_overlap_is_that_of_transformers(tmp_path):
    torch, transformers = pytest.importorskip("torch"), pytest.importorskip("transformers")
    folder = write_tiny_model(tmp_path)
    text = "the one on the one then. " * 4
    ids = Tokenizer.from_pretrained(folder).encode(text)
    model = transformers.GPT2LMHeadModel.from_pretrained(folder).eval()
    losses, count, before = 0.0, 0, 0
    with torch.no_grad():
        for start in range(0, len(ids), 5):  # as on transformers' page on perplexity
            end = min(start + 16, len(ids))
            window = torch.tensor([ids[start:end]])
            targets = window.clone()
            targets[:, : before - start] = -100
            scored = int((targets[:, 1:] != -100).sum())
            losses, count = losses + float(model(window, labels=targets).loss) * scored, count + scored
            before = end
            if end == len(ids):
                break
    assert count == len(ids) - 1
    assert published.perplexity_of(folder, text, 5) == pytest.approx(math.exp(losses / count), rel=1e-5)


def test_a_text_adds_the_published_perplexities(empty_cache, stand_in, tmp_path, monkeypatch, capsys):
    text = "the one on the one then. " * 3
    (tmp_path / "text").write_text(text)
    value = published.perplexity_of(stand_in, text)
    facts = [Perplexity("gpt2", value, 1024, "here"), Perplexity("gpt2", value + 0.03, 1024, "here")]
    monkeypatch.setattr(published, "PERPLEXITIES", facts)
    monkeypatch.setattr(published, "CONTINUATIONS", [])
    monkeypatch.setattr(published, "PARAMETERS", [])
    command = ["compare", "--only", "published", "--model", str(stand_in)]
    assert main([*command, "--text", str(tmp_path / "text")], program="python compare.py") == 1
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert [line[0] for line in lines if "WikiText-2," in line and "published:" in line] == ["ok", "FAILED"]
    assert main(command, program="python compare.py") == 1  # nothing to check without a text


def test_a_perplexity_that_is_off_fails():
    fact = Perplexity("gpt2", 29.94, 1024, "here")
    assert [published.perplexity_check(fact, value).passed for value in (29.94, 29.95, 29.99, 29.8)] == [
        True, True, False, False,
    ]  # fmt: skip


def test_facts_are_about_checkpoints_that_are_looked_for_and_give_their_source():
    for fact in (*PARAMETERS, *CONTINUATIONS, *PERPLEXITIES):
        assert fact.model in published.NAMES
        assert fact.source
    assert len({(fact.model, fact.prompt) for fact in CONTINUATIONS}) == len(CONTINUATIONS)
