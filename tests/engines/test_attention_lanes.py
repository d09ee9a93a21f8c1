"""Scores and sums of values in lanes, against exact rational arithmetic at the bound that the roundings allow."""

from fractions import Fraction
from math import inf, nan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from starchart.engines.packed.arithmetic import attention_cache, nearest, quantised_weights
from starchart.engines.packed.arithmetic.attention_cache import AttentionCache, round_by_sum
from starchart.engines.packed.arithmetic.lanes import FAST, FULL, Lanes
from starchart.errors import GenerationError
from tests.engines.big_endian import pretend_big_endian
from tests.engines.packed_numbers import seeded

EVERY = pytest.mark.parametrize("lanes", [FULL.attention, FAST.attention], ids=str)


def rows_of(rng, count, size, spread=1.0):
    return [[rng.gauss(0, 1) * rng.choice((1, spread)) for _ in range(size)] for _ in range(count)]


def filled(lanes, keys, values):
    head = AttentionCache(lanes, "h.0.attn.c_attn")
    for key, value in zip(keys, values, strict=True):
        head.append(key, value)
    return head


def steps(x, lanes):
    """Return the most that a step of the vector x may be: sum |a_i| is above a quarter of its limit, if |a_i| allows.

    |a_i| is below 2^30. The factor 2 is for the power of two, and 2 for the halves that may be taken off first.
    """
    total = sum(abs(Fraction(value)) for value in x)
    limit = 1 << (lanes.width - 1 - lanes.weight_bits)
    largest = max(abs(Fraction(value)) for value in x)
    return max(total * 4 / limit, largest * 4 / (1 << 30), Fraction(1, 1 << 999))


def dot_error(x, lanes, columns, column_steps):
    """Return how far sum_i x_i w_i may be from the truth: w_i has a step of its own, x a step for all."""
    step = steps(x, lanes)
    rounded = sum(abs(Fraction(a)) * half / 2 for a, half in zip(x, column_steps, strict=True))
    weights = sum(abs(Fraction(w)) + half / 2 for w, half in zip(columns, column_steps, strict=True))
    terms = sum(abs(Fraction(a) * Fraction(w)) for a, w in zip(x, columns, strict=True))
    # Some roundings of floats, of 2^-53 each.
    return (rounded + step / 2 * weights + terms / (1 << 49)) * (1 + Fraction(1, 1 << 20)) + Fraction(1, 1 << 900)


def row_step(row, lanes):
    return max(abs(Fraction(value)) for value in row) / ((1 << (lanes.weight_bits - 1)) - 1)


def check_scores(head, query, keys, scale, lanes):
    for found, key in zip(head.scores(query, scale), keys, strict=True):
        truth = sum(Fraction(a) * Fraction(b) for a, b in zip(query, key, strict=True))
        allowed = dot_error(query, lanes, key, [row_step(key, lanes)] * len(key))
        assert abs(Fraction(found) - truth * Fraction(scale)) <= allowed * Fraction(scale)


def check_mix(head, pattern, values, lanes):
    """The pattern carries the scales of the values: what is rounded is p_s c_s, against whole numbers v / c_s."""
    scales = [row_step(value, lanes) for value in values]
    weights = [Fraction(p) * c for p, c in zip(pattern, scales, strict=True)]
    columns = list(zip(*values, strict=True))
    for found, column in zip(head.mix(pattern), columns, strict=True):
        truth = sum(Fraction(p) * Fraction(v) for p, v in zip(pattern, column, strict=True))
        whole = [Fraction(v) / c if c else Fraction(0) for v, c in zip(column, scales, strict=True)]
        assert abs(Fraction(found) - truth) <= dot_error(weights, lanes, whole, [Fraction(1)] * len(whole))


def pattern_of(rng, count):
    weights = [rng.random() ** 8 for _ in range(count)]
    return [weight / sum(weights) for weight in weights]


@EVERY
@pytest.mark.parametrize("count", [1, 2, 127, 128, 129, 300])
@pytest.mark.parametrize("size", [1, 5, 24])
def test_scores_and_mixes_stay_within_the_bound(lanes, count, size):
    rng = seeded(count, size)
    keys, values = rows_of(rng, count, size, 100), rows_of(rng, count, size, 1e-3)
    head = filled(lanes, keys, values)
    for factor in (1.0, 1e-20, 1e20):
        check_scores(head, [factor * value for value in rows_of(rng, 1, size, 30)[0]], keys, 0.125, lanes)
    check_mix(head, pattern_of(rng, count), values, lanes)
    check_mix(head, [0.0] * (count - 1) + [1.0], values, lanes)


@EVERY
@pytest.mark.parametrize("sign", [1, -1])
def test_no_lane_runs_over(lanes, sign):
    """All numbers at their largest and of one sign, next to lanes of the other: a carry would show."""
    for count in (1, 128, 200):
        keys = [[float(sign * (-1) ** position)] * 8 for position in range(count)]
        values = [[1.0, -1.0] * 4] * count
        head = filled(lanes, keys, values)
        check_scores(head, [1.0] * 8, keys, 1.0, lanes)
        check_scores(head, [-1.0] * 8, keys, 1.0, lanes)
        check_mix(head, [1.0 / count] * count, values, lanes)


