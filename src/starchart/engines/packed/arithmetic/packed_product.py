"""The product of a vector with a matrix in lanes, exact in whole numbers: the inner loop of the packed engine.

    T_j = sum_i a_i q_ij,    y_j = c_j / s T_j + bias_j

`lane_sums` computes T_j for all columns j of a block at once. The proof that no lane overflows is in `packed_matrix`,
the rounding of the vector in `quantised_vectors`.
"""

from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import chain, repeat
from operator import add, mul
from typing import NamedTuple, TypeAlias

from starchart.engines.packed.arithmetic.lanes import Lanes, ones, pair_bytes, unpack_lanes, word_bits
from starchart.engines.packed.arithmetic.packed_matrix import GUARD, Block, PackedMatrix, in_groups
from starchart.utils.matrix import Vector

Groups: TypeAlias = Sequence[Sequence[int]]  # a_i + M of one vector, group by group


class LargeElements(NamedTuple):
    """The large elements of a vector: b_i = x_i s'. They are few, so that they are multiplied by their rows alone."""

    groups: Sequence[tuple[int, Sequence[int], Sequence[int]]]  # the number of a group, places in it, b_i
    unit: float  # 1/s'


class RoundedVector(NamedTuple):
    """A vector in whole numbers: x_i = a_i / s, and x_i = b_i / s' where it is large."""

    numbers: "array[int]"  # a_i + M, M = lanes.offset; a_i is 0 where x_i is large
    unit: float  # 1/s
    large: LargeElements | None


@dataclass(frozen=True)
class LaneSums:
    """T_j of all columns of a block, still in lanes. Sums over different rows may be added."""

    total: int  # the sum of the groups' sums; carries run into the next lane
    even: int  # the sum of their even lanes, each with twice the width
    groups: int

    def __add__(self, other: "LaneSums") -> "LaneSums":
        return LaneSums(self.total + other.total, self.even + other.even, self.groups + other.groups)


class MatrixSums(NamedTuple):
    """The sums of one vector, block by block."""

    usual: Sequence[LaneSums]
    large: Sequence[LaneSums]  # those of the large elements; empty where there are none

    def plus(self, other: "MatrixSums") -> "MatrixSums":
        """Return the sums over the rows of both."""
        large = list(map(add, self.large, other.large)) if self.large and other.large else self.large or other.large
        return MatrixSums(list(map(add, self.usual, other.usual)), large)


def lane_sums(block: Block, vectors: Sequence[Groups], guards: Sequence[int], lanes: Lanes) -> list[LaneSums]:
    """Return sum_i a_i q_ij for every lane j and every vector, exactly: [T][in], [T] -> [T].

    `guards`: for each vector, the sum of its guards: the number that stands above the highest lane of `total`.
    """
    mask = even_lanes(lanes.width, block.count)
    totals, evens = [0] * len(vectors), [0] * len(vectors)
    for number, group in enumerate(block.groups):
        for t, vector in enumerate(vectors):  # all vectors, while the group is in the processor's cache
            sums = sum(map(mul, group.rows, vector[number]), group.start)
            totals[t] += sums
            evens[t] += sums & mask
    end = lanes.width * block.count
    return [
        LaneSums(total - (guard << end), even, len(block.groups))
        for total, even, guard in zip(totals, evens, guards, strict=True)
    ]


def large_lane_sums(block: Block, large: LargeElements, lanes: Lanes) -> LaneSums:
    """Return sum_i b_i q_ij for every lane j, exactly: the same sums in the same groups, over few rows."""
    mask, end = even_lanes(lanes.width, block.count), lanes.width * block.count
    start = (ones(lanes.width, block.count) << (lanes.width - 1)) + (1 << end + GUARD)
    total = even = 0
    for number, places, factors in large.groups:
        rows = map(block.groups[number].rows.__getitem__, places)
        sums = sum(map(mul, rows, factors), start)
        total += sums - (sum(factors) + (1 << GUARD) << end)
        even += sums & mask
    return LaneSums(total, even, len(large.groups))


