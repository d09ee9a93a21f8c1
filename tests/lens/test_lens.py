"""The lens, held against other ways to the same numbers: patched runs, changed checkpoints, the formula itself."""

from operator import mul

import pytest

from starchart import GPT2
from starchart.errors import GenerationError, RequestError
from starchart.lens import ablate_feed_forward, ablate_heads, contributions, logit_lens, patch_residual
from starchart.lens.logit_lens import stream_points
from starchart.lens.patching import KINDS
from starchart.tap import Changes, Recording
from tests.tiny_model import DEFAULTS, safetensors_bytes, tiny_tensors, write_tiny_model

IDS, CORRUPT = [5, 5, 200, 31, 90], [5, 17, 200, 44, 90]
MODELS = {"tied": {}, "untied, one head": {"tie_word_embeddings": False, "n_head": 1, "n_layer": 3, "n_inner": 17}}


@pytest.fixture(scope="module", params=MODELS)
def folder(request, tmp_path_factory):
    return write_tiny_model(tmp_path_factory.mktemp("lens"), seed=5, **MODELS[request.param])


@pytest.fixture(scope="module", params=["reference", "packed"])
def gpt2(request, folder):
    with GPT2.from_pretrained(folder, request.param, pack_cache=False) as opened:
        yield opened


def test_the_lens_is_what_the_model_says_if_the_stream_ends_there(gpt2):
    with Recording() as recording:
        gpt2.logits(IDS, tap=recording)
    last = stream_points(gpt2.config)[-1]
    for position in (0, 3, -1):
        lens = logit_lens(gpt2, IDS, position)
        assert list(lens) == stream_points(gpt2.config)
        for point, row in lens.items():
            with Changes({last: lambda _, point=point: recording[point]}) as tap:
                assert gpt2.logits(IDS, tap=tap)[position] == row, point


def test_one_point(gpt2):
    assert logit_lens(gpt2, IDS, points=["h.1.resid_mid"])["h.1.resid_mid"] != gpt2.logits(IDS)[-1]
    assert logit_lens(gpt2, IDS, points=[]) == {}
    with pytest.raises(RequestError, match="is no point of the residual stream"):
        logit_lens(gpt2, IDS, points=["h.9.resid_mid"])
    with pytest.raises(RequestError, match="no position 5: the prompt has 5 tokens, 0 to 4"):
        logit_lens(gpt2, IDS, 5)


def test_contributions_add_up_to_the_logit(gpt2):
    logits = gpt2.logits(IDS)
    # The reference engine rounds some hundred operations to 2^-53 each. The packed one rounds products to 2^-20 of
    # their size at worst, and its sum is that of values that it has rounded.
    close = 1e-12 if "reference" in repr(gpt2) else 1e-5
    for position in range(len(IDS)):
        for token in (0, 31, 260):
            parts = contributions(gpt2, IDS, token, position)
            sizes = sum(abs(part.value) for part in parts)
            assert abs(sum(part.value for part in parts) - logits[position][token]) <= close * sizes


def test_contributions_are_those_of_the_formula(gpt2):
    """Each part alone, through the last layer norm with the deviation of the whole stream."""
    with Recording() as recording:
        gpt2.logits(IDS, tap=recording)
    position, token = 3, 44
    found = {(part.name, part.head): part.value for part in contributions(gpt2, IDS, token, position)}
    layers, heads, width = gpt2.config.n_layer, gpt2.config.n_head, gpt2.config.n_embd
    stream = recording[f"h.{layers - 1}.resid_post"][position]
    mean = sum(stream) / width
    deviation = (sum((x - mean) ** 2 for x in stream) / width + gpt2.config.layer_norm_epsilon) ** 0.5
    row = gpt2.weights["lm_head.weight" if "lm_head.weight" in gpt2.weights else "wte.weight"][token]

    def logit_of(part):
        scaled = [(x - sum(part) / width) / deviation for x in part]
        return sum(map(mul, row, map(mul, gpt2.weights["ln_f.weight"], scaled)))

    expected = {(name, None): logit_of(recording[name][position]) for name in ("wte", "wpe")}
    expected["ln_f.bias", None] = sum(map(mul, row, gpt2.weights["ln_f.bias"]))
    size = width // heads
    for n in range(layers):
        weight = gpt2.weights[f"h.{n}.attn.c_proj.weight"]
        for head in range(heads):
            z = recording[f"h.{n}.attn.z"][head][position]
            written = [sum(z[d] * weight[head * size + d][c] for d in range(size)) for c in range(width)]
            expected[f"h.{n}.attn.z", head] = logit_of(written)
        expected[f"h.{n}.attn.c_proj.bias", None] = logit_of(gpt2.weights[f"h.{n}.attn.c_proj.bias"])
        expected[f"h.{n}.mlp.c_proj", None] = logit_of(recording[f"h.{n}.mlp.c_proj"][position])
    assert found.keys() == expected.keys()
    for key, value in expected.items():  # a hundred roundings of numbers below 100
        assert found[key] == pytest.approx(value, rel=1e-11, abs=1e-11), key


