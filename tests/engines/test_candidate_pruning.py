"""Pruning never loses a token that may win, and its limits hold; tight limits are nearly reached."""

import struct
from dataclasses import replace
from fractions import Fraction
from itertools import chain, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from starchart.engines.packed.arithmetic.candidate_pruning import (
    PruningQuery,
    exact_logits,
    find_candidates,
    prune,
    pruning_query,
)
from starchart.engines.packed.arithmetic.lanes import FULL
from starchart.engines.packed.arithmetic.packed_matrix import group_sizes, pack_matrix
from starchart.engines.packed.arithmetic.packed_product import RoundedVector, apply
from starchart.engines.packed.arithmetic.quantised_vectors import (
    VectorScales,
    group_norms,
    round_for,
    round_vector,
    vector_scales,
)
from starchart.engines.packed.tiles import pack_vocabulary
from tests.engines.packed_numbers import gaussian, seeded

NARROW, WIDE = FULL.weights
DROPPED = NARROW.weight_bits - FULL.pruning.weight_bits
CHANNELS = 70  # two groups
EXACT = RoundedVector([], 1e-9, None)  # with steps so small that they do not count


class OutputProjection:
    """An output projection [V][C] packed in parts, as several slices have it."""

    def __init__(self, table, cuts=(), lanes=NARROW):
        self.lanes, self.dropped = lanes, lanes.weight_bits - FULL.pruning.weight_bits
        self.table, self.sizes = table, group_sizes(len(table[0]))
        self.parts = [range(a, b) for a, b in pairwise([0, *cuts, len(table)])]
        heads = [pack_vocabulary(part, table, lanes, FULL.pruning) for part in self.parts]
        packed, self.bound = [parts for parts, _ in heads], max(bound for _, bound in heads)
        self.whole, self.narrow = (
            [pack_matrix(part[n].rows, part[n].scales, self.sizes, lanes) for part in packed]
            for n, lanes in enumerate((lanes, FULL.pruning))
        )

    def logits(self, vector, matrices):
        parts = zip(matrices, self.parts, strict=True)
        return [logit for matrix, part in parts for logit in apply(matrix, [vector], [0.0] * len(part))[0]]

    def query(self, x, count, bound=None):
        """Return x rounded for the whole head, and for the narrower lanes."""
        bound = bound or self.bound
        vector = round_for(x, bound, self.lanes, "lm_head")
        return vector, pruning_query(x, vector, bound, self.dropped, FULL.pruning, count)

    def scales(self):
        return [
            matrix.scales[n] for matrix, part in zip(self.narrow, self.parts, strict=True) for n in range(len(part))
        ]


def float32(value):
    return struct.unpack("f", struct.pack("f", value))[0]


def as_likely(logits, count):
    """Return the tokens among the `count` largest, or equal to the last of them in float32 at some temperature."""
    last = sorted(logits, reverse=True)[:count][-1]
    divided = [1.0, 0.7, 1.3]
    return {
        token
        for token, logit in enumerate(logits)
        if logit >= last
        or any(float32(float32(logit) / t) == float32(float32(last) / t) for t in map(float32, divided))
    }


def check_candidates(head, x, count):
    vector, query = head.query(x, count)
    exact = head.logits(vector, head.whole)
    candidates = [
        find_candidates(query, [pair]) for pair in zip(head.narrow, head.parts, strict=True)
    ]  # every part on a process of its own
    found = prune(list(chain.from_iterable(candidates)), query)
    together = prune(find_candidates(query, list(zip(head.narrow, head.parts, strict=True))), query)
    assert {token for *_, token in found} == {token for *_, token in together}
    ids = [token for *_, token in found]
    assert len(set(ids)) == len(ids)
    assert as_likely(exact, count) <= set(ids)
    scales = [scale / (1 << head.dropped) for _, scale, _ in found]
    rows = [head.table[token] for token in ids]
    assert exact_logits(vector, rows, scales, head.lanes) == [exact[token] for token in ids]
    return ids


