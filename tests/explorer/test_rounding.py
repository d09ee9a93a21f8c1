"""The bound of the packed engine's rounding holds, and is not much larger than what happens."""

from fractions import Fraction
from random import Random

import pytest

from starchart import GPT2
from starchart.engines.packed.arithmetic.lanes import Lanes
from starchart.engines.packed.arithmetic.quantised_vectors import group_norms, round_for, vector_scales
from starport.explorer.explorer import Explorer
from starport.explorer.packed_arithmetic import matrix_arithmetic
from starport.explorer.rounding_bounds import linear_bound
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


def test_the_rounding_of_the_vector_is_in_the_bound():
    """Weights of 1 and -1 are exact. The vector is made so that all its roundings go the same way.

    The first 64 numbers decide the scale; the others are just below, or above, the middle between two whole numbers.
    """
    lanes, bound = Lanes(20, 8), 64 * 127**2
    column, x = [1.0, -1.0] * 64, [1.5] * 64 + [1.0] * 64
    _, unit, *_ = round_for(x, bound, lanes, "x")
    for i in range(64, 128):
        x[i] = (round(1.0 / unit) + 0.499 * column[i]) * unit
    numbers, again, *_ = round_for(x, bound, lanes, "x")
    assert again == unit
    rounded = sum(Fraction(unit) * (a - lanes.offset) * Fraction(w) for a, w in zip(numbers, column, strict=True))
    exact = sum(Fraction(a) * Fraction(w) for a, w in zip(x, column, strict=True))
    error = abs(rounded - exact)
    by_weights_alone = sum(x) / 127 / 2
    assert by_weights_alone < error <= linear_bound(x, column, 0.0, lanes, bound, [64, 64])


def test_the_bound_is_of_the_groups_of_the_engine():
    """A group does not go beyond the rows of one attention head, 40 here. All large numbers are in the second one."""
    lanes, bound, sizes = Lanes(24, 13), 64 * 4095**2, [40, 40, 40]
    x, column = [1.0 if 60 <= i < 68 else 0.3 for i in range(120)], [1.0] * 120
    scales = vector_scales(group_norms(x, sizes, "x"), bound, lanes)
    assert not scales.large
    assert linear_bound(x, column, 0.0, lanes, bound, sizes) >= sum(column) * scales.unit / 2
    assert linear_bound(x, column, 0.0, lanes, bound, [64, 56]) < sum(column) * scales.unit / 2  # it can fail


def test_the_groups_are_those_of_the_slices(tmp_path):
    model = write_tiny_model(tmp_path, seed=2, n_embd=150, n_head=2, n_layer=1)
    with GPT2.from_pretrained(model, "packed") as gpt2:
        shard = gpt2._engine._group.shard
        for name, matrix in shard.matrices.items():
            assert matrix_arithmetic(gpt2, f"{name}.weight") == (
                matrix.lanes, gpt2._engine._packed.filled.bounds[name], matrix.sizes,
            )  # fmt: skip
        assert shard.matrices["h.0.attn.c_proj"].sizes == [64, 11, 64, 11]
