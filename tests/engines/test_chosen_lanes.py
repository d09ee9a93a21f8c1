"""Which lanes a model gets: for each matrix from its weights, and in fast precision from a comparison of two widths."""

import logging
import random
from array import array
from dataclasses import replace
from math import exp, inf, log, nan

import pytest

from starchart import GPT2
from starchart.engines import reference
from starchart.engines.packed import calibration, packed_model
from starchart.engines.packed.arithmetic.lanes import FAST, FULL, with_wider
from starchart.engines.packed.calibration import calibration_texts, divergence
from starchart.engines.packed.lane_choice import FEW_ROWS, HEAVY_TAILS, lanes_by_name, spread
from starchart.engines.packed.pack_cache import PackCache
from starchart.engines.packed.packed_engine import PackedEngine
from starchart.engines.packed.shard import ShardGroup
from starchart.engines.packed.shard_filling import ShardFiller
from starchart.errors import CheckpointError
from tests.engines.packed_numbers import gaussian, seeded
from tests.tiny_model import write_tiny_model

NARROW, WIDE = FULL.weights
IDS = [random.Random(3).randrange(261) for _ in range(16)]


def heavy(rng, rows, columns):
    return [array("d", [rng.gauss(0, 1) * exp(rng.gauss(0, 1)) for _ in range(columns)]) for _ in range(rows)]


@pytest.mark.parametrize("columns", [1, 63, 64, 200])
def test_heavy_tails_and_few_rows_get_wide_lanes(columns):
    rng = seeded(columns)
    layers = {
        "usual": gaussian(rng, FEW_ROWS, columns),
        "few": gaussian(rng, FEW_ROWS - 1, columns),
        "heavy": heavy(rng, FEW_ROWS, columns),
        "zeros": [array("f", [0.0] * columns)] * FEW_ROWS,
    }
    chosen = lanes_by_name(layers, gaussian(rng, columns, FEW_ROWS), FULL.weights)
    assert chosen == {"usual": NARROW, "few": WIDE, "heavy": WIDE, "zeros": NARROW, "lm_head": NARROW}
    assert lanes_by_name({}, heavy(rng, columns, FEW_ROWS), FULL.weights) == {"lm_head": WIDE}
    assert lanes_by_name(layers, layers["heavy"], FAST.weights) == dict.fromkeys(chosen, FAST.weights[0])


def test_the_spread_is_the_mean_square_of_the_peaks():
    assert spread([[1.0, -1.0, 1.0], [0.0, 0.0, 3.0], [0.0, 0.0, 0.0]]) == (1.0 + 3.0 + 0.0) / 3
    assert (
        spread([[1e-170, 1e-170], [1e170, 0.0], [5e-324, 0.0]]) == (1.0 + 2.0 + 2.0) / 3
    )  # their squares are no floats
    assert spread(list(zip(*gaussian(seeded(1), 768, 64), strict=True))) < HEAVY_TAILS < spread([[1.0] + [0.1] * 40])


@pytest.mark.parametrize("bad", [inf, nan])
def test_weights_that_are_not_finite_are_refused_as_ever(tmp_path, bad):
    gpt2 = GPT2.from_pretrained(write_tiny_model(tmp_path), reference)
    table = [[*row[:-1], bad] for row in gpt2.weights["wte.weight"]]
    weights = replace(gpt2._weights, wte=replace(gpt2._weights.wte, weight=table))
    with pytest.raises(CheckpointError, match="an infinity or NaN"):
        GPT2(gpt2.config, weights, PackedEngine())


def test_the_narrowest_precision_within_the_limits_is_chosen(tmp_path, monkeypatch):
    """`divergence` is replaced: it is asked about 20 bits first, then about 24, for each of four texts."""
    fast, wider, widest = with_wider(FAST)
    folder, mean, text = write_tiny_model(tmp_path), calibration.MOST_NATS, calibration.MOST_IN_A_TEXT
    for found, expected in [
        ([0.0] * 4, fast),
        ([mean] * 4, fast),
        ([text, text, 0.0, 0.0], fast),
        ([text, text, 1e-6, 0.0, mean, mean, mean, mean], wider),
        ([1.01 * text, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, text], wider),
        ([inf] * 4 + [0.0] * 4, wider),
        ([1.0] * 4 + [0.0, 0.0, 0.0, 1.01 * text], widest),
        ([nan] * 8, widest),
    ]:
        answers = iter(found)
        monkeypatch.setattr(calibration, "divergence", lambda *_, answers=answers: next(answers))
        with GPT2.from_pretrained(folder, PackedEngine(FAST)) as gpt2:
            assert gpt2._engine._packed.precision is expected
        assert next(answers, None) is None  # no comparison was left out


def test_divergence_is_that_of_a_textbook():
    truth, ours = [[log(0.5), log(0.25), log(0.25)], [0.0, 0.0, 5.0]], [[log(0.2), log(0.4), log(0.4)], [1.0, 1.0, 6.0]]
    expected = 0.5 * log(0.5 / 0.2) + 2 * 0.25 * log(0.25 / 0.4)  # the second rows are the same distribution
    assert divergence(ours, truth) == pytest.approx(expected / 2, rel=1e-13)  # a few roundings of logits of size 5
    assert divergence([[1.0, nan]], [[1.0, 2.0]]) == inf
    assert divergence([[1.0, 2.0]], [[1.0, inf]]) == inf


