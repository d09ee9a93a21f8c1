"""The cache changes the time of a token, and no bit of its logits."""

import random

import pytest

from starchart.checkpoints.checkpoint import load_checkpoint
from starchart.engines import reference
from starchart.errors import ConsumedCacheError
from starchart.gpt2 import GPT2
from starchart.layers.key_value_cache import fork, new_cache
from starchart.tap import Recording
from tests.read_matrices import read_matrices
from tests.tiny_model import write_tiny_model

IDS = [random.Random(5).randrange(257) for _ in range(13)]


@pytest.fixture
def gpt2(tmp_path):
    write_tiny_model(tmp_path, seed=3)
    return GPT2.from_pretrained(tmp_path, engine=reference)


@pytest.mark.parametrize("cuts", [[1], [12], [5, 6], list(range(1, 13))], ids=str)
def test_cached_logits_are_the_uncached_ones_bit_for_bit(gpt2, cuts):
    rows, cache = [], None
    for start, end in zip([0, *cuts], [*cuts, 13], strict=True):
        part, cache = gpt2.read(IDS[start:end], cache, last_only=False)
        rows += part
    assert rows == gpt2.logits(IDS)
    assert cache.length == 13


def test_a_later_token_leaves_earlier_rows_alone(gpt2):
    changed = [*IDS[:8], (IDS[8] + 1) % 257, *IDS[9:]]
    before, after = gpt2.logits(IDS), gpt2.logits(changed)
    assert before[:8] == after[:8]
    assert all(a != b for a, b in zip(before[8:], after[8:], strict=True))


def test_last_only_is_the_last_row(gpt2):
    assert gpt2.logits(IDS, last_only=True) == gpt2.logits(IDS)[-1:]


def test_a_prompt_read_in_chunks_is_the_prompt_read_at_once(tmp_path):
    write_tiny_model(tmp_path, seed=4, n_positions=150)
    gpt2 = GPT2.from_pretrained(tmp_path)
    ids = [random.Random(6).randrange(257) for _ in range(150)]
    recording = Recording()
    at_once = gpt2.logits(ids, tap=recording)
    assert len(recording["logits"]) == 150  # a tap makes it one pass
    assert gpt2.logits(ids) == at_once
    assert gpt2.logits(ids, last_only=True) == at_once[-1:]


def test_a_used_cache_raises(gpt2):
    _, cache = gpt2.read(IDS[:4])
    gpt2.read([1], cache)
    with pytest.raises(ConsumedCacheError, match="fork"):
        gpt2.read([2], cache)


@pytest.mark.parametrize("read", [lambda weights: weights, read_matrices], ids=["stored", "in memory"])
@pytest.mark.parametrize("tied", [True, False])
def test_weights_can_be_prepared_more_than_once(tied, read, tmp_path):
    config, weights = load_checkpoint(write_tiny_model(tmp_path, seed=3, tie_word_embeddings=tied))
    weights = read(weights)
    numbers = read_matrices(weights)
    one, two = GPT2(config, weights), GPT2(config, weights)
    assert one.logits(IDS) == two.logits(IDS) == GPT2.from_pretrained(tmp_path).logits(IDS)
    assert read_matrices(weights) == numbers


def test_fork_gives_one_past_two_futures(gpt2):
    _, cache = gpt2.read(IDS[:4])
    other = gpt2.fork(cache)
    one, _ = gpt2.read([1, 9], cache)
    two, _ = gpt2.read([2, 9], other)
    assert one == gpt2.logits([*IDS[:4], 1, 9], last_only=True)
    assert two == gpt2.logits([*IDS[:4], 2, 9], last_only=True)


def test_layer_cache_by_hand():
    cache = new_cache(1).append([[[1.0, 2.0]]], [[[3.0, 4.0]]])
    copy = fork(cache)
    cache = cache.append([[[5.0, 6.0]]], [[[7.0, 8.0]]])
    assert [list(key) for key in cache.keys[0]] == [[1.0, 2.0], [5.0, 6.0]]  # [S][D]
    assert [list(value) for value in cache.values[0]] == [[3.0, 4.0], [7.0, 8.0]]
    assert [list(key) for key in copy.keys[0]] == [[1.0, 2.0]]
    assert [list(value) for value in copy.values[0]] == [[3.0, 4.0]]
