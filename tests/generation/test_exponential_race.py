"""The race that skips tokens against the full race, and against chosen random words."""

import random
from math import inf, log1p

import pytest

from starchart.generation.exponential_race import exponential_race, exponential_time, least_log_times
from starchart.generation.float32 import float32_row
from starchart.generation.torch_random import TorchGenerator
from starchart.utils.elementary.exp import exp


class Words:
    """Random words that are given."""

    def __init__(self, words):
        self._words = words

    def bits(self, count):
        assert count == len(self._words)
        return int.from_bytes(b"".join(word.to_bytes(4, "little") for word in self._words), "little")


def full_race(logits, tokens, generator):
    """Every token runs: no bins, no bounds. exp and log1p are ours, so that only the skipping is under test."""
    words = generator.words(2 * len(logits))
    largest = max(logits)
    winner, best = None, -1.0
    for token in tokens:
        score = exp(logits[token] - largest) / exponential_time(words[2 * token], words[2 * token + 1])
        if score > best:
            winner, best = token, score
    return winner


def rows():
    """Logits of all sorts: sizes, flat and peaked, ties, -inf, all equal, extreme spreads."""
    generator = random.Random(11)
    for size in (1, 2, 3, 7, 40, 300, 3000):
        for spread in (0.0, 1e-6, 0.1, 1.0, 3.0, 30.0, 1000.0):
            row = float32_row(generator.gauss(-30.0, spread) for _ in range(size))
            yield row
            yield [round(logit) * 1.0 for logit in row]
            yield [logit if logit == max(row) or generator.random() < 0.1 else -inf for logit in row]


def test_skipping_tokens_never_changes_the_winner():
    chooser = random.Random(12)
    for seed, row in enumerate(rows()):
        likeliest = row.index(max(row))
        some = sorted({likeliest, *chooser.sample(range(len(row)), chooser.randint(0, len(row)))})
        for tokens in (range(len(row)), some):
            lazy, full = TorchGenerator(seed), TorchGenerator(seed)
            for _ in range(3):
                assert exponential_race(row, tokens, lazy) == full_race(row, tokens, full)
            assert lazy.words(1) == full.words(1)


def test_skipping_tokens_of_a_whole_vocabulary():
    generator = random.Random(13)
    for seed, spread in enumerate((0.0, 0.5, 3.0, 10.0)):
        row = float32_row(generator.gauss(0.0, spread) for _ in range(50257))
        assert exponential_race(row, range(50257), TorchGenerator(seed)) == full_race(
            row, range(50257), TorchGenerator(seed)
        )


def test_the_shortest_time_of_a_bin_is_no_longer_than_any_in_it():
    for leading, least in enumerate(least_log_times()):
        high = leading << 13  # the smallest u with these leading 8 bits
        # 1e-12: the error of a log near 6, a few ulp, with room; the race leaves 1e-9.
        assert exp(least) <= exponential_time(high, 0) * (1 + 1e-12)
        assert exp(least) <= exponential_time(high | 0x1FFF, 0xFFFFFFFF)


def test_exponential_time_uses_the_high_word_first_and_53_bits():
    assert exponential_time(0xFFFFFFFF, 0xFFFFFFFF) == -log1p(-(1 - 2**-53))
    assert exponential_time(0xFFE00000, 1) == 2**-53  # the top 11 bits do not count
    assert exponential_time(1, 0) == pytest.approx(2**-21, rel=2**-20)


def test_the_first_of_equal_scores_wins():
    assert exponential_race([0.0, 0.0, 0.0], [0, 1, 2], Words([9, 9] * 3)) == 0
    assert exponential_race([0.0, 0.0, 0.0], [1, 2], Words([9, 9] * 3)) == 1


def test_the_shortest_time_wins_among_equals_and_odds_shift_it():
    half, quarter = 1 << 20, 1 << 19  # u = 1/2, 1/4: q = 0.693, 0.288, in the ratio 2.41
    words = Words([half, 0, quarter, 0])
    assert exponential_race([0.0, 0.0], [0, 1], words) == 1
    assert exponential_race([0.87, 0.0], [0, 1], words) == 1  # exp(0.87) = 2.39 is not enough,
    assert exponential_race([0.89, 0.0], [0, 1], words) == 0  # exp(0.89) = 2.44 is


def test_a_word_of_zeros_wins_without_a_division_by_zero():
    assert exponential_race([50.0, 0.0, 50.0], range(3), Words([1, 1, 0, 0, 1, 1])) == 1