def check_limits(head, x, bound=None, coarser=1.0):
    """Assert |y_j - z_j| <= c'_j E for every token; return how much of that was used at most.

    `coarser` makes the steps of x for the whole product larger.
    """
    vector, query = head.query(x, 1, bound)
    if coarser > 1:
        bound = bound or head.bound
        norms = group_norms(x, head.sizes, "lm_head")
        scales = vector_scales(norms, bound, head.lanes)
        scales = VectorScales(scales.limit, scales.usual / coarser, scales.large / coarser)
        vector = round_vector(x, head.sizes, norms, scales, bound, head.lanes)
        query = pruning_query(x, vector, bound, head.dropped, FULL.pruning, 1)
    exact, rough = head.logits(vector, head.whole), head.logits(query.vector, head.narrow)
    used = [
        abs(Fraction(y) - Fraction(z)) / (Fraction(scale) * Fraction(query.error))
        for y, z, scale in zip(exact, rough, head.scales(), strict=True)
    ]
    assert max(used) <= 1
    return max(used)


def tables(kind, tokens):
    """Return a table [V][C], one of `kind`."""
    rng = seeded(kind)
    table = gaussian(rng, tokens, CHANNELS)
    if kind == "heavy tails":
        for row in table:
            row[rng.randrange(CHANNELS)] *= 1 / (rng.random() + 1e-6)
    elif kind == "ties":
        table = [table[rng.randrange(tokens // 8)] for _ in table]
    elif kind == "nearly ties":
        # A few units of float32 apart, so that rounding makes some equal.
        for token, row in enumerate(table):
            row[:] = table[0]
            row[token % CHANNELS] *= 1 + rng.randrange(-3, 4) * 2.0**-23
    elif kind == "one huge":
        table[tokens // 3] = type(table[0])("f", [1e6 * value for value in table[tokens // 3]])
    elif kind == "zeros":
        for row in table[::3]:
            row[:] = type(row)("f", [0.0] * CHANNELS)
    elif kind == "all zeros":
        table = [type(table[0])("f", [0.0] * CHANNELS) for _ in table]
    return table


KINDS = ["gaussian", "heavy tails", "ties", "nearly ties", "one huge", "zeros", "all zeros"]


@pytest.mark.parametrize("cuts", [(), (100,), (50, 52, 151)], ids=str)
@pytest.mark.parametrize("kind", KINDS)
def test_no_token_that_may_win_is_lost(kind, cuts):
    head, rng = OutputProjection(tables(kind, 153), cuts), seeded(kind, cuts)
    for factor in (1.0, 1e-20, 1e20):
        for count in (1, 2, 40, 153, 500):
            x = [factor * rng.gauss(0, 1) * rng.choice((1, 1, 50)) for _ in range(CHANNELS)]
            check_candidates(head, x, count)
    check_candidates(head, [0.0] * CHANNELS, 5)


def test_the_screen_leaves_few():
    """Without this test, pruning that drops nothing would pass."""
    head, rng = OutputProjection(tables("gaussian", 400), (200,)), seeded(1)
    left = [len(check_candidates(head, [rng.gauss(0, 1) for _ in range(CHANNELS)], 1)) for _ in range(10)]
    assert sum(left) / len(left) < 40


@pytest.mark.parametrize("kind", KINDS)
def test_every_logit_is_within_its_limits(kind):
    head, rng = OutputProjection(tables(kind, 99), (40,)), seeded(kind)
    for factor in (1.0, 1e-200, 1e-30, 1e30, 1e200):
        check_limits(head, [factor * rng.gauss(0, 1) for _ in range(CHANNELS)])
        check_limits(head, [factor * (rng.random() < 0.05) * rng.gauss(0, 1) for _ in range(CHANNELS)])


@pytest.mark.parametrize("channels", [1, 20, 64, 128, 192])
@pytest.mark.parametrize("large", [True, False])
@pytest.mark.parametrize("apart", [True, False])
def test_the_limits_hold_where_all_roundings_add_up(channels, large, apart):
    """Weights at half a step of the narrower lanes, a vector at half a step of its own, and all of one sign.

    The first row is 2^24 - 1, so that a step of the weights is 1. A larger bound moves the vector's scale a little,
    until its numbers lie just above a half.
    """
    steps = 510 if large else 0  # weights large, for the first term of E, or small, for the second
    half = (steps << DROPPED) + (1 << (DROPPED - 1))
    table = [[float((1 << 24) - 1), *[sign * float(half)] * (channels - 1)] for sign in (1, -1)]
    table = [struct.unpack(f"{channels}d", struct.pack(f"{channels}d", *row)) for row in table]
    head, used = OutputProjection(table), []
    for more in range(60):
        bound = head.bound + ((more << DROPPED) * 2 << 24)
        for sign in (1.0, -1.0):
            # 64 large elements, with scales of their own, after a group of others.
            x = [sign] * (channels - 64) + [sign * 1000] * min(64, channels) if apart else [sign] * channels
            used.append(check_limits(head, x, bound))
            check_limits(head, x, bound, coarser=2.0**13 * 1.7)
    # E adds up what is worst for each group of 64 rows and for both vectors.
    assert channels < 64 or max(used) > 0.94


def may_win(candidates, error, count):
    """Return the tokens that are among the `count` largest if they are at their upper limits, others at their lower."""
    kept = set()
    for z, scale, token in candidates:
        above = [k for y, c, k in candidates if k != token and y - c * error > z + scale * error]
        if len(above) < count:
            kept.add(token)
    return kept


@given(
    candidates=st.lists(st.tuples(st.integers(-20, 20), st.integers(1, 4)), min_size=1, max_size=12),
    error=st.integers(0, 5),
    count=st.integers(1, 14),
)
def test_winners_are_those_whose_limits_allow_it(candidates, error, count):
    tokens = [(float(z), float(scale), token) for token, (z, scale) in enumerate(candidates)]
    found = prune(tokens, PruningQuery(RoundedVector([], 1.0, None), float(error), count))
    # The cut has a little room for float32: less than 1, so that whole numbers show what is kept and what is not.
    assert {token for *_, token in found} == may_win(tokens, error, count)


@pytest.mark.parametrize("kind", ["gaussian", "heavy tails", "ties", "zeros", "all zeros"])
def test_a_part_keeps_those_that_its_limits_allow(kind):
    head, rng = OutputProjection(tables(kind, 60)), seeded(kind)
    for count in (1, 7, 60):
        for error in (0.0, 0.01, 1.0, 30.0):
            _, query = head.query([rng.gauss(0, 1) for _ in range(CHANNELS)], count)
            query = replace(query, error=error * query.error)
            rough = head.logits(query.vector, head.narrow)
            everything = list(zip(rough, head.scales(), range(60), strict=True))
            found = find_candidates(query, [(head.narrow[0], head.parts[0])])
            assert may_win(everything, query.error, count) <= {token for *_, token in found}
            assert set(found) <= set(everything)


@pytest.mark.parametrize("size", [1.0, -1.0, 1e-20, -1e20])
def test_what_float32_makes_equal_is_kept(size):
    """A logit that is smaller only in double precision is kept, even without any other error."""
    high, low = sorted([size, size * (1 + 2.0**-25)], reverse=True)
    assert len(prune([(high, 1.0, 0), (low, 1.0, 1)], PruningQuery(RoundedVector([], 1.0, None), 0.0, 1))) == 2
    assert (
        len(
            prune([(high, 1.0, 0), (low - abs(size) / 100, 1.0, 1)], PruningQuery(RoundedVector([], 1.0, None), 0.0, 1))
        )
        == 1
    )
    table = [struct.unpack("2d", struct.pack("2d", value, 0.0)) for value in (high, low)]
    head = OutputProjection(table)
    _, query = head.query([1.0, 0.0], 1)
    assert len(find_candidates(replace(query, error=0.0), [(head.narrow[0], head.parts[0])])) == 2


def test_no_narrower_lane_overflows():
    """64 weights that are all rounded up by half a step of the narrower lanes, and a vector parallel to them."""
    for steps in range(64, 511):
        weight = (steps << DROPPED) + (1 << (DROPPED - 1))
        query = pruning_query([1.0] * 64, EXACT, 64 * weight * weight, DROPPED, FULL.pruning, 1)
        product = sum((number - FULL.pruning.offset) * (steps + 1) for number in query.vector.numbers)
        assert 0.9 * (1 << 23) < product < 1 << 23
