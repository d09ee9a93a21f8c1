"""The packed engine against float64, beside torch's float32, and against itself where bits must agree."""

import random

import pytest
import torch
from transformers import GPT2LMHeadModel

from starchart.engines import reference
from starchart.engines.packed.packed_engine import FAST, FULL, PackedEngine
from starchart.errors import ConsumedCacheError
from starchart.gpt2 import GPT2
from starchart.tap import Recording
from tests.data import shared
from tests.random_gpt2 import transformers_logits, write_random_gpt2
from tests.tiny_model import write_tiny_model

IDS = [random.Random(3).randrange(61) for _ in range(20)]


def rms(difference):
    return difference.pow(2).mean().sqrt().item()


def errors(folder, ids, lanes):
    """Return the rms errors of the logits against float64: ours, and torch's in float32."""
    truth = transformers_logits(folder, ids)
    ours = torch.tensor(GPT2.from_pretrained(folder, engine=PackedEngine(lanes)).logits(ids), dtype=torch.float64)
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
    assert 0 < ours < 0.5 * theirs


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


@pytest.mark.parametrize(("lanes", "most"), [(FULL, 1e-9), (FAST, 5e-4)], ids=["full", "fast"])
def test_tales_6m_in_nats(lanes, most):
    folder = shared("models/tales-6m")
    ids = [random.Random(4).randrange(4096) for _ in range(40)]
    truth = transformers_logits(folder, ids)
    ours = torch.tensor(GPT2.from_pretrained(folder, engine=PackedEngine(lanes)).logits(ids), dtype=torch.float64)
    divergence = (truth.softmax(-1) * (truth.log_softmax(-1) - ours.log_softmax(-1))).sum(-1).mean().item()
    assert abs(divergence) < most
    assert rms(ours - truth) > 0


@pytest.fixture
def folder(tmp_path):
    return write_tiny_model(tmp_path, seed=9, n_positions=300)


@pytest.mark.parametrize("lanes", [FULL, FAST], ids=["full", "fast"])
@pytest.mark.parametrize("cuts", [[1], [5, 130], list(range(1, 140, 3))], ids=["1", "2", "many"])
def test_cached_logits_are_the_uncached_ones_bit_for_bit(folder, lanes, cuts):
    gpt2 = GPT2.from_pretrained(folder, engine=PackedEngine(lanes))
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
