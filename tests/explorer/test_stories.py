"""Every story adds up: each line by its rule, the last line to the number, every operand back to a weight."""

import json
from fractions import Fraction
from math import exp, isclose, prod, sqrt
from random import Random
from statistics import NormalDist

import pytest

from tests.house.source_tree import ROOT

# The exact rules, by fractions or correctly rounded floats: nothing of ours is used to check them.
EXACT = {
    "copy": lambda values, count: values[0],
    "sum": lambda values, count: float(sum(map(Fraction, values))),
    "dot": lambda values, count: float(sum(map(Fraction, values))),
    "mean": lambda values, count: float(sum(map(Fraction, values))) / count,
    "mean_square": lambda values, count: float(sum(map(Fraction, values))) / count,
    "add": lambda values, count: values[0] + values[1],
    "subtract": lambda values, count: values[0] - values[1] if len(values) == 2 else values[0] - values[1] - values[2],
    "multiply": lambda values, count: values[0] * values[1] if len(values) == 2 else values[0] * values[1] * values[2],
    "divide": lambda values, count: values[0] / values[1],
    "root": lambda values, count: sqrt(values[0] + values[1]),
    "max": lambda values, count: max(values),
    "masked": lambda values, count: 0.0,
}
# Functions of the platform: at most a few ulps from ours.
CLOSE = {"exp": exp, "normal_cdf": NormalDist().cdf}


def check_line(line, lines):
    for operand in line["operands"]:
        if "factors" in operand:
            assert prod(factor["value"] for factor in operand["factors"]) == operand["value"]
        if "line" in operand:
            assert lines[operand["line"]]["value"] == operand["value"]
    values = [operand["value"] for operand in line["operands"]]
    count = len(values)
    if line["rest"]:
        values += line["rest"]["values"]
        count += line["rest"]["count"]
    if line["rule"] in CLOSE:
        assert isclose(line["value"], CLOSE[line["rule"]](values[0]), rel_tol=1e-13)
    else:
        assert EXACT[line["rule"]](values, count) == line["value"], line


def operands_of(story):
    """Yield the operands of a story that have a story of their own."""
    for line in story["lines"]:
        for operand in line["operands"]:
            yield from (each for each in (operand, *operand.get("factors", ())) if "name" in each)


def check_story(story):
    for line in story["lines"]:
        check_line(line, story["lines"])
    assert story["lines"][-1]["value"] == story["result"]
    rounding = story["rounding"]["value"] if story["rounding"] else 0.0
    # The difference of two floats that are close together is exact, so the sum is the number itself.
    assert story["result"] + rounding == story["value"]


def names(ask):
    model = ask("model")
    return [value["name"] for value in model["values"]]


DERIVED = [
    "h.1.resid_mid.norm",
    "wpe.norm",
    "probabilities",
    "h.2.attn.given",
    "lens.h.1.resid_mid.normalised",
    "lens.h.1.resid_mid.logits",
    "lens.h.1.resid_pre.logits",
    "lens.h.0.resid_post.probabilities",
    "contribution.wte",
    "contribution.wpe",
    "contribution.h.1.attn.z",
    "contribution.h.2.attn.c_proj.bias",
    "contribution.h.0.mlp.c_proj",
    "contribution.ln_f.bias",
    "contribution.direction",
    "contribution.h.1.attn.c_proj.weight",
]


def number_at(values, index):
    for place in index:
        values = values[place]
    return values


def test_every_value_s_story_adds_up(ask, trace, way):
    random = Random(5)
    rounded = set()
    for name in names(ask):
        start = ask("values", trace=trace["trace"], name=name)
        for _ in range(12):
            index = [random.randrange(size) for size in start["shape"]]
            story = ask("number", trace=trace["trace"], name=name, index=index)
            assert json.loads(json.dumps(story)) == story
            assert story["value"] == number_at(start["values"], index)
            check_story(story)
            if story["rounding"]:
                rounded.add(story["operation"])
    products = {"linear", "attention_scores", "matrix_multiply", "output_projection"}
    assert rounded == (set() if way["engine"] == "reference" else products)


