"""A request comes from outside: whatever is in it, the answer is data, and an error is one line."""

import json
import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from starport.explorer import lens_answers, stored_weights, traces
from starport.explorer.explorer import QUESTIONS, Explorer
from tests.explorer.conftest import PROMPT


@pytest.fixture(scope="module")
def key(ask):
    return ask("trace", prompt=PROMPT, engine="packed")["trace"]


BAD = {
    "not an object": ([], "a request is an object"),
    "null": (None, "a request is an object"),
    "no question": ({}, "the field ask is missing"),
    "unknown question": ({"ask": "tarce"}, "there is no question 'tarce'"),
    "question that is no text": ({"ask": ["trace"]}, "ask must be a text"),
    "no prompt": ({"ask": "trace"}, "the field prompt is missing"),
    "long prompt": ({"ask": "trace", "prompt": "a" * 41}, "has 41 tokens; this model reads at most 40"),
    "ids that are no ids": ({"ask": "trace", "ids": [1, "2"]}, "token ids must be whole numbers"),
    "id too large": ({"ask": "trace", "ids": [261]}, "token id 261"),
    "no ids": ({"ask": "trace", "ids": []}, "there are no tokens"),
    "unknown engine": ({"ask": "trace", "prompt": "a", "engine": "torch"}, "there is no engine torch"),
    "unknown precision": ({"ask": "trace", "prompt": "a", "precision": "half"}, "precision half"),
    "change of no kind": ({"ask": "trace", "prompt": "a", "change": [{}]}, "the field kind is missing"),
    "change that is none": ({"ask": "trace", "prompt": "a", "change": [1]}, "a request is an object"),
    "too many changes": ({"ask": "trace", "prompt": "a", "change": [{}] * 1001}, "at most 1000"),
    "head not there": (
        {"ask": "trace", "prompt": "a", "change": [{"kind": "ablate_head", "layer": 0, "head": 2}]},
        "head must be a whole number from 0 to 1",
    ),
    "set to infinity": (
        {"ask": "trace", "prompt": "a", "change": [{"kind": "set", "name": "wte", "index": [0, 0], "value": "NaN"}]},
        "value must be a finite number",
    ),
    "set outside": (
        {"ask": "trace", "prompt": "a", "change": [{"kind": "set", "name": "wte", "index": [1, 0], "value": 1}]},
        r"index \[1, 0\] is outside of the shape \[1, 12\]",
    ),
    "patch from nowhere": (
        {"ask": "trace", "prompt": "a", "change": [{"kind": "patch", "name": "wte", "position": 0, "from": "x"}]},
        "not kept any more",
    ),
    "gone": ({"ask": "values", "trace": "0", "name": "wte"}, "not kept any more; ask for it again"),
    "unknown name": ({"ask": "number", "name": "wtee", "index": []}, "nothing is called 'wtee'"),
    "weight outside": ({"ask": "values", "name": "wte.weight", "at": [261]}, "outside of the shape"),
    "negative index": ({"ask": "values", "name": "wte.weight", "at": [-1]}, "outside of the shape"),
    "index too long": ({"ask": "values", "name": "ln_f.bias", "at": [0, 0]}, "a list of at most 1 whole numbers"),
    "boolean index": ({"ask": "number", "name": "ln_f.bias", "index": [True]}, "a list of 1 whole numbers"),
    "long text": ({"ask": "tokenize", "text": "a" * 10_001}, "at most 10000"),
    "text that is none": ({"ask": "tokenize", "text": 5}, "text must be a text, not 5"),
    "two tokens": ({"ask": "sweep", "clean": "a", "corrupt": "b", "answer": "ab", "wrong": "a"}, "must be one token"),
    "other lengths": (
        {"ask": "sweep", "clean": "a", "corrupt": "ab", "answer": "a", "wrong": "b"}, "equally many tokens",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_one_line_says_what_is_wrong(explorer, case):
    request, message = BAD[case]
    answer = explorer.answer(request)
    assert set(answer) - {"gone"} == {"error"}
    assert "\n" not in answer["error"]
    assert re.search(message, answer["error"]), answer
    assert answer.get("gone", False) is ("not kept" in answer["error"])


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"ask": "next", "temperature": -1}, "temperature -1"),
        ({"ask": "next", "temperature": 10**400}, "temperature must be a finite number"),
        ({"ask": "next", "top_p": 0}, "top_p 0"),
        ({"ask": "next", "seed": 1.5}, "seed 1.5"),
        ({"ask": "next", "seed": 2**64}, "seed 18446744073709551616"),
        ({"ask": "next", "draw": 10**9}, "draw must be a whole number from 0 to 4999"),
        ({"ask": "next", "limit": 10**9}, "limit must be"),
        ({"ask": "attention", "layer": 3}, "layer must be a whole number from 0 to 2"),
        ({"ask": "lens", "points": ["logits"]}, "'logits' is no point"),
        ({"ask": "lens", "points": [[]]}, "is no point"),
        ({"ask": "lens", "positions": [99]}, "positions must be a whole number"),
        ({"ask": "contributions", "position": 0, "token": 261}, "token must be"),
        ({"ask": "contributions", "position": 0, "token": "on the"}, "token 'on the' must be one token"),
        ({"ask": "values", "name": "contribution.direction"}, "at most 64 are given at once"),
        ({"ask": "values", "name": "contribution.h.1.attn.z", "at": [1, 0]}, "is of 261 logits here; at most 64"),
        ({"ask": "number", "name": "wte", "index": [0, 0], "most": -1}, "most must be"),
    ],
    ids=str,
)
def test_bad_fields_of_a_trace(explorer, key, fields, message):
    answer = explorer.answer({**fields, "trace": key})
    assert message in answer["error"], answer


ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["wte", "h.0.attn.z"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)
FIELDS = [
    "text", "prompt", "ids", "engine", "precision", "change", "name", "at", "index", "most", "layer", "head",
    "position", "positions", "top", "points", "token", "temperature", "top_k", "top_p", "seed", "draw", "search",
    "offset", "limit",
    "clean", "corrupt", "answer", "wrong", "kind", "special",
]  # fmt: skip


