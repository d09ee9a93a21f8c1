"""The packed engine against float64, beside torch's float32, and against itself where bits must agree."""

import random
from dataclasses import replace
from math import inf

import pytest
import torch
from transformers import GPT2LMHeadModel

from starchart.checkpoints.checkpoint import load_checkpoint
from starchart.checkpoints.stored_tensor import rows_of
from starchart.embeddings.embedding_lookup import EmbeddingWeights
from starchart.engines import reference
from starchart.engines.layout import lay_out_matrices
from starchart.engines.packed import limits
from starchart.engines.packed.arithmetic import packed_matrix
from starchart.engines.packed.arithmetic.lanes import FAST, FULL, Lanes, Precision
from starchart.engines.packed.limits import refuse_too_many_positions
from starchart.engines.packed.packed_engine import PackedEngine
from starchart.errors import ConsumedCacheError, EngineError, GenerationError
from starchart.generation.sampling import SamplingSettings
from starchart.gpt2 import GPT2
from starchart.model.config import GPT2Config
from starchart.tap import Changes, Recording, no_tap
from tests.data import shared
from tests.random_gpt2 import transformers_logits, write_random_gpt2
from tests.tiny_model import write_tiny_model

IDS = [random.Random(3).randrange(61) for _ in range(20)]


def rms(difference):
    return difference.pow(2).mean().sqrt().item()


def errors(folder, ids, precision):
    """Return the rms errors of the logits against float64: ours, and torch's in float32."""
    truth = transformers_logits(folder, ids)
    ours = torch.tensor(GPT2.from_pretrained(folder, engine=PackedEngine(precision)).logits(ids), dtype=torch.float64)
    model = GPT2LMHeadModel.from_pretrained(folder, dtype=torch.float32).eval()
    with torch.no_grad():
        theirs = model(torch.tensor([ids])).logits[0].double()
    return rms(ours - truth), rms(theirs - truth)


@pytest.mark.parametrize(
    "options",
    [{}, {"tie_word_embeddings": False}, {"n_head": 1, "n_layer": 1}, {"activation_function": "relu", "n_inner": 7}],
    ids=str,
)
def test_full_precision_is_closer_than_float32(tmp_path, options):
    write_random_gpt2(tmp_path, seed=4, **options)
    ours, theirs = errors(tmp_path, IDS, FULL)
    assert 0 < ours < theirs  # sums of 12 numbers are nearly exact in float32; bench/ has the bar of larger models


def test_full_precision_with_outlier_channels(tmp_path):
    # Five channels of the stream 50 to 500 times larger than the rest, as real GPT-2 has them.
    write_random_gpt2(tmp_path, seed=5, n_embd=60, n_layer=3, n_head=5)
    model = GPT2LMHeadModel.from_pretrained(tmp_path)
    with torch.no_grad():
        for channel, factor in zip([3, 17, 29, 44, 58], [50, 100, 200, 300, 500], strict=True):
            model.transformer.wte.weight[:, channel] *= factor
    model.save_pretrained(tmp_path)
    ours, theirs = errors(tmp_path, IDS, FULL)
    assert 0 < ours < 0.5 * theirs


@pytest.mark.parametrize(("precision", "most"), [(FULL, 1e-9), (FAST, 5e-4)], ids=["full", "fast"])
def test_tales_6m_in_nats(precision, most):
    folder = shared("models/tales-6m")
    ids = [random.Random(4).randrange(4096) for _ in range(40)]
    truth = transformers_logits(folder, ids)
    ours = torch.tensor(GPT2.from_pretrained(folder, engine=PackedEngine(precision)).logits(ids), dtype=torch.float64)
    divergence = (truth.softmax(-1) * (truth.log_softmax(-1) - ours.log_softmax(-1))).sum(-1).mean().item()
    assert abs(divergence) < most
    assert rms(ours - truth) > 0


@pytest.fixture
def folder(tmp_path):
    return write_tiny_model(tmp_path, seed=9, n_positions=300)


@pytest.mark.parametrize("precision", [FULL, FAST], ids=["full", "fast"])
@pytest.mark.parametrize("cuts", [[1], [5, 130], list(range(1, 140, 3))], ids=["1", "2", "many"])
def test_cached_logits_are_the_uncached_ones_bit_for_bit(folder, precision, cuts):
    gpt2 = GPT2.from_pretrained(folder, engine=PackedEngine(precision))
    ids = [random.Random(5).randrange(261) for _ in range(140)]
    rows, cache = [], None
    for start, end in zip([0, *cuts], [*cuts, 140], strict=True):
        part, cache = gpt2.read(ids[start:end], cache, last_only=False)
        rows += part
    assert rows == gpt2.logits(ids) == gpt2.logits(ids, tap=Recording())


def test_every_named_value_is_near_the_reference(folder):
    ours, theirs = Recording(), Recording()
    ids = [72, 101, 108, 108, 111]
    GPT2.from_pretrained(folder, engine=PackedEngine()).logits(ids, tap=ours)
    GPT2.from_pretrained(folder, engine=reference).logits(ids, tap=theirs)
    assert list(ours) == list(theirs)
    for name in ours:
        # Weights have 26 bits and numbers about 24: some 1e-7 of the largest value, and a few layers of it.
        a, b = (torch.tensor(recording[name], dtype=torch.float64) for recording in (ours, theirs))
        assert (a - b).abs().max() <= 1e-6 * b.abs().max(), name


