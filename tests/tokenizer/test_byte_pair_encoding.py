"""The merge loops against the tokenizers library on random merges, and a word merged by hand."""

import random
from itertools import product

import pytest

from starchart.tokenizer import byte_pair_encoding
from starchart.tokenizer.byte_pair_encoding import LONG, Pair, merge_long, merge_word

MERGE_FUNCTIONS = [merge_word, merge_long]


@pytest.mark.parametrize("merge", MERGE_FUNCTIONS)
def test_by_hand(merge) -> None:
    # a=0 b=1 c=2. Merges in order: a+b -> 3, b+c -> 4, ab+c -> 5, a+a -> 6.
    ranks: dict[Pair, int] = {(0, 1): 0, (1, 2): 1, (3, 2): 2, (0, 0): 3}
    merged = [3, 4, 5, 6]
    assert merge([0, 1, 2], ranks, merged) == [5]  # abc: ab first, as its rank is lower than that of bc
    assert merge([1, 2, 0, 1], ranks, merged) == [4, 3]
    assert merge([0, 0, 0], ranks, merged) == [6, 0]  # from the left
    assert merge([0, 0, 1], ranks, merged) == [0, 3]
    assert merge([2], ranks, merged) == [2]
    assert merge([], ranks, merged) == []


def random_merges(draw: random.Random, count: int) -> tuple[dict[str, int], list[tuple[str, str]]]:
    """Return tokens over the letters a, b, c, and merges of tokens that are there already, in a random order."""
    ids = {"a": 0, "b": 1, "c": 2}
    merges: list[tuple[str, str]] = []
    while len(merges) < count:
        left, right = draw.choices(list(ids), k=2)
        if (left, right) not in merges and len(left + right) <= 8:
            merges.append((left, right))
            ids.setdefault(left + right, len(ids))
    return ids, merges


@pytest.mark.parametrize("merge", MERGE_FUNCTIONS)
@pytest.mark.parametrize("seed", range(20))
def test_equals_the_tokenizers_library(merge, seed: int) -> None:
    models = pytest.importorskip("tokenizers").models
    draw = random.Random(seed)
    ids, merges = random_merges(draw, 25)
    theirs = models.BPE(vocab=ids, merges=merges)
    ranks = {(ids[left], ids[right]): rank for rank, (left, right) in enumerate(merges)}
    merged = [ids[left + right] for left, right in merges]
    words = ["".join(word) for word in product("abc", repeat=5)]
    words += ["".join(draw.choices("abc", weights=(8, 2, 1), k=draw.randint(20, 90))) for _ in range(50)]
    for word in words:
        assert merge([ids[letter] for letter in word], ranks, merged) == [token.id for token in theirs.tokenize(word)]


def test_a_long_word_goes_to_the_heap(monkeypatch: pytest.MonkeyPatch) -> None:
    handed_over: list[int] = []

    def watched(ids: list[int], ranks: dict[Pair, int], merged: list[int]) -> list[int]:
        handed_over.append(len(ids))
        return merge_long(ids, ranks, merged)

    monkeypatch.setattr(byte_pair_encoding, "merge_long", watched)
    for size in (1, LONG - 1, LONG, LONG + 1, 1000):
        assert merge_word([0] * size, {(0, 0): 0}, [1]) == [1] * (size // 2) + [0] * (size % 2)
    assert handed_over == [LONG + 1, 1000]