@EVERY
def test_zeros_and_the_tiniest_numbers(lanes):
    keys = [[0.0, -0.0, 0.0], [1e-300, 0.0, -1e-300], [1.0, 2.0, -3.0], [5e-324, 0.0, 0.0]]
    head = filled(lanes, keys, keys)
    for query in ([0.0, -0.0, 0.0], [1.0, -2.0, 3.0], [1e-310, 0.0, 1.0]):
        check_scores(head, query, keys, 1.0, lanes)
    assert head.scores([0.0] * 3, 1.0) == [0.0] * 4
    assert head.mix([0.0] * 4) == [0.0] * 3
    check_mix(head, [0.25] * 4, keys, lanes)


@EVERY
def test_positions_do_not_depend_on_those_that_follow(lanes):
    rng = seeded(lanes)
    keys, values, query = rows_of(rng, 140, 5), rows_of(rng, 140, 5), rows_of(rng, 1, 5)[0]
    whole = filled(lanes, keys, values).scores(query, 0.5)
    for count in (1, 127, 128, 129):
        assert filled(lanes, keys[:count], values[:count]).scores(query, 0.5) == whole[:count]


@EVERY
@pytest.mark.parametrize("count", [3, 127, 128, 130])
def test_a_copy_shares_nothing(lanes, count):
    rng = seeded(count)
    keys, values, more = rows_of(rng, count, 5), rows_of(rng, count, 5), rows_of(rng, 4, 5)
    query, pattern = rows_of(rng, 1, 5)[0], pattern_of(rng, count)
    head = filled(lanes, keys, values)
    before = head.scores(query, 0.5), head.mix(pattern)
    copy = head.copy()
    copy.append(more[0], more[1])
    assert (head.scores(query, 0.5), head.mix(pattern)) == before
    head.append(more[2], more[3])
    for changed, key, value in ((copy, more[0], more[1]), (head, more[2], more[3])):
        expected = filled(lanes, [*keys, key], [*values, value])
        assert changed.scores(query, 0.5) == expected.scores(query, 0.5)
        assert changed.mix([*pattern, 0.5]) == expected.mix([*pattern, 0.5])


@EVERY
def test_on_a_big_endian_machine(lanes, monkeypatch):
    rng = seeded(lanes)
    keys, values, query = rows_of(rng, 130, 5), rows_of(rng, 130, 5), rows_of(rng, 1, 5)[0]
    pattern = pattern_of(rng, 130)
    head = filled(lanes, keys, values)
    expected = head.scores(query, 0.5), head.mix(pattern)
    pretend_big_endian(monkeypatch, attention_cache, nearest, quantised_weights)
    head = filled(lanes, keys, values)
    assert (head.scores(query, 0.5), head.mix(pattern)) == expected


@pytest.mark.parametrize("bad", [inf, -inf, nan, 1.7e308])
@pytest.mark.parametrize("place", [0, 2, 4])
def test_numbers_that_are_none_are_refused(bad, place):
    row, good = [1.0] * 5, [1.0] * 5
    row[place] = bad
    head = filled(FULL.attention, [good] * 5, [good] * 5)
    calls = [
        lambda: head.append(row, good),
        lambda: filled(FULL.attention, [good], [row]),
        lambda: head.scores(row, 1.0),
        lambda: head.mix(row),
    ]
    for call in calls[:3] if bad == 1.7e308 else calls:  # a scale of 2^-27 makes it small enough in a pattern
        with pytest.raises(GenerationError, match=r"^h\.0\.attn\.c_attn: its output is infinite"):
            call()


@pytest.mark.parametrize("lanes", [FULL.attention, FAST.attention, Lanes(32, 21)], ids=str)
@given(x=st.lists(st.one_of(st.floats(-1e300, 1e300), st.sampled_from([0.0, 1.0, 5e-324])), min_size=1, max_size=60))
def test_vectors_are_rounded_to_the_nearest_within_their_limits(lanes, x):
    a, exponent = round_by_sum(x, lanes, "layer")
    step = 1 / Fraction(2) ** exponent
    assert sum(map(abs, a)) <= 1 << (lanes.width - 1 - lanes.weight_bits)
    assert max(map(abs, a)) < 1 << 30
    for value, number in zip(x, a, strict=True):
        assert abs(Fraction(value) - number * step) <= step / 2
    # Below 2^-980 the inverse of the sum is no float, and all may become zeros.
    assert sum(map(abs, x)) < 2.0**-980 or step <= steps(x, lanes)


def test_numbers_that_all_round_up_stay_within_the_limit():
    lanes = Lanes(32, 21)  # sums up to 1024
    for size in (1.5, 2.5, 3.5, 7.5):
        for count in range(1, 1100):
            a, _ = round_by_sum([size + 2**-20] * count, lanes, "layer")
            assert sum(a) <= 1024


@pytest.mark.parametrize("lanes", [FULL.attention, FAST.attention], ids=str)
def test_the_largest_sum_is_reached(lanes):
    """Sums of powers of two use the limit as far as a power of two can."""
    limit = 1 << (lanes.width - 1 - lanes.weight_bits)
    for count in (1, 2, 64, 1000):
        a, _ = round_by_sum([1.0] * count, lanes, "layer")
        assert min(limit, count << 29) / 4 < sum(a) <= limit
