"""The likeliest tokens without computing every logit: a cheap look at all, then an exact one at the few that may win.

The head is packed a second time, in narrower lanes, with the highest bits of every weight: q' = q / 2^d, rounded, with
the scale c'_j = 2^d c_j. With the vector rounded for those lanes, x = a'/s' nearly, every logit y_j is known up to an
error that is the same for all tokens in units of their scale:

    |y_j - z_j| <= c'_j E,    z_j = c'_j sum_i a'_i q'_ij / s'
    E = G sqrt(64)/2 K/2^d (1/s + 1/s') + sum_i |a'_i| / (2 s')

y_j is the logit that the whole product would give, K its bound on the norms of a group's columns, G the number of
groups. The first term is what rounding the vector twice can do (Cauchy and Schwarz, group by group), the second what
rounding the weights does. A token whose upper limit z_j + c'_j E is below the lower limits of `count` others is not
among the `count` likeliest. The others get the logits of the whole product, to the bit: the same whole numbers,
multiplied.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from heapq import nlargest
from itertools import repeat
from math import isqrt
from operator import mul, sub
from typing import TypeAlias

from starchart.engines.packed.arithmetic.lanes import Lanes
from starchart.engines.packed.arithmetic.packed_matrix import PackedMatrix, Rounded, apply, group_sizes
from starchart.engines.packed.arithmetic.quantisation import quantise_weights, round_for
from starchart.utils.matrix import Matrix, Vector

MOST_CANDIDATES = 1000  # candidates: for more the whole product is as fast
# Logits that differ by less may be equal once they are rounded to float32 and divided by a temperature there.
_FLOAT32 = 1e-6

Candidate: TypeAlias = tuple[float, float, int]  # z_j, c'_j, j


@dataclass(frozen=True)
class Look:
    """A vector as the screen sees it, and how wrong it may be."""

    vector: Rounded
    error: float  # E
    count: int


def look_at(x: Vector, exact_unit: float, bound: int, dropped: int, lanes: Lanes, count: int) -> Look:  # [C]
    """Return x rounded for the lanes of the screen. `bound` is K^2 of the head, `exact_unit` 1/s, `dropped` d."""
    norm = (isqrt(bound) + 1 >> dropped) + 1
    numbers, unit = round_for(x, (norm + 5) ** 2, lanes, "lm_head")  # rounding adds sqrt(64)/2 to the norm of q'
    total = sum(map(abs, map(sub, numbers, repeat(lanes.offset))))
    error = len(group_sizes(len(x))) * 4 * norm * (unit + exact_unit) + total * unit / 2
    return Look((numbers, unit), error * (1 + 1 / (1 << 20)), count)  # and what the roundings of floats may add


def possible_winners(look: Look, parts: Sequence[tuple[PackedMatrix, range]]) -> list[Candidate]:
    """Return the tokens of some parts of the vocabulary that may be among the `count` likeliest of these parts."""
    tokens: list[Candidate] = []
    for matrix, part in parts:
        (logits,) = apply(matrix, [look.vector], [0.0] * len(part))
        # First by the largest scale of all: one comparison a token.
        last = nlargest(look.count, logits)[-1]
        cut = last - 2 * max(matrix.scales) * look.error - _FLOAT32 * abs(last)
        tokens += [(z, matrix.scales[n], part[n]) for n, z in enumerate(logits) if not z < cut]  # nan keeps all
    return tokens


def winners(candidates: Sequence[Candidate], look: Look) -> list[Candidate]:
    """Return those of the candidates that may be among the `count` likeliest, or as likely as the last of them."""
    lowest = nlargest(look.count, (z - scale * look.error for z, scale, _ in candidates))[-1]
    cut = lowest - _FLOAT32 * abs(lowest)
    return [candidate for candidate in candidates if not candidate[0] + candidate[1] * look.error < cut]


def exact_logits(vector: Rounded, rows: Matrix, scales: Vector, lanes: Lanes) -> list[float]:  # [n][C], [n] -> [n]
    """Return the logits of some tokens, from their rows of the table: those of the whole product, to the bit."""
    numbers, unit = vector
    a = list(map(sub, numbers, repeat(lanes.offset)))
    centre = sum(a) << (lanes.weight_bits - 1)
    logits = []
    for row, scale in zip(rows, scales, strict=True):
        words = quantise_weights(row, repeat(1.0 / scale), lanes.weight_bits)
        logits.append((sum(map(mul, a, words)) - centre) * (scale * unit) + 0.0)
    return logits