def test_a_used_cache_raises_and_a_fork_has_its_own_future(folder):
    gpt2 = GPT2.from_pretrained(folder, engine=PackedEngine())
    _, cache = gpt2.read(IDS[:4])
    other = gpt2.fork(cache)
    one, _ = gpt2.read([1, 9], cache)
    with pytest.raises(ConsumedCacheError):
        gpt2.read([2], cache)
    two, _ = gpt2.read([2, 9], other)
    assert one == gpt2.logits([*IDS[:4], 1, 9], last_only=True)
    assert two == gpt2.logits([*IDS[:4], 2, 9], last_only=True)


@pytest.mark.parametrize("precision", [FULL, FAST], ids=["full", "fast"])
def test_bits_depend_on_no_workers_blocks_and_taps(folder, monkeypatch, precision):
    def rows(workers):
        with GPT2.from_pretrained(folder, engine=PackedEngine(precision, workers)) as gpt2:
            return gpt2.logits(IDS), gpt2.logits(IDS, tap=Recording())

    expected = rows(1)[0]
    assert [rows(workers) for workers in (1, 2, 3)] == [(expected, expected)] * 3
    for digits in (1, 7, 40):
        monkeypatch.setattr(packed_matrix, "_BLOCK_DIGITS", digits)
        assert rows(1) == (expected, expected)


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("count", [1, 5, 40, 261, 500])
def test_the_largest_logits_are_those_of_the_whole_row(folder, workers, count):
    with GPT2.from_pretrained(folder, engine=PackedEngine(FULL, workers)) as gpt2:
        steps = list(gpt2.steps([7, 8], SamplingSettings(temperature=0), max_new_tokens=5))
        pruned = [step.drawn_from.top(count) for step in steps]
        whole = [step.drawn_from.top(0) for step in steps]
    for some, row in zip(pruned, whole, strict=True):
        last = sorted(row)[-min(count, 261)]
        assert all(a == b or (a == -inf and b < last) for a, b in zip(some, row, strict=True))
    assert (count > 40) or any(-inf in row for row in pruned)


@pytest.mark.parametrize(
    "settings",
    [SamplingSettings(0), SamplingSettings(0.7, top_k=3, seed=1), SamplingSettings(1.9, 40, 0.8, 2)],
    ids=str,
)
def test_screening_changes_no_token(folder, settings):
    unpruned = replace(FULL, pruning=None)
    texts = []
    for precision in (FULL, unpruned):
        with GPT2.from_pretrained(folder, engine=PackedEngine(precision)) as gpt2:
            texts.append([step.token for step in gpt2.steps([7, 8, 9], settings, max_new_tokens=60)])
    assert texts[0] == texts[1]


def test_patched_values_reach_what_follows(folder):
    """A change at any tap changes the logits as it does in the reference engine."""
    ids = [72, 101, 108]
    for name in ("h.0.attn.c_attn", "h.0.attn.k", "h.1.attn.scores", "h.0.attn.z", "h.1.mlp.c_fc", "h.0.mlp.act"):
        ours, theirs = (
            gpt2.logits(ids, tap=Changes({name: doubled}))
            for gpt2 in (GPT2.from_pretrained(folder, engine=engine) for engine in (PackedEngine(workers=2), reference))
        )
        assert ours != GPT2.from_pretrained(folder, engine=PackedEngine()).logits(ids), name
        for a, b in zip(ours, theirs, strict=True):
            assert a == pytest.approx(b, abs=1e-5), name


def doubled(value):
    return [doubled(part) for part in value] if isinstance(value, list) else 2.0 * value


def test_caches_that_nobody_has_are_forgotten(folder):
    gpt2 = GPT2.from_pretrained(folder, engine=PackedEngine())
    for _ in range(5):
        gpt2.logits([1, 2])
    kept = gpt2._engine._group.shard._caches
    assert len(kept) == 2  # those of the last call, one for each block


@pytest.mark.parametrize("scale", [1e160, 1e300])
def test_numbers_that_overflow_name_the_layer(tmp_path, scale):
    with GPT2.from_pretrained(write_tiny_model(tmp_path, scale=scale, dtype="F64"), PackedEngine(workers=2)) as gpt2:
        with pytest.raises(GenerationError, match=r"^h\.0\.attn\.c_attn: "):
            gpt2.logits([1, 2])
        with pytest.raises(GenerationError, match=r"^h\.0\.attn\.c_attn: "):
            gpt2.logits([1, 2])


