"""What the explorer answers, held against the engine and the tokenizer asked directly."""

import json
import re
from math import isclose, sqrt

import pytest

from starchart import GPT2, Tokenizer
from starchart.generation.fingerprint import fingerprint
from starchart.lens import ablate_feed_forward, ablate_heads, contributions, logit_lens, patch_residual
from starchart.tap import Changes, Recording
from starport.explorer.explorer import Explorer
from starport.explorer.published_table import FINGERPRINTS, MODEL
from starport.verify.fingerprints import FILE, PROMPTS, WAYS, read_page
from tests.explorer.conftest import PROMPT
from tests.house.source_tree import ROOT


@pytest.fixture(scope="module")
def gpt2(folder, way):
    with GPT2.from_pretrained(folder, way["engine"], precision=way["precision"], pack_cache=False) as opened:
        yield opened


@pytest.fixture(scope="module")
def tokenizer(folder):
    return Tokenizer.from_pretrained(folder)


@pytest.fixture(scope="module")
def recording(gpt2, trace):
    with Recording() as values:
        gpt2.logits(trace["ids"], tap=values)
    return values


def test_the_model(ask, gpt2):
    model = ask("model")
    assert json.loads(json.dumps(model)) == model
    assert model["config"]["n_inner"] == 17
    assert model["letters"] == {"L": 3, "H": 2, "C": 12, "D": 6, "F": 17, "V": 261, "P": 40}
    assert model["parameters"] == sum(
        len(w) * (len(w[0]) if isinstance(w[0], list) else 1) for w in map(gpt2.weights.__getitem__, gpt2.weights)
    )
    assert (model["config"]["tied"], model["end_of_text"]["text"]) == (False, "<|endoftext|>")
    assert {weight["name"]: tuple(weight["shape"]) for weight in model["weights"]} == gpt2.weights.shapes


def test_a_trace_has_every_value_of_the_run(ask, trace, recording, tokenizer):
    assert trace["ids"] == tokenizer.encode(PROMPT)
    assert [token["text"] for token in trace["tokens"]] == [tokenizer.decode([i]) for i in trace["ids"]]
    assert [each["name"] for each in trace["names"]] == list(recording)
    for each in trace["names"]:
        answer = ask("values", trace=trace["trace"], name=each["name"])
        assert answer["values"] == recording[each["name"]]
        assert answer["shape"] == each["shape"]
    assert trace["fingerprint"] == fingerprint(recording["logits"][-1])
    assert trace["published"] is None
    part = ask("values", trace=trace["trace"], name="h.1.attn.scores", at=[1, 2])["values"]
    assert part == recording["h.1.attn.scores"][1][2]
    number = ask("values", trace=trace["trace"], name="h.1.attn.scores", at=[1, 2, 0])["values"]
    assert number == recording["h.1.attn.scores"][1][2][0]


def test_the_same_question_is_not_computed_twice(explorer, trace, way):
    told = []
    again = explorer.answer({"ask": "trace", "prompt": PROMPT, **way}, lambda *parts: told.append(parts))
    assert again["trace"] == trace["trace"]
    assert told == []
    other = explorer.answer({"ask": "trace", "prompt": "other", **way}, lambda *parts: told.append(parts))
    assert other["trace"] != trace["trace"]
    assert told[-1][0] == told[-1][1]


def test_weights_need_no_trace(ask, gpt2):
    for name in ("ln_f.bias", "h.2.mlp.c_fc.weight", "lm_head.weight"):
        assert ask("values", name=name)["values"] == gpt2.weights[name]
    assert ask("values", name="wte.weight", at=[200, 3])["values"] == gpt2.weights["wte.weight"][200][3]


def test_lengths_and_what_tokens_give(ask, trace, recording):
    drawn = ask("map", trace=trace["trace"])
    for each in (*drawn["stream"], *drawn["added"]):
        rows = recording[each["name"].removesuffix(".norm")]
        assert each["values"] == pytest.approx([sqrt(sum(x * x for x in row)) for row in rows], rel=1e-14)
    assert [each["name"] for each in drawn["stream"]][:2] == ["h.0.resid_pre.norm", "h.0.resid_mid.norm"]
    head = ask("attention", trace=trace["trace"], layer=2, head=1)
    pattern, v = recording["h.2.attn.pattern"][1], recording["h.2.attn.v"][1]
    assert head["pattern"]["values"] == pattern
    assert head["scores"]["values"] == recording["h.2.attn.scores"][1]
    for t, row in enumerate(head["given"]["values"]):
        assert row == pytest.approx([pattern[t][s] * sqrt(sum(x * x for x in v[s])) for s in range(len(v))], rel=1e-14)
    assert ask("attention", trace=trace["trace"], layer=2)["patterns"] == recording["h.2.attn.pattern"]


