"""The filters against hand-worked rows and against transformers' processors."""

import random
from math import inf, log

import pytest

from starchart.generation.float32 import float32_row
from starchart.generation.logits_filters import divide_by_temperature, top_k, top_p
from starchart.generation.sampling import SamplingSettings

HALF, THIRD_TENTH, FIFTH = (log(p) for p in (0.5, 0.3, 0.2))
TENTHS = [log(p) for p in (0.1, 0.4, 0.2, 0.3)]


def test_temperature_divides_in_float32():
    # float32(0.1) is 13421773 / 2^27, a little above 0.1; 1 / that is 9.99999985..., and the float32 nearest is 10.
    assert divide_by_temperature([1.0, -3.0, -inf], 0.1) == [10.0, -30.0, -inf]
    assert divide_by_temperature([3.0], 7) == [14380471 / 2**25]  # 3/7 = 14380470.86 / 2^25
    # 1.3 is 21810380 / 2^24 in float32, and 5 over that 16131939.05 / 2^22; 5 / 1.3 would be 16131938.46 / 2^22.
    assert divide_by_temperature([5.0], 1.3) == [16131939 / 2**22]


def test_top_k_keeps_the_largest():
    assert top_k([0.0, 5.0, -1.0, 4.0, 3.0], 2) == [1, 3]
    assert top_k([0.0, 5.0, -1.0], 1) == [1]
    assert top_k([7.0], 1) == [0]


def test_top_k_keeps_all_that_tie_with_the_last():
    assert top_k([1.0, 5.0, 1.0, 1.0, 0.0], 2) == [0, 1, 2, 3]
    assert top_k([2.0, 2.0, 2.0], 1) == [0, 1, 2]


def test_top_k_beyond_the_finite_logits_keeps_all():
    assert top_k([1.0, -inf, -inf], 2) == [0, 1, 2]


def test_top_p_keeps_the_fewest_that_reach_p():
    row = [FIFTH, HALF, THIRD_TENTH]
    assert top_p(row, range(3), 0.4) == [1]
    assert top_p(row, range(3), 0.6) == [1, 2]
    assert top_p(row, range(3), 0.85) == [0, 1, 2]


def test_top_p_always_keeps_the_likeliest():
    assert top_p([0.0, 1.0, 0.0], range(3), 1e-9) == [1]
    assert top_p([0.0, 0.0], range(2), 0.001) == [1]


def test_top_p_removes_what_fits_exactly_into_the_rest():
    # Probabilities 1/4 each: the first two fill exactly 1 - 0.5, and "at most" removes them both.
    assert top_p([0.0, 0.0, 0.0, 0.0], range(4), 0.5) == [2, 3]
    # In float32 0.25 is at most 1 - 0.75 (equal), and just above 1 - 0.7500001.
    assert top_p([0.0, 0.0, 0.0, 0.0], range(4), 0.75) == [1, 2, 3]
    assert top_p([0.0, 0.0, 0.0, 0.0], range(4), 0.7500001) == [0, 1, 2, 3]


def test_top_p_compares_in_float32():
    # 1 - 0.749999999 = 0.250000001 is 0.25 in float32, 1 - 0.750000001 is too: both remove the 0.25.
    assert top_p([0.0, 0.0, 0.0, 0.0], range(4), 0.749999999) == [1, 2, 3]
    assert top_p([0.0, 0.0, 0.0, 0.0], range(4), 0.750000001) == [1, 2, 3]
    # exp(-20) = 2e-9 beside four times 1: the probability below the cut is 0.25 + 4e-10, which is 0.25 too.
    assert top_p([0.0, 0.0, 0.0, 0.0, -20.0], range(5), 0.75) == [1, 2, 3]


def test_of_equal_logits_at_the_cut_of_top_p_the_later_stay():
    assert top_p([1.0, 0.0, 1.0, 1.0], range(4), 0.5) == [2, 3]


def test_top_p_counts_only_the_tokens_it_is_given():
    # Of 0.1, 0.4, 0.2, 0.3 only the last two are left, as 0.4 and 0.6: the larger alone reaches 0.55, not 0.65.
    row = [0.0 if token == 1 else logit for token, logit in enumerate(TENTHS)]
    assert top_p(row, [2, 3], 0.55) == [3]
    assert top_p(row, [2, 3], 0.65) == [2, 3]


@pytest.mark.parametrize("size", [1, 2, 17, 40, 1000])
def test_the_tokens_kept_are_those_of_transformers(size):
    pytest.importorskip("transformers")
    from tests.generation.transformers_draw import random_row, transformers_filter  # noqa: PLC0415

    generator = random.Random(size)
    for _ in range(30):
        row = float32_row(random_row(generator, size))
        k, p = generator.randint(1, size), generator.choice([0.02, 0.3, 0.5, 0.9, 0.99, 0.9999])
        kept = top_k(row, k)
        assert kept == _finite(transformers_filter(row, SamplingSettings(top_k=k)))
        assert top_p(row, range(size), p) == _finite(transformers_filter(row, SamplingSettings(top_p=p)))
        assert top_p(row, kept, p) == _finite(transformers_filter(row, SamplingSettings(top_k=k, top_p=p)))


def _finite(scores):
    return [token for token, score in enumerate(scores[0].tolist()) if score > -inf]
