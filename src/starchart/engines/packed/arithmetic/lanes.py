"""Lanes: many small whole numbers side by side in one big integer.

    X = sum_j v_j 2^(L j),    0 <= v_j < 2^L

Lane j is the L bits from L j up. Adding two such integers, or multiplying one by a whole number, does the same to every
lane at once, as long as no result reaches 2^L: a carry would run into the next lane. That none does is for the caller
to prove (`packed_matrix`); this file only puts lanes in and takes them out.

L is a multiple of 4, so that a pair of lanes fills whole bytes. Lanes go in and come out with strided slices of bytes,
the even ones and the odd ones apart.
"""

import sys
from array import array
from dataclasses import dataclass
from functools import cache
from typing import TypeAlias

Words: TypeAlias = "array[int]"


@dataclass(frozen=True)
class Lanes:
    """How wide a lane is, and how many of its bits a weight has."""

    width: int  # L
    weight_bits: int  # b

    @property
    def offset(self) -> int:
        """More than any |a_i|: as |q_j| is at least 2^(b-1) - 1 for some j, |a_i| <= |a| is below 2^(L-b+1)."""
        return 1 << (self.width - self.weight_bits + 1)


@dataclass(frozen=True)
class Precision:
    """Lanes for the matrices, for keys and values, and for a first look at the logits, where that pays."""

    weights: Lanes
    attention: Lanes
    screen: Lanes | None


FULL = Precision(weights=Lanes(52, 25), attention=Lanes(64, 27), screen=Lanes(24, 10))
FAST = Precision(weights=Lanes(20, 8), attention=Lanes(32, 13), screen=None)


def lanes_to_bytes(values: Words, width: int, bits: int) -> bytearray:  # [N] -> ceil(N/2) * width/4 bytes
    """Return the bytes of the integer whose lanes are `values`, an array of type 'I', each below 2^bits; bits <= 28.

    An odd number of lanes gets one more, 0, so that there are pairs. Lowest byte first.

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
    """Return the first `count` whole numbers v_j out of two integers with lanes of twice the width.

    `even` holds the numbers of even j, `odd` the others, each as v_j + 2^(w-1), where w = word_bits(width). The array
    is of type 'i' or 'q'.

    >>> unpack_lanes((5 + 2**31) + (7 + 2**31 << 48), 2**31 - 6, 24, 3)
    array('i', [5, -6, 7])
    """
    values = array("i" if word_bits(width) == 32 else "q")
    size, stride = values.itemsize, pair_bytes(width)
    values.frombytes(bytes(size * count))
    for lane, packed in enumerate((even, odd)):
        pairs = (count + 1 - lane) // 2
        # The highest bit turned over makes v + 2^(w-1) two's complement.
        raw = (packed ^ ones(2 * width, pairs) << (8 * size - 1)).to_bytes(stride * pairs + size, "little")
        words = bytearray(size * pairs)
        for byte in range(size):
            words[byte::size] = raw[byte : stride * pairs : stride]
        values[lane::2] = _little_endian(array(values.typecode, bytes(words)))
    return values


def pair_bytes(width: int) -> int:
    """Return how many bytes a pair of lanes fills."""
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
