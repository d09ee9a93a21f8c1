"""What the tests of the packed engine share: matrices packed as the engine packs them, and exact arithmetic."""

import random
from array import array
from fractions import Fraction
from itertools import pairwise
from math import isqrt

from starchart.engines.packed.arithmetic.lanes import FAST, FULL
from starchart.engines.packed.arithmetic.packed_matrix import group_sizes, pack_matrix
from starchart.engines.packed.arithmetic.packed_product import RoundedVector, apply, multiply, sums_of_columns
from starchart.engines.packed.arithmetic.quantised_vectors import round_for
from starchart.engines.packed.arithmetic.quantised_weights import column_scales, norm_bound, pack_rows, quantise_rows

LANES = {"full": FULL.weights[0], "wide": FULL.weights[1], "fast": FAST.weights[0], "pruning": FULL.pruning}


def most(lanes):
    """Return the largest |q_ij|. The numbers for pruning are rounded once more, up to a power of two."""
    return (1 << (lanes.weight_bits - 1)) - (lanes != FULL.pruning)


def gaussian(rng, rows, columns, code="f"):
    return [array(code, [rng.gauss(0, 1) for _ in range(columns)]) for _ in range(rows)]


def whole_numbers(rng, rows, columns, limit):
    return [[rng.randint(-limit, limit) for _ in range(columns)] for _ in range(rows)]


def pack_weights(weight, lanes):
    """Return a matrix [in][out] of floats packed as an engine does it, its K^2, and its whole numbers q_ij."""
    sizes = group_sizes(len(weight))
    scales = column_scales(weight, lanes.weight_bits, "layer")
    words = quantise_rows(weight, scales, lanes.weight_bits)
    packed, bound = (
        pack_rows(words, scales, lanes.width, lanes.weight_bits),
        norm_bound(words, sizes, lanes.weight_bits),
    )
    half = 1 << (lanes.weight_bits - 1)
    return pack_matrix(packed.rows, scales, sizes, lanes), bound, [[u - half for u in row] for row in words]


def pack_numbers(q, lanes):
    """Return a matrix of whole numbers packed, with the scales 1."""
    sizes = group_sizes(len(q))
    half = 1 << (lanes.weight_bits - 1)
    words = [array("I", [number + half for number in row]) for row in q]
    scales = array("d", [1.0] * len(q[0]))
    packed = pack_rows(words, scales, lanes.width, lanes.weight_bits + 1)
    return pack_matrix(packed.rows, scales, sizes, lanes)


def as_vector(a, lanes):
    """Return whole numbers as a vector of the scale 1."""
    return RoundedVector(array("I", [number + lanes.offset for number in a]), 1.0, None)


def lane_numbers(a, matrix):
    """Return T_j of every column of a packed matrix."""
    (sums,) = multiply([as_vector(a, matrix.lanes)], matrix)
    return numbers_of(sums.usual, matrix)


def numbers_of(sums, matrix):
    """Return the whole numbers in the sums of every block."""
    words = [sums_of_columns(part, matrix.lanes, block.count) for part, block in zip(sums, matrix.blocks, strict=True)]
    return [number for part in words for number in part][: len(matrix.scales)]


def large_numbers(vector):
    """Return b_i by its place in the vector, for every large element."""
    groups = vector.large.groups if vector.large else []
    return {64 * n + place: b for n, places, numbers in groups for place, b in zip(places, numbers, strict=True)}


def product(x, matrix, bound):
    """Return y = x W, and x rounded."""
    vector = round_for(x, bound, matrix.lanes, "layer")
    (result,) = apply(matrix, [vector], [0.0] * len(matrix.scales))
    return result, vector


def exact_sums(a, q):
    """Return sum_i a_i q_ij in whole numbers."""
    return [sum(number * row[j] for number, row in zip(a, q, strict=True)) for j in range(len(q[0]))]


def exact_product(x, weight):
    x = [Fraction(value) for value in x]
    return [sum(a * Fraction(row[j]) for a, row in zip(x, weight, strict=True)) for j in range(len(weight[0]))]


def square_norms(q):
    """Return the largest sum of squares of 64 rows, 64 from the first on, for every column of whole numbers."""
    groups = [q[start : start + 64] for start in range(0, len(q), 64)]
    return [max(sum(row[j] ** 2 for row in group) for group in groups) for j in range(len(q[0]))]


def as_large_as_allowed(a, q, lanes):
    """Return the numbers a made larger or smaller in proportion, so that |a| |q_j| just stays below 2^(L-1).

    |a_i| is kept below `lanes.offset` too.
    """
    norm = isqrt(max(square_norms([[number] for number in a]))) + 1
    limit = (1 << (lanes.width - 1)) // (isqrt(max(square_norms(q))) + 1)
    limit = min(limit, lanes.offset - 1)
    # Towards zero, so that no number becomes larger.
    return [number * limit // norm if number > 0 else -(-number * limit // norm) for number in a]


def cut_sums(a, q, lanes, cuts):
    """Return T_j from the sums of several shards: the rows cut at `cuts`, each part in groups of its own."""
    total = None
    for start, stop in pairwise([0, *cuts, len(q)]):
        matrix = pack_numbers(q[start:stop], lanes)
        (parts,) = multiply([as_vector(a[start:stop], lanes)], matrix)
        total = parts if total is None else total.plus(parts)
    return numbers_of(total.usual, matrix)[: len(q[0])]


def seeded(*parts):
    return random.Random(repr(parts))