@given(st.sampled_from(list(QUESTIONS)), st.dictionaries(st.sampled_from(FIELDS), ANYTHING, max_size=5), st.booleans())
@settings(max_examples=400, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_request_raises(explorer, key, question, fields, with_trace):
    answer = explorer.answer({"ask": question, **fields, **({"trace": key} if with_trace else {})})
    assert isinstance(answer, dict)
    json.dumps(answer, allow_nan=False)
    assert "\n" not in answer.get("error", "")


def test_deep_nesting(explorer):
    deep = []
    for _ in range(100_000):
        deep = [deep]
    assert "error" in explorer.answer({"ask": "trace", "prompt": "a", "change": deep})
    assert "error" in explorer.answer({"ask": deep})


def test_texts_that_are_markup_come_back_as_they_are(ask):
    text = "<script>alert(1)</script>&amp;\x1b]0;x\x07\u202e"
    trace = ask("trace", prompt=text)
    assert b"".join(bytes(token["bytes"]) for token in trace["tokens"]).decode() == text
    shown = "".join(token["shown"] for token in trace["tokens"])
    assert shown == r"<script>alert(1)</script>&amp;\x1b]0;x\x07" + r"\xe2\x80\xae"  # one byte a token


def test_an_empty_prompt_is_the_end_of_text(ask):
    assert ask("trace", prompt="")["ids"] == [260]


def test_memory_is_bounded(folder, monkeypatch):
    explorer = Explorer(folder, "tiny")
    try:
        first = explorer.answer({"ask": "trace", "prompt": "one"})
        monkeypatch.setattr(traces, "MOST_KEPT", 3 * first["numbers"])
        keys = [explorer.answer({"ask": "trace", "prompt": f"on{n}"})["trace"] for n in range(6)]
        kept = ["error" not in explorer.answer({"ask": "values", "trace": key, "name": "wte"}) for key in keys]
        assert sum(kept) in (2, 3)
        assert kept == sorted(kept)  # the latest are kept
        assert explorer.answer({"ask": "values", "trace": first["trace"], "name": "wte"})["gone"] is True
        monkeypatch.setattr(traces, "MOST_OF_ONE", 1000)
        refused = explorer.answer({"ask": "trace", "prompt": "another one"})
        assert "at most 0 million are kept: shorten the prompt" in refused["error"]
    finally:
        explorer.close()


def test_a_cancelled_question_leaves_the_explorer_usable(explorer, ask):
    class Cancelled(BaseException):
        pass

    def cancel(done, of, text):
        if done > 5:
            raise Cancelled

    with pytest.raises(Cancelled):
        explorer.answer({"ask": "trace", "prompt": "on the on"}, cancel)
    assert ask("trace", prompt="on the on")["names"][0]["name"] == "wte"


def test_large_tables_are_read_row_by_row(folder, monkeypatch):
    monkeypatch.setattr(stored_weights, "_LARGE", 100)
    explorer, other = Explorer(folder, "tiny"), Explorer(folder, "tiny")
    try:
        monkeypatch.setattr(stored_weights, "_MOST_BYTES", 5000)
        for name, at in (
            ("wte.weight", [5]),
            ("h.1.mlp.c_fc.weight", []),
            ("lm_head.weight", [260, 3]),
            ("wpe.weight", []),
        ):
            found = explorer.answer({"ask": "values", "name": name, "at": at})
            monkeypatch.setattr(stored_weights, "_LARGE", 1 << 30)
            assert other.answer({"ask": "values", "name": name, "at": at}) == found
            monkeypatch.setattr(stored_weights, "_LARGE", 100)
        key = explorer.answer({"ask": "trace", "prompt": PROMPT})["trace"]
        story = explorer.answer({"ask": "number", "trace": key, "name": "logits", "index": [1, 2]})
        key = other.answer({"ask": "trace", "prompt": PROMPT})["trace"]
        assert story == other.answer({"ask": "number", "trace": key, "name": "logits", "index": [1, 2]})
    finally:
        explorer.close()
        other.close()


def test_contributions_to_one_logit_are_given_whole(ask, key):
    channels = ask("values", trace=key, name="contribution.h.1.attn.c_proj.weight", at=[0, 7])["values"]
    assert len(channels) == 12


def test_a_lens_of_too_many_tokens_is_refused(explorer, key, monkeypatch):
    asked = {"ask": "lens", "trace": key}
    tokens = len(explorer.answer({**asked, "top": 1})["points"][0]["positions"])
    monkeypatch.setattr(lens_answers, "_MOST_TOKENS", 9 * tokens * 5)
    assert "points" in explorer.answer({**asked, "top": 5})
    assert "at most" in explorer.answer({**asked, "top": 6})["error"]


def test_rows_that_are_remembered_count_as_memory(folder, monkeypatch):
    opened = Explorer(folder, "tiny", engine="reference")
    try:
        first = opened.answer({"ask": "trace", "ids": [5, 6, 7]})
        monkeypatch.setattr(traces, "MOST_KEPT", 3 * first["numbers"])
        opened.answer({"ask": "lens", "trace": first["trace"]})
        opened.answer({"ask": "trace", "ids": [8]})
        assert opened.answer({"ask": "map", "trace": first["trace"]})["gone"]
    finally:
        opened.close()
