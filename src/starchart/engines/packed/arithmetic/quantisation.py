"""Quantisation: floats become whole numbers, weights column by column and vectors with one scale.

    weights    w_ij = c_j q_ij,  |q_ij| <= 2^(b-1) - 1     c_j from the largest magnitude of column j
    vectors    x_i = a_i / s,    |a| K < 2^(L-1)           s as large as the lanes allow

`round_vector` and `quantise_weights` round to the nearest whole number, by adding 1.5 * 2^52 to a float. With |.| the
Euclidean norm of a group of at most 64 numbers, rounding changes each number by at most 1/2, so
|a| <= s |x| + sqrt(64)/2, and |a| K < 2^(L-1) holds for

    s = (2^(L-1) / K - 5) / |x|,    |x| the largest norm of a group, K a bound on |q_j| for all columns j.

|x| comes from a correctly rounded sum: the same bits in every order and on every machine.
"""

import sys
from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import inf, isqrt, ldexp, sqrt
from operator import mul

from starchart.engines.packed.arithmetic.lanes import Lanes, Words, lanes_to_bytes, ones
from starchart.engines.packed.arithmetic.packed_matrix import Rounded, group_sizes, in_groups
from starchart.errors import CheckpointError, GenerationError
from starchart.utils.exact_sum import exact_sum
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
    K^2 is at least (2^(b-1) - 1)^2, so that the numbers of a vector stay small where all weights are 0.

    >>> norm_bound([array("I", [128 + 127, 128]), array("I", [128 - 3, 128])], [2], 8)  # 127^2 + 3^2 = 16138
    16250
    """
    table = _squares(exact=bits == 8)
    largest = max((_largest_sum(group, table, bits - 8) for group in in_groups(rows, sizes) if group), default=0)
    least = (1 << (bits - 1)) - 1
    return max(least * least, largest * _SQUARES_TO_A_STEP << (2 * (bits - 8)))


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


WHOLE = 1.5 * (1 << 52)  # added to a float, it leaves the nearest whole number in the low bits
_LOW = 0 if sys.byteorder == "little" else 1  # which half of a double has the low bits
_ROUNDING = 5.0  # sqrt(64)/2, and 1 for the roundings of floats
_TINY, _HUGE = ldexp(1.0, -900), ldexp(1.0, 900)  # squares beyond these are not trusted
_LARGEST = ldexp(1.0, 1000)


def round_for(x: Vector, bound: int, lanes: Lanes, name: str) -> Rounded:  # [in] -> [in]
    """Return a vector rounded for a matrix with K^2 = bound, in groups of 64. No lane overflows: asserted.

    Raises GenerationError for infinities and NaN; `name` says in it which layer the vector is for.
    """
    sizes = group_sizes(len(x))
    scale = scale_for(largest_norm(x, sizes, name), bound, lanes)
    numbers = round_vector(x, scale, lanes.offset)
    assert fits(in_groups(numbers.tolist(), sizes), lanes.offset, bound, lanes)
    return numbers, 1.0 / scale


def largest_norm(x: Vector, sizes: Sequence[int], name: str) -> float:
    """Return the largest norm of a group of x, or somewhat more. Raises GenerationError for infinities and NaN.

    `name` says in it which layer x is for.
    """
    largest, first = 0.0, 0
    for size in sizes:
        group = x[first : first + size]
        first += size
        square = exact_sum(map(mul, group, group))
        if not _TINY < square < _HUGE:
            largest = max(largest, _norm_at_the_ends(group, name))
        else:
            largest = max(largest, sqrt(square))
    return largest


def scale_for(norm: float, bound: int, lanes: Lanes) -> float:
    """Return s for a vector whose largest norm is `norm` and a matrix with K^2 = bound; 1.0 for a vector of zeros."""
    if not norm:
        return 1.0
    most = (1 << (lanes.width - 1)) / (isqrt(bound) + 1) - _ROUNDING
    return min(most / norm, _HUGE)


def round_vector(x: Vector, scale: float, offset: int) -> "array[int]":  # [in] -> [in], type 'I'
    """Return a_i + offset, a_i the whole number nearest to x_i * scale: 1.7 times as fast as with round()."""
    whole = WHOLE + offset
    return low_words(array("d", [value * scale + whole for value in x]))


def low_words(numbers: "array[float]") -> "array[int]":
    """Return n modulo 2^32 from each double WHOLE + n: it is the low half of the bits."""
    words = array("I", bytes(4 * len(numbers)))
    memoryview(words)[:] = memoryview(numbers).cast("B").cast("I")[_LOW::2]
    return words


def fits(groups: Sequence[Sequence[int]], offset: int, bound: int, lanes: Lanes) -> bool:
    """Return whether |a| K < 2^(L-1) for every group, computed exactly."""
    # sum (v - M)^2 = sum v^2 - 2 M sum v + n M^2
    norms = (sum(map(mul, v, v)) - 2 * offset * sum(v) + len(v) * offset * offset for v in groups)
    return max(norms, default=0) * bound < 1 << (2 * (lanes.width - 1))


def _norm_at_the_ends(group: Vector, name: str) -> float:
    """Return sqrt(64) times the largest magnitude, which no norm of a group exceeds."""
    if not exact_sum(map(abs, group)) < _LARGEST:
        raise GenerationError(
            f"{name}: its input is infinite, NaN or too large; look for huge weights in earlier layers"
        )
    return 8.0 * max(map(abs, group))
