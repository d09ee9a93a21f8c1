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

q and a are rounded to the nearest whole number. The sums T_j are exact, so neither the order of the rows nor the blocks
of columns nor the number of processes change a bit. Only c_j T_j / s is rounded, as floats are. Source: Kronecker
substitution (von zur Gathen and Gerhard, Modern Computer Algebra, section 8.4).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice, pairwise
from typing import TypeVar

from starchart.engines.packed.arithmetic.lanes import Lanes, ones, pair_bytes
from starchart.utils.matrix import Vector

Item = TypeVar("Item")

GROUP = 64  # rows
_BLOCK_DIGITS = 1536  # of 30 bits: the terms of a sum stay in the first-level cache of the processor
GUARD = 40  # the guard is 2^40 times the first bit above the highest lane: it keeps every sum positive


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


def group_sizes(rows: int) -> list[int]:
    """Return the sizes of the groups into which `rows` rows are divided: 64, 64, ..., the rest."""
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
        start = (columns << (lanes.width - 1)) - lanes.offset * (sum(part) - size * guard) + (guard << GUARD)
        groups.append(Group(start, part))
    return Block(groups, count)


def in_groups(items: Sequence[Item], sizes: Sequence[int]) -> list[Sequence[Item]]:
    """Return numbers, or rows, split into groups of these sizes."""
    groups: list[Sequence[Item]] = []
    first = 0
    for size in sizes:
        groups.append(items[first : first + size])
        first += size
    return groups
