"""Candidate pruning: cheap bounds on all logits, then exact logits for the few tokens that may be the likeliest.

The output projection is packed a second time in narrower lanes, with the highest bits of every weight: q' = q / 2^d,
rounded, with the scale c'_j = 2^d c_j. The vector is rounded for those lanes, x = a'/s' approximately. Their product
z_j is near the logit y_j; the bound on the difference is c'_j E, with the same E for all tokens:

    |y_j - z_j| <= c'_j E,    z_j = c'_j sum_i a'_i q'_ij / s'
    E = G sqrt(64)/2 K/2^d (1/s + 1/s') + sum_i |a'_i| / (2 s')

y_j is the logit of the full product, K the bound on the norms of its columns within a group, G the number of groups.
The first term bounds the error of rounding the vector twice (Cauchy-Schwarz inequality, group by group), the second one
the error of rounding the weights. If the vector has large elements, with a scale of their own, E has the same two terms
for them; then G is the number of groups that they are in.

A token whose upper bound z_j + c'_j E is below the lower bounds of `count` others is not among the `count` likeliest.
The remaining candidates get exactly the logits of the full product: the same whole numbers are multiplied.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from heapq import nlargest
from itertools import repeat
from math import isqrt
from operator import mul, sub
from typing import TypeAlias

from starchart.engines.packed.arithmetic.lanes import Lanes
from starchart.engines.packed.arithmetic.packed_matrix import GROUP, PackedMatrix, group_sizes
from starchart.engines.packed.arithmetic.packed_product import LargeElements, RoundedVector, apply
from starchart.engines.packed.arithmetic.quantised_vectors import round_for
from starchart.engines.packed.arithmetic.quantised_weights import quantise_weights
from starchart.utils.matrix import Matrix, Vector

MOST_CANDIDATES = 1000  # with more candidates, the full product is as fast
# Logits that differ by less may be equal once they are rounded to float32 and divided by a temperature there.
_FLOAT32 = 1e-6

Candidate: TypeAlias = tuple[float, float, int]  # z_j, c'_j, j


@dataclass(frozen=True)
class PruningQuery:
    """A vector rounded for the narrower lanes, and the error bound of the logits."""

    vector: RoundedVector
    error: float  # E
    count: int  # how many of the likeliest tokens are wanted


def pruning_query(
    x: Vector, exact: RoundedVector, bound: int, dropped: int, lanes: Lanes, count: int
) -> PruningQuery:  # [C]
    """Return x rounded for the narrower lanes, with E. `exact` is x rounded for the full product, `bound` K^2."""
    norm = (isqrt(bound) + 1 >> dropped) + 1
    vector = round_for(x, (norm + 5) ** 2, lanes, "lm_head")  # rounding adds sqrt(64)/2 to the norm of q'
    total = sum(map(abs, map(sub, vector.numbers, repeat(lanes.offset))))
    error = len(group_sizes(len(x))) * 4 * norm * (vector.unit + exact.unit) + total * vector.unit / 2
    if vector.large and exact.large:
        total = sum(sum(map(abs, numbers)) for _, _, numbers in vector.large.groups)
        unit = vector.large.unit
        error += len(vector.large.groups) * 4 * norm * (unit + exact.large.unit) + total * unit / 2
    return PruningQuery(vector, error * (1 + 1 / (1 << 20)), count)  # more than floats round


def find_candidates(query: PruningQuery, parts: Sequence[tuple[PackedMatrix, range]]) -> list[Candidate]:
    """Return the tokens of some parts of the vocabulary that may be among the `count` likeliest of these parts."""
    tokens: list[Candidate] = []
    for matrix, part in parts:
        (logits,) = apply(matrix, [query.vector], [0.0] * len(part))
        # With the largest scale for all tokens: one comparison for each token.
        last = nlargest(query.count, logits)[-1]
        cut = last - 2 * max(matrix.scales) * query.error - _FLOAT32 * abs(last)
        tokens += [(z, matrix.scales[n], part[n]) for n, z in enumerate(logits) if not z < cut]  # NaN keeps all
    return tokens


def prune(candidates: Sequence[Candidate], query: PruningQuery) -> list[Candidate]:
    """Return those of the candidates that may be among the `count` likeliest, or as likely as the last of them."""
    lowest = nlargest(query.count, (z - scale * query.error for z, scale, _ in candidates))[-1]
    cut = lowest - _FLOAT32 * abs(lowest)
    return [candidate for candidate in candidates if not candidate[0] + candidate[1] * query.error < cut]


def exact_logits(
    vector: RoundedVector, rows: Matrix, scales: Vector, lanes: Lanes
) -> list[float]:  # [C], [n][C], [n] -> [n]
    """Return the logits of some tokens, from their rows of the table: bit for bit those of the full product."""
    a = list(map(sub, vector.numbers, repeat(lanes.offset)))
    centre, half = sum(a) << (lanes.weight_bits - 1), 1 << (lanes.weight_bits - 1)
    large = _by_place(vector.large) if vector.large else []
    logits = []
    for row, scale in zip(rows, scales, strict=True):
        words = quantise_weights(row, repeat(1.0 / scale), lanes.weight_bits)
        logit = (sum(map(mul, a, words)) - centre) * (scale * vector.unit) + 0.0
        if vector.large:
            logit += sum(b * (words[place] - half) for place, b in large) * (scale * vector.large.unit)
        logits.append(logit)
    return logits


def _by_place(large: LargeElements) -> list[tuple[int, int]]:
    """Return the place of every large element in the vector, and its b_i."""
    return [
        (GROUP * number + place, b)
        for number, places, numbers in large.groups
        for place, b in zip(places, numbers, strict=True)
    ]
