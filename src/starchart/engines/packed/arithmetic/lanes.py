"""Lanes: many small whole numbers side by side in one big integer.

    X = sum_j v_j 2^(L j),    0 <= v_j < 2^L

Lane j is the L bits from bit L j up. Adding two such integers, or multiplying one by a whole number, does the same in
every lane at once, as long as no result reaches 2^L: a carry would change the next lane. The caller must prove that
none does (`packed_matrix`); this file only writes and reads lanes.

L is a multiple of 4, so that a pair of lanes fills whole bytes. Lanes are written and read with strided slices of
bytes, even lanes and odd lanes separately.
"""

import sys
from array import array
from dataclasses import dataclass
from functools import cache
from typing import TypeAlias

Words: TypeAlias = "array[int]"


@dataclass(frozen=True)
class Lanes:
    """The width of a lane, and how many bits a weight has, its sign included."""

    width: int  # L
    weight_bits: int  # b

    @property
    def offset(self) -> int:
        """M, larger than any |a_i| (`packed_matrix`): |a| K < 2^(L-1) and K >= 2^(b-1), so |a_i| <= |a| < 2^(L-b)."""
        return 1 << (self.width - self.weight_bits)


@dataclass(frozen=True)
class Precision:
    """Lanes for the weights, for keys and values, and for pruning candidates; None where pruning saves no time."""

    name: str
    weights: tuple[Lanes, ...]  # a matrix has the first of them whose weights are exact enough: `lane_choice`
    attention: Lanes
    pruning: Lanes | None
    wider: "Precision | None" = None  # for models on which this one is not exact enough: `calibration`


FULL = Precision("full", (Lanes(52, 25), Lanes(56, 27)), Lanes(64, 27), Lanes(24, 10))
# No lanes of 28 bits: the sums of more than 16 groups of rows would not fit into words of 32 bits.
_FAST_32 = Precision("fast", (Lanes(32, 15),), Lanes(64, 27), None)
_FAST_24 = Precision("fast", (Lanes(24, 11),), Lanes(32, 13), None, _FAST_32)
FAST = Precision("fast", (Lanes(20, 9),), Lanes(32, 13), None, _FAST_24)


def with_wider(precision: Precision) -> list[Precision]:
    """Return a precision and the wider ones that may take its place, the narrowest first."""
    return [precision, *(with_wider(precision.wider) if precision.wider else [])]


def lanes_to_bytes(values: Words, width: int, bits: int) -> bytearray:  # [N] -> ceil(N/2) * width/4 bytes
    """Return the bytes of the integer with lanes `values`: 5 times as fast as lane by lane, for widths of 52 bits.

    `values` has type 'I', each value is below 2^bits, bits <= 28. All first bytes are copied at once, then all second
    bytes, and so on. An odd number of lanes is padded with one lane of 0. Lowest byte first.

    >>> lanes_to_bytes(array("I", [0x11, 0x22, 0x33]), 20, 8).hex(" ")
    '11 00 20 02 00 33 00 00 00 00'
    """
    stride = pair_bytes(width)
    raw = bytearray(stride * ((len(values) + 1) // 2))
    for lane in range(2):
        words = values[lane::2]
        if len(words) * stride < len(raw):
            words.append(0)
        first, shift = divmod(lane * width, 8)
        spread = (int.from_bytes(_little_endian(words).tobytes(), "little") << shift).to_bytes(4 * len(words), "little")
        for byte in range((bits + shift + 7) // 8):
            raw[first + byte :: stride] = spread[byte::4]
    return raw


def unpack_lanes(even: int, odd: int, width: int, count: int) -> Words:  # -> [count]
    """Return the whole numbers v_j in two integers with lanes of twice the width: 7 times as fast as lane by lane.

    `even` holds the numbers with even j, `odd` the others, each as v_j + 2^(w-1), where w = word_bits(width).
    There are `count` numbers. The array has type 'i' or 'q'.

    >>> unpack_lanes((5 + 2**31) + (7 + 2**31 << 48), 2**31 - 6, 24, 3)
    array('i', [5, -6, 7])
    """
    values = array("i" if word_bits(width) == 32 else "q")
    size, stride = values.itemsize, pair_bytes(width)
    values.frombytes(bytes(size * count))
    for lane, packed in enumerate((even, odd)):
        pairs = (count + 1 - lane) // 2
        # Flipping the highest bit turns v + 2^(w-1) into the two's complement of v.
        raw = (packed ^ ones(2 * width, pairs) << (8 * size - 1)).to_bytes(stride * pairs + size, "little")
        words = bytearray(size * pairs)
        for byte in range(size):
            words[byte::size] = raw[byte : stride * pairs : stride]
        values[lane::2] = _little_endian(array(values.typecode, bytes(words)))
    return values


def pair_bytes(width: int) -> int:
    """Return how many bytes a pair of lanes has."""
    return width // 4


def word_bits(width: int) -> int:
    """Return the bits of the words that `unpack_lanes` returns: 32 for widths from 16 up, 64 from 32 up."""
    return 32 if width < 32 else 64


@cache
def ones(width: int, count: int) -> int:
    """Return the integer that has 1 in each of `count` lanes.

    >>> bin(ones(4, 3))
    '0b100010001'
    """
    return ((1 << (width * count)) - 1) // ((1 << width) - 1)


def _little_endian(words: Words) -> Words:
    if sys.byteorder == "big":
        words.byteswap()
    return words