@pytest.mark.parametrize(
    ("huge", "size", "named"),
    [
        ("h.1.attn.c_attn", 1e305, "h.1.attn.c_attn"),  # keys and values
        ("h.1.attn.c_attn", 1e200, "h.1.attn.c_attn"),  # the pattern
        ("h.1.mlp.c_fc", 1e305, "h.1.mlp.c_proj"),
    ],
    ids=str,
)
def test_numbers_that_overflow_name_the_layer_with_a_tap_too(tmp_path, huge, size, named):
    def linear(name, matrix):
        return [[size * value for value in row] for row in rows_of(matrix)] if name == huge else matrix

    config, weights = load_checkpoint(write_tiny_model(tmp_path, dtype="F64"))
    gpt2 = GPT2(config, lay_out_matrices(weights, linear, lambda _, table: table), PackedEngine())
    lines = []
    for tap in (no_tap, Recording()):
        with pytest.raises(GenerationError) as raised:
            gpt2.logits([1, 2], tap=tap)
        lines.append(str(raised.value))
    assert lines[0].startswith(f"{named}: ")
    assert lines[1] == lines[0]


def test_too_little_memory(folder, monkeypatch):
    monkeypatch.setattr(limits, "available_memory", lambda: 10**6)
    with pytest.raises(EngineError, match=r"needs 0.0 GB of memory and 0.0 GB are free; close other programs"):
        GPT2.from_pretrained(folder, engine=PackedEngine())


def test_what_would_fit_is_said(monkeypatch):
    config = GPT2Config()
    for room, words in [(1.2e9, "--precision fast needs"), (0.2e9, "choose a smaller model")]:
        monkeypatch.setattr(limits, "available_memory", lambda room=room: int(room))
        with pytest.raises(EngineError, match=words):
            limits.refuse_if_too_large(config, FULL, 2)
    monkeypatch.setattr(limits, "available_memory", lambda: None)
    limits.refuse_if_too_large(config, FULL, 2)


def test_layers_with_more_groups_of_rows_than_a_word_has_room_for(tmp_path, monkeypatch):
    monkeypatch.setattr(packed_matrix, "GROUP", 1)
    folder = write_tiny_model(tmp_path, n_embd=2, n_head=1, n_layer=1, n_inner=4099)
    ours, theirs = (
        torch.tensor(GPT2.from_pretrained(folder, engine=engine).logits(IDS[:3]), dtype=torch.float64)
        for engine in (PackedEngine(), reference)
    )
    assert (ours - theirs).abs().max() <= 1e-6 * theirs.abs().max()  # as above


def test_layers_with_more_rows_than_lanes_can_add_up_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(packed_matrix, "GROUP", 1)
    narrow = Precision("narrow", (Lanes(16, 8),), FAST.attention, None)
    for n_inner in (1 << 16, 1 + (1 << 16)):
        write_tiny_model(tmp_path, n_embd=1, n_head=1, n_layer=1, n_inner=n_inner)
        if n_inner == 1 << 16:
            GPT2.from_pretrained(tmp_path, engine=PackedEngine(narrow)).logits([1, 2])
        else:
            with pytest.raises(EngineError, match=r"^h\.0\.mlp\.c_proj: .* more rows .* use --precision full$"):
                GPT2.from_pretrained(tmp_path, engine=PackedEngine(narrow))


def test_texts_longer_than_a_lane_has_room_for_are_refused(folder):
    config, weights = load_checkpoint(folder)
    most = 1 << (32 - 13 - 1)  # of fast precision; half of it would be taken by the roundings
    PackedEngine(FAST).prepare(weights, replace(config, n_positions=most))
    with pytest.raises(EngineError, match=f"n_positions is {most + 1}: .* use --precision full$"):
        PackedEngine(FAST).prepare(weights, replace(config, n_positions=most + 1))
    PackedEngine(FULL).prepare(weights, replace(config, n_positions=most + 1))


@pytest.mark.parametrize("precision", [FULL, FAST], ids=["full", "fast"])
def test_texts_longer_than_full_precision_has_room_for_need_the_reference(precision):
    most = 1 << (64 - 27 - 1)
    refuse_too_many_positions(GPT2Config(n_positions=most), FULL)
    with pytest.raises(EngineError, match=f"n_positions is {most + 1}: .* use --engine reference$"):
        refuse_too_many_positions(GPT2Config(n_positions=most + 1), precision)


def test_an_engine_is_for_one_model(folder):
    engine = PackedEngine()
    with pytest.raises(EngineError, match="no model yet; call prepare first"):
        engine.new_cache(2)
    engine.close()  # nothing to end yet
    GPT2.from_pretrained(folder, engine=engine)
    with pytest.raises(EngineError, match="has a model already"):
        GPT2.from_pretrained(folder, engine=engine)


def test_logits_that_overflow_are_refused_with_pruning_too(tmp_path):
    config, weights = load_checkpoint(write_tiny_model(tmp_path, dtype="F64", tie_word_embeddings=False))
    head = [[1.5e308 if value > 0 else -1.5e308 for value in row] for row in rows_of(weights.lm_head.weight)]
    gpt2 = GPT2(config, replace(weights, lm_head=EmbeddingWeights(head)), PackedEngine())
    for settings in (SamplingSettings(0), SamplingSettings(1.0, top_k=3, seed=1), SamplingSettings(1.0, seed=1)):
        with pytest.raises(GenerationError, match="logit"):
            list(gpt2.steps([7, 8], settings))
