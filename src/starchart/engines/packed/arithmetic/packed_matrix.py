"""A weight matrix as big integers, and the product of a vector with it.

    y_j = sum_i x_i w_ij

Weights become whole numbers of b bits, with a scale for every column; the vector becomes whole numbers with one scale:

    w_ij = c_j q_ij,  |q_ij| < 2^(b-1)          x_i = a_i / s

Row i is one integer, R_i = sum_j q_ij 2^(L j), with lane j for column j. Lane j of sum_i a_i R_i is then the sum
T_j = sum_i a_i q_ij, for all columns at once. CPython multiplies a big integer by one digit of 30 bits in a single loop
in C, so one operation of Python does thousands of multiply-adds.

No lane overflows. By the Cauchy-Schwarz inequality |T_j| <= |a| |q_j|, where |.| is the Euclidean norm. Packing finds a
bound K on |q_j| for all columns, and s is chosen so that |a| K < 2^(L-1), which is asserted. So T_j + 2^(L-1) lies
between 0 and 2^L. The rows are in groups of 64, because a group has a smaller norm than the whole column. Before the
sums of the groups are added, even and odd lanes are separated, so that each lane has twice the width: enough for 2^L
groups.

The only error is that q and a are rounded to the nearest whole number. The sums are exact, so neither the order of the
rows nor the blocks of columns nor the number of processes change a bit. Source: Kronecker substitution (von zur Gathen
and Gerhard, Modern Computer Algebra, section 8.4).
"""

from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import chain, islice, pairwise, repeat
from operator import mul
from typing import TypeAlias, TypeVar

from starchart.engines.packed.arithmetic.lanes import Lanes, ones, pair_bytes, unpack_lanes, word_bits
from starchart.utils.matrix import Vector

Item = TypeVar("Item")
Rounded: TypeAlias = "tuple[array[int], float]"  # a vector: a_i + M, M = lanes.offset; and 1/s
Groups: TypeAlias = Sequence[Sequence[int]]  # a_i + M of one vector, group by group

GROUP = 64  # rows
_BLOCK_DIGITS = 1536  # of 30 bits: the terms of a sum stay in the first-level cache of the processor
_GUARD = 40  # the guard is 2^40 times the first bit above the highest lane: it keeps every sum positive


@dataclass(frozen=True)
class Group:
    """Some rows of a block. A guard above the lanes keeps each row positive: CPython adds faster than it subtracts."""

    start: int  # the initial value of the sum; see `build_block`
    rows: Sequence[int]


@dataclass(frozen=True)
class Block:
    """Some columns of a matrix."""

    groups: Sequence[Group]
    count: int  # lanes


@dataclass(frozen=True)
class PackedMatrix:
    """A matrix [in][out] in lanes."""

    lanes: Lanes
    scales: Vector  # [out], c_j
    blocks: Sequence[Block]
    sizes: Sequence[int]  # rows in each group


@dataclass(frozen=True)
class LaneSums:
    """T_j of all columns of a block, still in lanes. Sums over different rows may be added."""

    total: int  # the sum of the groups' sums; carries run into the next lane
    even: int  # the sum of their even lanes, each with twice the width
    groups: int

    def __add__(self, other: "LaneSums") -> "LaneSums":
        return LaneSums(self.total + other.total, self.even + other.even, self.groups + other.groups)


def group_sizes(rows: int) -> list[int]:
    """Return the sizes of the groups of so many rows: 64, 64, ..., the rest."""
    return [min(GROUP, rows - start) for start in range(0, rows, GROUP)]