@pytest.mark.parametrize("name", DERIVED)
def test_every_derived_value_s_story_adds_up(ask, trace, name):
    random = Random(name)
    tokens = len(trace["ids"])
    places = {
        "lens.h.1.resid_mid.normalised": [tokens, 12],
        "contribution.h.1.attn.z": [2, tokens, 261],
        "h.2.attn.given": [2, tokens, tokens],
    }
    sizes = places.get(name, [tokens, 261, 12])
    for _ in range(6):
        index = [random.randrange(size) for size in sizes]
        story = ask("number", trace=trace["trace"], name=name, index=index[: rank(name)])
        check_story(story)
        shown = ask("values", trace=trace["trace"], name=name, at=index[: rank(name)])["values"]
        assert shown == story["value"]
        assert story["kind"] == "derived"


def rank(name):
    if name.endswith(".norm"):
        return 1
    return (
        3 if name in ("contribution.h.1.attn.z", "h.2.attn.given", "contribution.direction") or "weight" in name else 2
    )


def test_every_operand_goes_back_to_a_weight(ask, trace):
    """From one logit to the file: every operand with a name is a number with the same value and its own story."""
    key, random = trace["trace"], Random(1)
    for start in (("logits", [3, 44]), ("contribution.h.1.attn.z", [1, 2, 7]), ("lens.h.2.resid_pre.logits", [2, 9])):
        name, index = start
        steps, seen = 0, set()
        while True:
            story = ask("number", trace=key, name=name, index=index, most=10_000)
            if story["kind"] == "weight":
                break
            found = list(operands_of(story))
            for operand in found[:: max(1, len(found) // 10)]:
                again = ask("number", trace=key, name=operand["name"], index=operand["index"])
                assert again["value"] == operand["value"]
            seen.add(story["operation"])
            values = [operand for operand in found if not operand["name"].endswith((".weight", ".bias"))]
            values = [operand for operand in values if operand["value"]]  # a hidden position has no operands
            chosen = random.choice(values or found)
            name, index, steps = chosen["name"], chosen["index"], steps + 1
            assert steps < 100
        assert name in ("wte.weight", "wpe.weight")
        assert len(seen) >= 4
        assert story["stored"] == {"file": "model.safetensors", "tensor": f"transformer.{name}", "dtype": "F32"}


def test_the_source_is_that_of_the_file(ask, trace):
    for name in (*names(ask), *DERIVED):
        index = [0] * rank(name) if name in DERIVED else None
        if index is None:
            shape = next(each["shape"] for each in trace["names"] if each["name"] == name)
            index = [0] * len(shape)
        source = ask("number", trace=trace["trace"], name=name, index=index)["source"]
        lines = (ROOT / source["file"]).read_text(encoding="utf-8").splitlines()
        start = source["line"] - 1
        assert lines[start : start + len(source["lines"])] == source["lines"]
        assert source["lines"][0].startswith(f"def {source['function']}(")
        after = lines[start + len(source["lines"]) :]
        assert not after or not after[0].startswith(" ")  # the whole function


def test_the_largest_terms_come_first(ask, trace):
    few = ask("number", trace=trace["trace"], name="h.1.mlp.c_proj", index=[2, 3], most=4)["lines"][0]
    every = ask("number", trace=trace["trace"], name="h.1.mlp.c_proj", index=[2, 3], most=100)["lines"][0]
    assert (len(few["operands"]), few["rest"]["count"], every["rest"]) == (4, 13, None)
    sizes = sorted((abs(operand["value"]) for operand in every["operands"]), reverse=True)
    assert [abs(operand["value"]) for operand in few["operands"]] == sizes[:4]


def test_a_changed_number_says_what_it_was(ask, trace, way):
    name, index = "h.1.attn.z", [1, 2, 3]
    before = ask("number", trace=trace["trace"], name=name, index=index)
    change = {"kind": "ablate_head", "layer": 1, "head": 1}
    key = ask("trace", prompt="the one on then", **way, change=[change])["trace"]
    after = ask("number", trace=key, name=name, index=index)
    assert after["value"] == 0.0
    assert after["change"]["before"] == before["value"]
    assert (after["result"], after["rounding"], after["lines"]) == (
        before["result"],
        before["rounding"],
        before["lines"],
    )
    other = ask("number", trace=key, name=name, index=[0, 2, 3])
    assert (other["change"], other["value"]) == (
        None,
        ask("number", trace=trace["trace"], name=name, index=[0, 2, 3])["value"],
    )
    below = ask("number", trace=key, name="h.1.attn.c_proj", index=[2, 3])
    check_story(below)