def test_the_most_active_channels(ask, trace, recording):
    found = ask("feed_forward", trace=trace["trace"], layer=1, position=2, top=5)
    after, before = recording["h.1.mlp.act"][2], recording["h.1.mlp.c_fc"][2]
    assert [each["after"] for each in found["channels"]] == sorted(after, key=abs, reverse=True)[:5]
    for each in found["channels"]:
        assert (before[each["channel"]], after[each["channel"]]) == (each["before"], each["after"])
    assert (found["width"], found["before"], found["after"]) == (17, "h.1.mlp.c_fc", "h.1.mlp.act")


def test_the_lens(ask, trace, gpt2):
    every = ask("lens", trace=trace["trace"], top=3)
    for position in range(len(trace["ids"])):
        lens = logit_lens(gpt2, trace["ids"], position)
        assert [each["name"] for each in every["points"]] == list(lens)
        for each in every["points"]:
            shown, row = each["positions"][position], lens[each["name"]]
            assert shown["position"] == position
            best = sorted(range(len(row)), key=row.__getitem__, reverse=True)[:3]
            assert [(entry["token"]["id"], entry["logit"]) for entry in shown["tokens"]] == [(v, row[v]) for v in best]
            name = f"lens.{each['name']}.probabilities"
            probabilities = ask("values", trace=trace["trace"], name=name, at=[position])["values"]
            assert [entry["probability"] for entry in shown["tokens"]] == [probabilities[v] for v in best]
            assert isclose(sum(probabilities), 1.0, rel_tol=1e-12)
    some = ask("lens", trace=trace["trace"], top=3, positions=[2, 0], points=["h.1.resid_pre"])
    (point,) = [each for each in every["points"] if each["name"] == "h.1.resid_pre"]
    assert some["points"] == [{"name": "h.1.resid_pre", "positions": [point["positions"][2], point["positions"][0]]}]


def test_the_lens_of_a_changed_stream(ask, trace, way, gpt2):
    """h.1.resid_pre is h.0.resid_post, and its lens is not computed again, unless one of them was changed."""
    change = {"kind": "set", "name": "h.1.resid_pre", "index": [2, 3], "value": 9.0}
    key = ask("trace", prompt=PROMPT, **way, change=[change])["trace"]
    points = ["h.0.resid_post", "h.1.resid_pre"]
    for point in points:
        row = ask("values", trace=key, name=point, at=[2])["values"]
        logits = ask("values", trace=key, name=f"lens.{point}.logits", at=[2])["values"]
        assert logits == gpt2.read_out([row])[0]
    shown = ask("lens", trace=key, position=2, points=points)["points"]
    assert shown[0]["positions"] != shown[1]["positions"]


def test_contributions(ask, trace, gpt2, recording):
    position, token = 1, 44
    found = ask("contributions", trace=trace["trace"], position=position, token=token)
    expected = contributions(gpt2, trace["ids"], token, position)
    assert [part["value"] for part in found["parts"]] == [part.value for part in expected]
    assert found["logit"] == recording["logits"][position][token]
    assert found["sum"] + found["rounding"] == pytest.approx(found["logit"], rel=1e-15)
    for part in found["parts"]:
        assert ask("values", trace=trace["trace"], name=part["name"], at=part["index"])["values"] == part["value"]
    assert len({part["label"] for part in found["parts"]}) == len(found["parts"])


def test_changes_are_those_of_the_lens(ask, trace, way, gpt2):
    def logits(*change):
        key = ask("trace", prompt=PROMPT, **way, change=list(change))["trace"]
        return ask("values", trace=key, name="logits")["values"]

    ids = trace["ids"]
    heads = [{"kind": "ablate_head", "layer": 1, "head": 0}, {"kind": "ablate_head", "layer": 1, "head": 1}]
    assert logits(heads[0]) == ablate_heads(gpt2, ids, [(1, 0)]) != gpt2.logits(ids)
    assert logits(*heads) == ablate_heads(gpt2, ids, [(1, 0), (1, 1)])
    assert logits({"kind": "ablate_mlp", "layer": 2}) == ablate_feed_forward(gpt2, ids, [2])
    changed = logits({"kind": "set", "name": "h.0.attn.pattern", "index": [1, 2, 0], "value": 0.75})

    def set_one(pattern):
        pattern = [[list(row) for row in rows] for rows in pattern]
        pattern[1][2][0] = 0.75
        return pattern

    with Changes({"h.0.attn.pattern": set_one}) as tap:
        assert changed == gpt2.logits(ids, tap=tap) != gpt2.logits(ids)