def sums_of_columns(sums: LaneSums, lanes: Lanes, count: int) -> Sequence[int]:  # -> [count]
    """Return the whole numbers T_j."""
    even, odd = sums.even, sums.total - sums.even >> lanes.width
    if sums.groups > 1 << (word_bits(lanes.width) - lanes.width):
        return _larger_than_words(even, odd, sums.groups, lanes, count)
    even_excess, odd_excess = _excess(lanes.width, count, sums.groups)
    return unpack_lanes(even + even_excess, odd + odd_excess, lanes.width, count)


def multiply(vectors: Sequence[RoundedVector], matrix: PackedMatrix) -> list[MatrixSums]:  # [T][in] -> [T]
    """Return the sums of every block, for every vector."""
    groups = [in_groups(vector.numbers.tolist(), matrix.sizes) for vector in vectors]
    guards = [sum(map(sum, own)) + (len(own) << GUARD) for own in groups]
    usual = [lane_sums(block, groups, guards, matrix.lanes) for block in matrix.blocks]
    return [
        MatrixSums(
            [sums[t] for sums in usual],
            [large_lane_sums(block, vector.large, matrix.lanes) for block in matrix.blocks] if vector.large else [],
        )
        for t, vector in enumerate(vectors)
    ]


def apply(
    matrix: PackedMatrix, vectors: Sequence[RoundedVector], bias: Vector
) -> list[list[float]]:  # [in][out], [T][in], [out] -> [T][out]
    """Return x W + bias for every vector x, for as many columns as there are biases."""
    return [
        products(sums, matrix, vector.unit, vector.large.unit if vector.large else 0.0, bias)
        for sums, vector in zip(multiply(vectors, matrix), vectors, strict=True)
    ]


def products(
    sums: MatrixSums, matrix: PackedMatrix, unit: float, large_unit: float, bias: Vector
) -> list[float]:  # [out] -> [out]
    """Return y_j = T_j c_j unit + T'_j c_j large_unit + bias_j for as many columns as there are biases.

    T'_j is the sum over the large elements; unit = 1/s, large_unit = 1/s'.
    """
    result = _scaled(sums.usual, matrix, unit, bias)
    return _scaled(sums.large, matrix, large_unit, result) if sums.large else result


def _scaled(sums: Sequence[LaneSums], matrix: PackedMatrix, unit: float, bias: Vector) -> list[float]:  # -> [out]
    counts = [block.count for block in matrix.blocks]
    words = chain.from_iterable(map(sums_of_columns, sums, repeat(matrix.lanes), counts))
    return [total * (scale * unit) + b for total, scale, b in zip(words, matrix.scales, bias, strict=False)]


@cache
def even_lanes(width: int, count: int) -> int:
    """Return the mask of lanes 0, 2, 4, ... of `count` lanes."""
    return ones(2 * width, (count + 1) // 2) * ((1 << width) - 1)


@cache
def _excess(width: int, count: int, groups: int) -> tuple[int, int]:
    """Return what added to T_j + groups 2^(L-1) gives T_j + 2^(w-1), for even lanes and for odd lanes."""
    spare = (1 << (word_bits(width) - 1)) - groups * (1 << (width - 1))
    return ones(2 * width, (count + 1) // 2) * spare, ones(2 * width, count // 2) * spare


def _larger_than_words(even: int, odd: int, groups: int, lanes: Lanes, count: int) -> list[int]:  # -> [count]
    """Return the whole numbers T_j one by one, where the sums of all groups may not fit into machine words."""
    size, shift = pair_bytes(lanes.width), groups << (lanes.width - 1)
    parts = [part.to_bytes(size * ((count + 1) // 2), "little") for part in (even, odd)]
    places = [(parts[lane % 2], lane // 2 * size) for lane in range(count)]
    return [int.from_bytes(part[start : start + size], "little") - shift for part, start in places]
