"""Quantisation of weights: floats become whole numbers, with a scale for every column.

    w_ij = c_j q_ij,  |q_ij| <= 2^(b-1) - 1     c_j from the largest magnitude of column j

The whole numbers are rounded to nearest. `norm_bound` then finds K, with which no lane overflows: see `packed_matrix`.
"""

import sys
from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import inf, ldexp

from starchart.engines.packed.arithmetic.lanes import Words, lanes_to_bytes, ones
from starchart.engines.packed.arithmetic.nearest import WHOLE, low_words
from starchart.engines.packed.arithmetic.packed_matrix import in_groups
from starchart.errors import CheckpointError
from starchart.utils.matrix import Matrix, Vector

_SMALLEST_SCALE = ldexp(1.0, -1000)  # 1/c must be a float too
_SQUARES_TO_A_STEP = 65  # of the table of squares: 128^2 / 65 is below 256, one byte


@dataclass(frozen=True)
class LaneRows:
    """Rows of a matrix, with all or some of its columns, as bytes in lanes."""

    scales: "array[float]"  # [columns], c_j
    rows: Sequence[bytes]  # q_ij + 2^(b-1) in lane j


def column_scales(rows: Iterable[Vector], bits: int, name: str) -> "array[float]":  # [in][out] -> [out]
    """Return c_j = max_i |w_ij| / (2^(b-1) - 1). Raises CheckpointError for infinities and NaN."""
    largest = array("d", largest_magnitudes(rows))
    if not all(map(inf.__gt__, largest)):
        raise CheckpointError(f"{name}: contains an infinity or NaN; weights must be finite numbers")
    return array("d", [scale_of(value, bits) for value in largest])


def scale_of(largest: float, bits: int) -> float:
    """Return the scale c for which |w| <= largest gives |q| <= 2^(b-1) - 1. 1/c must be a float too."""
    return max(largest / ((1 << (bits - 1)) - 1), _SMALLEST_SCALE)


def quantise_rows(rows: Iterable[Vector], scales: Vector, bits: int) -> list[Words]:  # [in][out], [out] -> [in][out]
    """Return q_ij + 2^(b-1)."""
    inverses = [1.0 / scale for scale in scales]
    return [quantise_weights(row, inverses, bits) for row in rows]


def pack_rows(words: Sequence[Words], scales: "array[float]", width: int, bits: int) -> LaneRows:
    """Return numbers q_ij + 2^(b-1), each of `bits` bits, in lanes of `width` bits."""
    return LaneRows(scales, [bytes(lanes_to_bytes(row, width, bits)) for row in words])


def quantise_weights(row: Vector, inverses: Iterable[float], bits: int) -> Words:  # [out], [out] -> [out]
    """Return q_ij + 2^(b-1), q_ij = round(w_ij / c_j), for one row, from 1 / c_j."""
    whole = WHOLE + (1 << (bits - 1))
    return low_words(array("d", [weight * inverse + whole for weight, inverse in zip(row, inverses, strict=False)]))


def norm_bound(rows: Sequence[Words], sizes: Sequence[int], bits: int) -> int:
    """Return K^2, a tight upper bound on sum_i q_ij^2 of any column and group; 11 times as fast as the sum itself.

    The highest 8 bits of every weight are squared by a table of 256 entries, rounded up, and added in lanes of 16 bits.
    K is at least 2^(b-1), so that the numbers of a vector stay small where all weights are 0: see `Lanes.offset`.

    >>> norm_bound([array("I", [128 + 127, 128]), array("I", [128 - 33, 128])], [2], 8)  # 127^2 + 33^2 = 17218
    17290
    """
    table = _squares(exact=bits == 8)
    largest = max((_largest_sum(group, table, bits - 8) for group in in_groups(rows, sizes) if group), default=0)
    return max(1 << (2 * bits - 2), largest * _SQUARES_TO_A_STEP << (2 * (bits - 8)))


def largest_magnitudes(rows: Iterable[Vector]) -> Vector:  # [in][out] -> [out]
    """Return max_i |w_ij| for every column, 16 times as fast as with max(): all columns are one integer.

    Float magnitudes are ordered as the integers with the same bits. So one subtraction and a few masks compare a row
    with the largest magnitudes so far. A column with an infinity or NaN gives one.

    >>> largest_magnitudes([array("f", [1.5, -2.0]), array("f", [-3.0, 0.5])])
    array('f', [3.0, 2.0])
    """
    largest, code, count = 0, "d", 0
    for row in rows:
        numbers = row if isinstance(row, array) else array("d", row)
        code, count, bits = numbers.typecode, len(numbers), 8 * numbers.itemsize
        signs = ones(bits, count) << (bits - 1)
        magnitudes = int.from_bytes(numbers.tobytes(), sys.byteorder) & ~signs
        at_least = (largest | signs) - magnitudes & signs  # the sign bit is 1 where largest >= magnitude
        keep = at_least - (at_least >> (bits - 1))  # all other bits are 1 there
        largest = magnitudes ^ (largest ^ magnitudes) & keep
    result = array(code)
    result.frombytes(largest.to_bytes(count * result.itemsize, sys.byteorder))
    return result


def fewer_bits(words: Sequence[Words], bits: int, dropped: int) -> list[Words]:
    """Return q_ij / 2^dropped, rounded, plus 2^(bits-1), from q_ij + 2^(bits+dropped-1): 6 times as fast as one by one.

    A whole row is shifted as one integer. The results have bits + 1 bits.

    >>> fewer_bits([array("I", [64 + 5, 64 - 7])], 4, 3)
    [array('I', [9, 7])]
    """
    if not words:
        return []
    half, kept = ones(32, len(words[0])) << (dropped - 1), ones(32, len(words[0])) * ((2 << bits) - 1)
    raw = (((int.from_bytes(row.tobytes(), sys.byteorder) + half) >> dropped & kept) for row in words)
    return [array("I", row.to_bytes(4 * len(words[0]), sys.byteorder)) for row in raw]


def transpose_rows(rows: Matrix) -> "list[array[float]]":  # [rows][C] -> [C][rows]
    """Return the columns of some rows of a table, as arrays of the same type."""
    first = rows[0]
    flat: array[float] = array(first.typecode if isinstance(first, array) else "d")
    for row in rows:
        flat.extend(row if isinstance(row, array) else array(flat.typecode, row))
    return [flat[column :: len(first)] for column in range(len(first))]


def _squares(exact: bool) -> bytes:
    """Return m^2 in steps, rounded up, for every highest byte of q + 2^(b-1); m is the largest |q| with that byte."""
    most = [abs(byte - 128) if exact else max(128 - byte, byte - 127) for byte in range(256)]
    return bytes((m * m + _SQUARES_TO_A_STEP - 1) // _SQUARES_TO_A_STEP for m in most)


def _largest_sum(group: Sequence[Words], table: bytes, shift: int) -> int:
    count = len(group[0])
    mask = ones(16, (count + 1) // 2) * 0xFF
    even = odd = 0
    for row in group:
        raw = (int.from_bytes(row.tobytes(), sys.byteorder) >> shift).to_bytes(4 * count, "little")
        squares = int.from_bytes(raw[::4].translate(table), "little")
        even += squares & mask
        odd += squares >> 8 & mask
    sums = [array("H", part.to_bytes(2 * ((count + 1) // 2), sys.byteorder)) for part in (even, odd)]
    return max(max(part, default=0) for part in sums)