def test_calibration_reads_tokens_from_all_over_the_vocabulary():
    texts = calibration_texts(50257, 1024)
    assert [len(ids) for ids in texts] == [8] * 4
    tokens = {token for ids in texts for token in ids}
    assert len(tokens) == 32
    assert max(tokens) > 40000
    assert calibration_texts(1, 5) == [[0] * 5] * 4
    assert all(0 <= token < 261 for ids in calibration_texts(261, 16) for token in ids)


def sharper(folder, factor):
    """Write a model with an untied head whose logits are `factor` times as large."""
    write_tiny_model(folder, seed=6, n_layer=1, tie_word_embeddings=False)
    gpt2 = GPT2.from_pretrained(folder, reference)
    ln_f = gpt2._weights.ln_f
    scaled = replace(ln_f, weight=[factor * g for g in ln_f.weight], bias=[factor * b for b in ln_f.bias])
    return gpt2.config, replace(gpt2._weights, ln_f=scaled)


@pytest.mark.parametrize("workers", [1, 2])
def test_models_that_need_more_get_wider_lanes_and_say_so(tmp_path, caplog, workers):
    widths = []
    for factor in (0.02, 1.0, 30.0):
        caplog.clear()
        config, weights = sharper(tmp_path, factor)
        truth = GPT2(config, weights, reference).logits(IDS)
        with caplog.at_level(logging.WARNING, "starchart"), GPT2(config, weights, PackedEngine(FAST, workers)) as gpt2:
            assert divergence(gpt2.logits(IDS), truth) < 5e-4
            widths.append(gpt2._engine._packed.precision.weights[0].width)
        told = [record.getMessage() for record in caplog.records]
        assert bool(told) == (widths[-1] > 20)
        assert all(f"needs lanes of {widths[-1]} bits, not 20" in line for line in told)
    assert widths == sorted(widths)
    assert len(set(widths)) > 1
    assert widths[0] == 20


def test_the_choice_is_kept_in_the_pack(tmp_path, monkeypatch):
    folder, cache = write_tiny_model(tmp_path / "model", seed=6, scale=2.0), PackCache(tmp_path / "cache", 10**9)
    packed = []
    pack = ShardFiller.pack_layer
    monkeypatch.setattr(ShardFiller, "pack_layer", lambda *arguments: (packed.append(1), pack(*arguments))[1])

    def run(workers=1):
        with GPT2.from_pretrained(folder, PackedEngine(FAST, workers, cache)) as gpt2:
            return gpt2._engine._packed.precision.weights[0].width, gpt2.logits(IDS)

    first = run()
    assert first[0] > 20
    ((title, _, _),) = cache.packs()  # what was packed to compare with is gone
    assert title.endswith(f"(fast, lanes of {first[0]} bits)")
    packed.clear()
    assert run() == first == run(workers=2)
    assert not packed
    (entry,) = cache.folder.iterdir()
    (entry / "slice-000.bin").write_bytes(b"damaged")
    assert run() == first
    assert packed


def test_lanes_of_both_widths_in_one_model(tmp_path):
    """c_proj of the feed-forward network has 600 rows, all other matrices 12."""
    folder, cache = write_tiny_model(tmp_path / "model", seed=8, n_inner=600), PackCache(tmp_path / "cache", 10**9)
    found = []
    for workers in (1, 2, 3, 1):
        with GPT2.from_pretrained(folder, PackedEngine(FULL, workers, cache)) as gpt2:
            lanes = {name: matrix.lanes for name, matrix in gpt2._engine._group.shard.matrices.items()}
            found.append((lanes, gpt2.logits(IDS)))
    assert found == found[:1] * 4
    assert {name for name, own in found[0][0].items() if own == NARROW} == {"h.0.mlp.c_proj", "h.1.mlp.c_proj"}
    assert cache.packs()[0][0].endswith("(full, lanes of 52 and 56 bits)")
    truth = GPT2.from_pretrained(folder, reference).logits(IDS)
    assert divergence(found[0][1], truth) < 1e-12


@pytest.mark.parametrize(
    ("place", "name"),
    [(PackCache, "keep"), (packed_model.layout, "lay_out_matrices"), (calibration, "is_small")],
    ids=["keeping", "preparing", "comparing"],
)
@pytest.mark.parametrize("precision", [FULL, FAST], ids=["full", "fast"])
def test_an_interrupt_while_a_model_is_opened_leaves_no_files_and_no_processes(
    tmp_path, monkeypatch, place, name, precision
):
    folder, cache = write_tiny_model(tmp_path / "model", seed=6), PackCache(tmp_path / "cache", 10**9)
    groups = []
    start = ShardGroup.__init__
    monkeypatch.setattr(ShardGroup, "__init__", lambda *arguments: (groups.append(arguments[0]), start(*arguments))[1])

    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(place, name, interrupted)
    if (precision, name) == (FULL, "is_small"):  # nothing is compared
        GPT2.from_pretrained(folder, PackedEngine(FULL, 2, cache)).close()
    else:
        with pytest.raises(KeyboardInterrupt):
            GPT2.from_pretrained(folder, PackedEngine(precision, 2, cache))
        assert not list(cache.folder.iterdir())
    assert groups
    assert [group.size for group in groups] == [1] * len(groups)  # no worker is left
