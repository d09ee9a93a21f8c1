"""The bound of the packed engine's rounding holds, and is not much larger than what happens."""

from random import Random

import pytest

from starport.explorer.explorer import Explorer
from tests.tiny_model import write_tiny_model

PRODUCTS = ("c_attn", "scores", "attn.z", "attn.c_proj", "c_fc", "mlp.c_proj", "logits")


@pytest.fixture(scope="module", params=["plain", "outliers", "wide"])
def model(request, tmp_path_factory):
    """Return a model; with numbers a thousand times larger, or of more channels than a group has."""
    options = {
        "plain": {"n_layer": 1},
        "outliers": {"scale": 30.0, "n_layer": 1, "tie_word_embeddings": False},
        "wide": {"n_embd": 150, "n_head": 2, "n_layer": 1},
    }[request.param]
    return write_tiny_model(tmp_path_factory.mktemp("rounding"), seed=2, **options)


@pytest.mark.parametrize("precision", ["full", "fast"])
def test_no_rounding_is_larger_than_its_bound(model, precision):
    random, nearest = Random(3), dict.fromkeys(PRODUCTS, 0.0)
    explorer = Explorer(model, "rounded", precision=precision)
    try:
        trace = explorer.answer({"ask": "trace", "ids": [5, 17, 260, 31, 90, 2, 44]})
        for each in trace["names"]:
            kind = next((kind for kind in PRODUCTS if each["name"].endswith(kind)), None)
            for _ in range(150 if kind else 10):
                index = [random.randrange(size) for size in each["shape"]]
                story = explorer.answer(
                    {"ask": "number", "trace": trace["trace"], "name": each["name"], "index": index}
                )
                rounding = story["rounding"]
                if rounding is None:
                    assert story["value"] == story["result"]
                    continue
                assert kind, each["name"]  # nothing else is rounded
                assert abs(rounding["value"]) <= rounding["bound"], (each["name"], index, rounding)
                nearest[kind] = max(nearest[kind], abs(rounding["value"]) / rounding["bound"])
    finally:
        explorer.close()
    # All errors of a sum have one sign only by chance: some hundredth of the bound is usual for a hundred terms.
    assert min(nearest.values()) > 1e-3, nearest


def test_the_lens_has_a_bound_too(model):
    explorer = Explorer(model, "rounded")
    try:
        key = explorer.answer({"ask": "trace", "ids": [5, 17, 260]})["trace"]
        name = "lens.h.0.resid_mid.logits"
        stories = [explorer.answer({"ask": "number", "trace": key, "name": name, "index": [1, v]}) for v in range(40)]
        assert any(story["rounding"] for story in stories)
        for story in stories:
            assert not story["rounding"] or abs(story["rounding"]["value"]) <= story["rounding"]["bound"]
    finally:
        explorer.close()
