"""The draw of the explorer is that of the command with the same seed, token for token."""

import json
from math import exp

import pytest

from starport.cli import main
from tests.explorer.conftest import PROMPT


def generated(capsys, folder, way, *options):
    command = ["generate", PROMPT, "--model", str(folder), "--engine", way["engine"], "--precision", way["precision"]]
    assert main([*command, "--max-new-tokens", "6", "--json", *options]) == 0
    return json.loads(capsys.readouterr().out)["generated_ids"]


@pytest.mark.parametrize(
    "settings",
    [
        {"seed": 42},
        {"seed": 7, "temperature": 1.3, "top_k": 0},
        {"seed": -3, "temperature": 1.0, "top_k": 5, "top_p": 0.6},
        {"seed": 11, "top_k": 0, "top_p": 0.3},
        {"seed": 1, "temperature": 0.0},
    ],
    ids=str,
)
def test_stepping_gives_the_text_of_the_command(ask, capsys, folder, way, settings):
    options = [part for name, value in settings.items() for part in (f"--{name.replace('_', '-')}", str(value))]
    expected = generated(capsys, folder, way, *options)
    ids = ask("tokenize", text=PROMPT)["ids"]
    start = len(ids)
    for draw in range(len(expected)):
        key = ask("trace", ids=ids, **way)["trace"]
        ids = [*ids, ask("next", trace=key, draw=draw, **settings)["drawn"]["token"]["id"]]
    assert ids[start:] == expected


def test_the_race_can_be_followed(ask, trace):
    """The winner has the largest score, chances add up to 1, and what a filter keeps is the top of the list."""
    found = ask("next", trace=trace["trace"], seed=3, top_k=20, top_p=0.9, limit=261)
    rows = found["tokens"]
    assert [row["rank"] for row in rows] == list(range(261))
    assert [row["logit"] for row in rows] == sorted((row["logit"] for row in rows), reverse=True)
    assert abs(sum(row["probability"] for row in rows) - 1) < 1e-12
    kept = [row for row in rows if row["kept_by_top_p"]]
    assert found["kept"] == {"top_k": 20, "top_p": len(kept)}
    assert 1 < len(kept) < 20
    assert [row["kept_by_top_k"] for row in rows] == [row["rank"] < 20 for row in rows]
    assert kept == rows[: len(kept)]
    assert abs(sum(row["chance"] for row in kept) - 1) < 1e-12
    assert all(row["time"] is None and row["score"] is None and row["chance"] == 0 for row in rows[len(kept) :])
    assert max(kept, key=lambda row: row["score"]) == found["drawn"]
    largest = kept[0]["scaled"]
    for row in kept:
        assert row["score"] == pytest.approx(exp(row["scaled"] - largest) / row["time"], rel=1e-12)
    # top-p: without the last token kept, the probability of the others is below p
    weights = [exp(row["scaled"]) for row in rows[:20]]
    assert sum(weights[: len(kept) - 1]) / sum(weights) < 0.9 <= sum(weights[: len(kept)]) / sum(weights)


def test_other_draws_and_positions(ask, trace):
    key = trace["trace"]
    first, second = (ask("next", trace=key, seed=3, draw=draw, top_k=0) for draw in (0, 1))
    assert first["drawn"] != second["drawn"]
    assert (first["words"], second["words"]) == (0, 522)
    early = ask("next", trace=key, position=0, limit=1)
    logits = ask("values", trace=key, name="logits", at=[0])["values"]
    assert early["tokens"][0]["logit"] == max(logits)


def test_search_and_pages(ask, trace):
    key = trace["trace"]
    whole = ask("next", trace=key, limit=261)["tokens"]
    assert ask("next", trace=key, limit=5, offset=100)["tokens"] == whole[100:105]
    found = ask("next", trace=key, search="HE")
    assert sorted(row["token"]["text"] for row in found["tokens"]) == [" the", "he"]
    assert found["found"] == 2
    assert [row["token"]["id"] for row in ask("next", trace=key, search="200")["tokens"]] == [200]
    assert ask("next", trace=key, search="zzz")["tokens"] == []