def test_a_sweep_is_a_patch_at_every_place(ask, way, gpt2, tokenizer):
    clean, corrupt = "a one on", "b one on"
    found = ask("sweep", clean=clean, corrupt=corrupt, answer=" the", wrong=7, kind="attn.z", **way)
    ids = [tokenizer.encode(text) for text in (clean, corrupt, " the")]
    assert len(ids[0]) == len(ids[1])
    assert found["differences"] == patch_residual(gpt2, ids[0], ids[1], ids[2][0], 7, "attn.z")
    for side, each in (("clean", ids[0]), ("corrupt", ids[1])):
        row = gpt2.logits(each)[-1]
        assert found[side]["difference"] == row[ids[2][0]] - row[7]
        assert [token["id"] for token in found[side]["tokens"]] == each
    layer, position = 1, 2
    change = {"kind": "patch", "name": f"h.{layer}.attn.z", "position": position, "from": found["clean"]["trace"]}
    key = ask("trace", prompt=corrupt, **way, change=[change])["trace"]
    row = ask("values", trace=key, name="logits", at=[len(ids[1]) - 1])["values"]
    assert row[ids[2][0]] - row[7] == found["differences"][layer][position]


@pytest.mark.parametrize(
    "text", ["", " the then\n\n  one 12", "caf\u00e9 \U0001f31f", "<|endoftext|>the", "\ud800", "the" * 200]
)
def test_the_steps_of_the_tokenizer(ask, tokenizer, text):
    for special in (False, True):
        found = ask("tokenize", text=text, special=special)
        assert found["ids"] == tokenizer.encode(text, allow_special=special)
        for word in found["words"]:
            symbols = [symbol["id"] for symbol in word["symbols"]]
            for merge in word["merges"]:  # anyone can follow them
                at = merge["at"]
                assert symbols[at : at + 2] == [merge["left"]["id"], merge["right"]["id"]]
                assert merge["into"]["bytes"] == merge["left"]["bytes"] + merge["right"]["bytes"]
                symbols[at : at + 2] = [merge["into"]["id"]]
            assert word["special"] or symbols == word["ids"]
    assert b"".join(bytes(word["bytes"]) for word in found["words"]).decode() == found["text"]


@pytest.mark.parametrize("name", WAYS, ids=lambda way: way.name)
def test_published_fingerprints(name):
    """The badge of towel: true for a prompt of docs/FINGERPRINTS.md with two greedy tokens, false for other bits."""
    explorer = Explorer("towel", "towel", engine=name.engine, precision=name.precision)
    try:
        ids = explorer.answer({"ask": "tokenize", "text": PROMPTS[1]})["ids"]
        for _ in range(2):
            trace = explorer.answer({"ask": "trace", "ids": ids})
            assert trace["published"] is None
            drawn = explorer.answer({"ask": "next", "trace": trace["trace"], "temperature": 0})["drawn"]
            ids = [*ids, drawn["token"]["id"]]
        trace = explorer.answer({"ask": "trace", "ids": ids})
        assert trace["published"] is True
        assert trace["fingerprint"] == FINGERPRINTS[PROMPTS[1], name.engine, name.precision]
        other = explorer.answer({"ask": "trace", "ids": [*ids[:-1], ids[-1] - 1]})
        assert other["published"] is None  # not greedy
    finally:
        explorer.close()


def test_a_model_with_other_bits_is_told_so(monkeypatch):
    monkeypatch.setitem(FINGERPRINTS, ("the", "packed", "full"), "0" * 64)
    explorer = Explorer("towel", "towel")
    try:
        ids = explorer.answer({"ask": "tokenize", "text": "the"})["ids"]
        for _ in range(2):
            key = explorer.answer({"ask": "trace", "ids": ids})["trace"]
            ids = [*ids, explorer.answer({"ask": "next", "trace": key, "temperature": 0})["drawn"]["token"]["id"]]
        assert explorer.answer({"ask": "trace", "ids": ids})["published"] is False
    finally:
        explorer.close()


def test_the_names_of_derived_values_are_those_of_the_page(explorer):
    """docs/NAMES.md: N is the number of a block, POINT a point of the residual stream, NAME a value [T][C]."""
    text = (ROOT / "docs" / "NAMES.md").read_text(encoding="utf-8").split("\n## Derived values\n")[1]
    rows = dict(re.findall(r"^\| `(.+?)` \| (\[.+?\]) \|", text, re.MULTILINE))
    found = {}
    for name, value in explorer._model.derived.items():
        shown = re.sub(r"(?<=lens\.)h\.\d\.resid_\w+", "POINT", name)
        shown = re.sub(r"^(?!lens).*(?=\.norm$)", "NAME", re.sub(r"h\.\d\.", "h.N.", shown))
        found[shown] = "".join(f"[{letter}]" for letter in value.shape)
    assert found == rows
    normed = {name.removesuffix(".norm") for name in explorer._model.derived if name.endswith(".norm")}
    assert normed == {name for name, value in explorer._model.graph.items() if value.shape == ("T", "C")}


def test_the_table_is_that_of_the_page():
    """Where it is not, `python -m tools.write_fingerprints` writes both."""
    digest, found = read_page(FILE.read_text(encoding="utf-8"))
    ways = {way.name: (way.engine, way.precision) for way in WAYS}
    assert {(prompt, *ways[way]): value for (way, prompt), value in found.items()} == FINGERPRINTS
    assert digest == MODEL
