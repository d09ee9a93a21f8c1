"""A weight matrix as big integers, and the product of a vector with it.

    y_j = sum_i x_i w_ij

Weights become whole numbers of b bits, with a scale for every column; the vector becomes whole numbers with one scale:

    w_ij = c_j q_ij,  |q_ij| < 2^(b-1),  u_ij = q_ij + 2^(b-1),  0 < u_ij < 2^b        x_i = a_i / s,  |a_i| < 2^30

Row i is one integer, R_i = sum_j u_ij 2^(L j), lane j for column j. Then sum_i a_i R_i has all products of the layer
in it: lane j is T_j = sum_i a_i u_ij. CPython multiplies a big integer by one digit of 30 bits in a single loop in C,
so one bytecode does thousands of multiply-adds.

No lane overflows. |T_j| <= sum_i |a_i| u_ij <= A (2^b - 1) with A = sum_i |a_i|, and s is chosen so that A 2^b is at
most 2^(L-1). So 2^(L-1) + T_j lies between 0 and 2^L: adding 2^(L-1) to every lane leaves none negative and none too
large. A is asserted all the same. Bounding A, rather than n max|a_i|, leaves 3 to 5 more bits for the numbers.

What is lost: q and a are rounded to the nearest whole number, and nothing else is. The sums are exact, so their order,
the blocks of columns and who computes them change no bit. Source: Kronecker substitution (von zur Gathen and Gerhard,
Modern Computer Algebra, section 8.4).
"""

import sys
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import repeat
from math import frexp, inf, ldexp
from operator import add, mul

from starchart.engines.packed.lanes import Words, ones, pack_lanes, unpack_lanes
from starchart.errors import GenerationError
from starchart.utils.exact_sum import exact_sum
from starchart.utils.matrix import Matrix, Vector
from starchart.utils.transpose_matrix import transpose_weights

_LARGEST_DIGIT = (1 << 30) - 1  # of CPython's integers: a number above it costs twice the time
_SMALLEST_SCALE = ldexp(1.0, -1000)
_LARGEST_EXPONENT = 1000  # of the scale of a vector: 2^1000 and 2^-1000 are floats
_WHOLE = 1.5 * (1 << 52)  # added to a float, it leaves the nearest whole number in the low bits
_LOW = 0 if sys.byteorder == "little" else 1  # which half of a double has the low bits
_BLOCK = 1536  # lanes: short enough that the sums stay in the processor's cache


@dataclass(frozen=True)
class Lanes:
    """How wide a lane is, and how many of its bits a weight has."""

    width: int  # L
    weight_bits: int  # b

    @property
    def limit(self) -> int:
        """The largest sum of |a_i|: with it no lane overflows."""
        return 1 << (self.width - 1 - self.weight_bits)


@dataclass(frozen=True)
class PackedMatrix:
    """A matrix [in][out] in lanes: blocks of columns, each a list of `in` integers."""

    lanes: Lanes
    scales: Vector  # [out], c_j
    blocks: Sequence[Sequence[int]]  # [blocks][in]
    block_size: int  # columns in each block but the last


def pack_matrix(weight: Matrix, lanes: Lanes, block_size: int = _BLOCK) -> PackedMatrix:  # [in][out]
    """Return `weight` packed. Its numbers must be finite."""
    scales = _column_scales(weight, lanes.weight_bits)
    inverses = [1.0 / scale for scale in scales]
    words = [quantise_weights(row, inverses, lanes.weight_bits) for row in weight]
    starts = range(0, len(scales), block_size)
    blocks = [[pack_lanes(row[start : start + block_size], lanes.width) for row in words] for start in starts]
    return PackedMatrix(lanes, scales, blocks, block_size)


def multiply(x: Vector, matrix: PackedMatrix) -> list[float]:  # [in], [in][out] -> [out]
    """Return x W."""
    a, exponent = quantise(x, matrix.lanes)
    unit = ldexp(1.0, -exponent)
    sizes = map(mul, matrix.scales, repeat(unit))
    y: list[float] = []
    for rows in matrix.blocks:
        count = min(matrix.block_size, len(matrix.scales) - len(y))
        y += map(mul, lane_sums(rows, a, matrix.lanes, count), sizes)
    return y


def lane_sums(rows: Sequence[int], a: Sequence[int], lanes: Lanes, count: int) -> Words:  # [in], [in] -> [count]
    """Return sum_i a_i q_ij for the first `count` lanes j of the rows, exactly."""
    centre = (1 << (lanes.width - 1)) - (sum(a) << (lanes.weight_bits - 1))
    return unpack_lanes(sum(map(mul, rows, a)) + centre * ones(lanes.width, count), lanes.width, count)


def quantise(x: Vector, lanes: Lanes) -> tuple[list[int], int]:  # [in] -> [in]
    """Return whole numbers a_i and an exponent e with x_i = a_i 2^-e nearly, |a_i| < 2^30 and sum |a_i| <= lanes.limit.

    Raises GenerationError where the numbers of x are infinite or nan: the model's weights are too large for floats.

    >>> quantise([1.0, -0.25], Lanes(30, 19))
    ([512, -128], 9)
    """
    total = exact_sum(map(abs, x))
    if total == 0:
        return [0] * len(x), 0
    if not total < inf:
        raise GenerationError("the numbers of the model overflow; look for huge weights")
    # Rounding adds at most 1/2 to each |a_i|, and nothing to a zero.
    most = min((lanes.limit - (len(x) - x.count(0.0)) / 2) / total, _LARGEST_DIGIT / max(map(abs, x)))
    exponent = min(frexp(most)[1] - 1, _LARGEST_EXPONENT)
    numbers = array("d", map(add, map(mul, x, repeat(ldexp(1.0, exponent))), repeat(_WHOLE)))
    a = memoryview(numbers).cast("B").cast("i")[_LOW::2].tolist()
    assert sum(map(abs, a)) <= lanes.limit
    return a, exponent


def quantise_weights(row: Vector, inverses: Vector, bits: int) -> Words:  # [out], [out] -> [out]
    """Return u_ij = round(w_ij / c_j) + 2^(b-1) for one row, from 1 / c_j."""
    numbers = array("d", map(add, map(mul, row, inverses), repeat(_WHOLE + (1 << (bits - 1)))))
    return array("I", memoryview(numbers).cast("B").cast("I")[_LOW::2])


def scale_of(largest: float, bits: int) -> float:
    """Return the scale c with which no |w| <= largest becomes more than 2^(b-1) - 1. 1/c must be a float too."""
    return max(largest / ((1 << (bits - 1)) - 1), _SMALLEST_SCALE)


def _column_scales(weight: Matrix, bits: int) -> list[float]:  # [in][out] -> [out]
    return [scale_of(_largest(column), bits) for column in transpose_weights(weight)]


def _largest(column: Vector) -> float:
    top, bottom = max(column), min(column)
    return max(top, -bottom)