def test_contributions_refuse(gpt2):
    with pytest.raises(GenerationError, match="token id 261 is not one of the model's 261"):
        contributions(gpt2, IDS, 261)
    with pytest.raises(RequestError, match="no position -6"):
        contributions(gpt2, IDS, 0, -6)


def without(folder, tmp_path, options, names, rows=None):
    """Write the model of `folder` once more, with these tensors, or rows of them, zero."""
    values = DEFAULTS | options
    tensors = tiny_tensors(values, 5)
    for name in names:
        shape, numbers = tensors[f"transformer.{name}"]
        kept = range(*rows) if rows and len(shape) == 2 else range(shape[0])
        width = shape[1] if len(shape) == 2 else 1
        for row in kept:
            for column in range(width):
                numbers[row * width + column] = 0.0
    write_tiny_model(tmp_path, seed=5, **options)
    (tmp_path / "model.safetensors").write_bytes(safetensors_bytes(tensors))
    return tmp_path


def test_a_head_that_is_off_is_one_whose_rows_of_c_proj_are_zero(tmp_path):
    options = {}
    whole = write_tiny_model(tmp_path / "whole", seed=5, **options)
    changed = without(whole, tmp_path / "changed", options, ["h.1.attn.c_proj.weight"], (4, 8))
    with GPT2.from_pretrained(whole) as gpt2, GPT2.from_pretrained(changed) as other:
        expected = other.logits(IDS)
        assert ablate_heads(gpt2, IDS, [(1, 1)]) == expected != gpt2.logits(IDS)
        assert ablate_heads(gpt2, IDS, [(1, 1), (1, 2)]) != expected
        assert ablate_heads(gpt2, IDS, []) == gpt2.logits(IDS)
        for head, wrong in (((2, 0), "no block 2"), ((0, 3), "no head 3"), ((-1, 0), "no block -1")):
            with pytest.raises(RequestError, match=wrong):
                ablate_heads(gpt2, IDS, [head])


def test_a_network_that_is_off_is_one_whose_c_proj_is_zero(tmp_path):
    options = {"n_inner": 17}
    whole = write_tiny_model(tmp_path / "whole", seed=5, **options)
    changed = without(whole, tmp_path / "changed", options, ["h.0.mlp.c_proj.weight", "h.0.mlp.c_proj.bias"])
    with GPT2.from_pretrained(whole) as gpt2, GPT2.from_pretrained(changed) as other:
        assert ablate_feed_forward(gpt2, IDS, [0]) == other.logits(IDS) != gpt2.logits(IDS)
        with pytest.raises(RequestError, match="no block 2: they are numbered 0 to 1"):
            ablate_feed_forward(gpt2, IDS, [2])


@pytest.mark.parametrize("kind", KINDS)
def test_patching_is_a_run_of_the_whole_prompt_with_one_value_changed(gpt2, kind):
    with Recording() as clean:
        gpt2.logits(IDS, tap=clean)
    seen = []
    found = patch_residual(gpt2, IDS, CORRUPT, 31, 44, kind, lambda done, of: seen.append((done, of)))
    assert seen == [(n, len(found) * len(IDS)) for n in range(len(found) * len(IDS))]

    def patched(value, source, position):
        if kind == "attn.z":
            return [
                [source[h][t] if t == position else row for t, row in enumerate(rows)] for h, rows in enumerate(value)
            ]
        return [source[t] if t == position else row for t, row in enumerate(value)]

    for n, effects in enumerate(found):
        name = f"h.{n}.{kind}"
        for position, effect in enumerate(effects):
            change = {name: lambda value, n=name, t=position: patched(value, clean[n], t)}
            with Changes(change) as tap:
                logits = gpt2.logits(CORRUPT, tap=tap)[-1]
            assert logits[31] - logits[44] == effect, (name, position)


def test_patching_refuses(gpt2):
    with pytest.raises(RequestError, match="equally many tokens: the first has 5, the second 4"):
        patch_residual(gpt2, IDS, CORRUPT[:4], 1, 2)
    with pytest.raises(RequestError, match="'logits' cannot be patched"):
        patch_residual(gpt2, IDS, CORRUPT, 1, 2, "logits")
    with pytest.raises(GenerationError, match="token id 500"):
        patch_residual(gpt2, IDS, CORRUPT, 1, 500)
