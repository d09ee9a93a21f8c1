"""The screen never loses a token that may win, and its limits hold; where they are tight they are nearly reached."""

import struct
from fractions import Fraction
from itertools import chain, pairwise

import pytest

from starchart.engines.packed.packed_matrix import group_sizes, in_groups, multiply, pack_matrix, products
from starchart.engines.packed.precision import FULL
from starchart.engines.packed.rounding import round_for
from starchart.engines.packed.screening import exact_logits, look_at, possible_winners, winners
from starchart.engines.packed.tiles import pack_head
from tests.engines.packed_numbers import gaussian, seeded

DROPPED = FULL.weights.weight_bits - FULL.screen.weight_bits
CHANNELS = 70  # two groups


class Head:
    """A head [V][C] packed in parts, as several slices have it."""

    def __init__(self, table, cuts=()):
        self.table, self.sizes = table, group_sizes(len(table[0]))
        self.parts = [range(a, b) for a, b in pairwise([0, *cuts, len(table)])]
        packed = [pack_head(part, table, FULL.weights, FULL.screen) for part in self.parts]
        self.bound = max(whole.bound for whole, _ in packed)
        self.whole, self.screen = (
            [pack_matrix(part[n].rows, part[n].scales, self.sizes, lanes) for part in packed]
            for n, lanes in enumerate((FULL.weights, FULL.screen))
        )

    def logits(self, vector, matrices):
        numbers, unit = vector
        found = []
        for matrix, part in zip(matrices, self.parts, strict=True):
            sums = multiply(in_groups(numbers.tolist(), self.sizes), matrix)
            found += list(products(sums, matrix, unit))[: len(part)]
        return found

    def look(self, x, count, bound=None):
        """Return x rounded for the whole head, and for the screen."""
        bound = bound or self.bound
        vector = round_for(x, bound, FULL.weights, "lm_head")
        return vector, look_at(x, vector[1], bound, DROPPED, FULL.screen, count)

    def scales(self):
        return [
            matrix.scales[n] for matrix, part in zip(self.screen, self.parts, strict=True) for n in range(len(part))
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


def check_winners(head, x, count):
    vector, look = head.look(x, count)
    exact = head.logits(vector, head.whole)
    candidates = [
        possible_winners(look, [pair]) for pair in zip(head.screen, head.parts, strict=True)
    ]  # every part on a process of its own
    found = winners(list(chain.from_iterable(candidates)), look)
    together = winners(possible_winners(look, list(zip(head.screen, head.parts, strict=True))), look)
    assert {token for *_, token in found} == {token for *_, token in together}
    ids = [token for *_, token in found]
    assert len(set(ids)) == len(ids)
    assert as_likely(exact, count) <= set(ids)
    scales = [scale / (1 << DROPPED) for _, scale, _ in found]
    rows = [head.table[token] for token in ids]
    assert exact_logits(vector, rows, scales, FULL.weights) == [exact[token] for token in ids]
    return ids


def check_limits(head, x, bound=None):
    """Assert |y_j - z_j| <= c'_j E for every token; return how much of that was used at most."""
    vector, look = head.look(x, 1, bound)
    exact, rough = head.logits(vector, head.whole), head.logits(look.vector, head.screen)
    used = [
        abs(Fraction(y) - Fraction(z)) / (Fraction(scale) * Fraction(look.error))
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
    head, rng = Head(tables(kind, 153), cuts), seeded(kind, cuts)
    for factor in (1.0, 1e-20, 1e20):
        for count in (1, 2, 40, 153, 500):
            x = [factor * rng.gauss(0, 1) * rng.choice((1, 1, 50)) for _ in range(CHANNELS)]
            check_winners(head, x, count)
    check_winners(head, [0.0] * CHANNELS, 5)


def test_the_screen_leaves_few():
    """A screen that let all pass would lose nothing either."""
    head, rng = Head(tables("gaussian", 400), (200,)), seeded(1)
    left = [len(check_winners(head, [rng.gauss(0, 1) for _ in range(CHANNELS)], 1)) for _ in range(10)]
    assert sum(left) / len(left) < 40


@pytest.mark.parametrize("kind", KINDS)
def test_every_logit_is_within_its_limits(kind):
    head, rng = Head(tables(kind, 99), (40,)), seeded(kind)
    for factor in (1.0, 1e-200, 1e-30, 1e30, 1e200):
        check_limits(head, [factor * rng.gauss(0, 1) for _ in range(CHANNELS)])
        check_limits(head, [factor * (rng.random() < 0.05) * rng.gauss(0, 1) for _ in range(CHANNELS)])


@pytest.mark.parametrize("channels", [1, 20, 64, 128, 192])
@pytest.mark.parametrize("large", [True, False])
def test_the_limits_hold_where_all_roundings_add_up(channels, large):
    """Weights at half a step of the screen, a vector at half a step of its own, and all of one sign.

    The first row is 2^24 - 1, so that a step of the weights is 1. A larger bound moves the vector's scale a little,
    until its numbers lie just above a half.
    """
    steps = 510 if large else 0  # weights large, for the first term of E, or small, for the second
    half = (steps << DROPPED) + (1 << (DROPPED - 1))
    table = [[float((1 << 24) - 1), *[sign * float(half)] * (channels - 1)] for sign in (1, -1)]
    table = [struct.unpack(f"{channels}d", struct.pack(f"{channels}d", *row)) for row in table]
    head, used = Head(table), []
    for more in range(60):
        bound = head.bound + ((more << DROPPED) * 2 << 24)
        for sign in (1.0, -1.0):
            used.append(check_limits(head, [sign] * channels, bound))
    # E adds up what is worst for each group of 64 rows and for both vectors.
    assert channels < 64 or max(used) > 0.94