def pack_matrix(rows: Sequence[bytes], scales: Vector, sizes: Sequence[int], lanes: Lanes) -> PackedMatrix:
    """Return the matrix whose rows are given as bytes, with q_ij + 2^(b-1) in lane j."""
    count, pair = len(scales) + len(scales) % 2, pair_bytes(lanes.width)
    blocks = max(1, round(count * lanes.width / (30 * _BLOCK_DIGITS)))
    cuts = [count * n // blocks // 2 for n in range(blocks + 1)]  # in pairs of lanes
    return PackedMatrix(
        lanes,
        list(scales),
        [
            build_block((int.from_bytes(row[a * pair : b * pair], "little") for row in rows), sizes, lanes, 2 * (b - a))
            for a, b in pairwise(cuts)
            if b > a
        ],
        sizes,
    )


def build_block(rows: Iterator[int], sizes: Sequence[int], lanes: Lanes, count: int) -> Block:
    """Return the block of `count` lanes with these rows, which hold q_ij + 2^(b-1).

    The sum of a group is sum_i (a_i + M) R_i + start with M = lanes.offset, so that no factor is negative. `start`
    subtracts M sum_i R_i, which cancels the offset, adds 2^(L-1) to every lane, and has the guard above all lanes.
    """
    columns, guard = ones(lanes.width, count), 1 << (lanes.width * count)
    plain = guard - (columns << (lanes.weight_bits - 1))
    groups = []
    for size in sizes:
        part = [row + plain for row in islice(rows, size)]  # created one by one, so that they are contiguous in memory
        start = (columns << (lanes.width - 1)) - lanes.offset * (sum(part) - size * guard) + (guard << _GUARD)
        groups.append(Group(start, part))
    return Block(groups, count)


def lane_sums(block: Block, vectors: Sequence[Groups], guards: Sequence[int], lanes: Lanes) -> list[LaneSums]:
    """Return sum_i a_i q_ij for every lane j and every vector, exactly: [T][in], [T] -> [T].

    `guards`: for each vector, the number above the highest lane of its sums.
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


def sums_of_columns(sums: LaneSums, lanes: Lanes, count: int) -> Sequence[int]:  # -> [count]
    """Return the whole numbers T_j."""
    even, odd = sums.even, sums.total - sums.even >> lanes.width
    if sums.groups > 1 << (word_bits(lanes.width) - lanes.width):
        return _larger_than_words(even, odd, sums.groups, lanes, count)
    even_excess, odd_excess = _excess(lanes.width, count, sums.groups)
    return unpack_lanes(even + even_excess, odd + odd_excess, lanes.width, count)


def multiply(vectors: Sequence[Groups], matrix: PackedMatrix) -> list[list[LaneSums]]:  # [T][in] -> [T][blocks]
    """Return the sums of every block, for every vector."""
    guards = [sum(map(sum, vector)) + (len(vector) << _GUARD) for vector in vectors]
    blocks = [lane_sums(block, vectors, guards, matrix.lanes) for block in matrix.blocks]
    return [[sums[t] for sums in blocks] for t in range(len(vectors))]


def apply(
    matrix: PackedMatrix, vectors: Sequence[Rounded], bias: Vector
) -> list[list[float]]:  # [in][out], [T][in], [out] -> [T][out]
    """Return x W + bias for every vector x, for as many columns as there are biases."""
    sums = multiply([in_groups(numbers.tolist(), matrix.sizes) for numbers, _ in vectors], matrix)
    return [products(own, matrix, unit, bias) for own, (_, unit) in zip(sums, vectors, strict=True)]


def products(sums: Sequence[LaneSums], matrix: PackedMatrix, unit: float, bias: Vector) -> list[float]:  # -> [out]
    """Return y_j = T_j c_j unit + bias_j, unit = 1/s, for as many columns as there are biases."""
    counts = [block.count for block in matrix.blocks]
    words = chain.from_iterable(map(sums_of_columns, sums, repeat(matrix.lanes), counts))
    return [total * (scale * unit) + b for total, scale, b in zip(words, matrix.scales, bias, strict=False)]


def in_groups(items: Sequence[Item], sizes: Sequence[int]) -> list[Sequence[Item]]:
    """Return numbers, or rows, split into groups of these sizes."""
    groups: list[Sequence[Item]] = []
    first = 0
    for size in sizes:
        groups.append(items[first : first + size])
        first += size
    return groups


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
    """Return the whole numbers T_j one by one: sums of so many groups do not fit into machine words."""
    size, shift = pair_bytes(lanes.width), groups << (lanes.width - 1)
    parts = [part.to_bytes(size * ((count + 1) // 2), "little") for part in (even, odd)]
    places = [(parts[lane % 2], lane // 2 * size) for lane in range(count)]
    return [int.from_bytes(part[start : start + size], "little") - shift for part, start in places]
