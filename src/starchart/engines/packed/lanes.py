"""Lanes: many small whole numbers side by side in one big integer.

    X = sum_j v_j 2^(L j),    0 <= v_j < 2^L

Lane j is the L bits from L j up. Adding two such integers, or multiplying one by a whole number, does the same to every
lane at once, as long as no result reaches 2^L: a carry would run into the next lane. That none does is for the caller
to prove (`packed_matrix`); this file only puts lanes in and takes them out.

CPython keeps an integer in digits of 30 bits, so widths of 30 and 60 bits waste none. Such a lane begins at a byte only
now and then: two 60-bit lanes, or four 30-bit lanes, fill 15 bytes. So the lanes go in and out as two or four streams,
each of which lies at whole bytes once it is shifted, and strided slices of bytes move a whole stream at once.
"""

import sys
from array import array
from functools import cache
from math import gcd
from typing import TypeAlias

Words: TypeAlias = "array[int]"


def pack_lanes(values: Words, width: int) -> int:  # [N] -> one integer
    """Return the integer whose lanes are `values`, an array of type 'I' or 'Q', each below 2^width.

    >>> hex(pack_lanes(array("I", [0x11, 0x22, 0x33]), 30))
    '0x33000000880000011'
    """
    streams, stride = _layout(width)
    packed = 0
    for k in range(min(streams, len(values))):
        words = _little_endian(values[k::streams])
        raw, size, end = words.tobytes(), words.itemsize, stride * len(words)
        spread = bytearray(end)
        for byte in range(size):
            spread[byte::stride] = raw[byte::size]
        packed |= int.from_bytes(spread, "little") << (k * width)
    return packed


def unpack_lanes(packed: int, width: int, count: int) -> Words:  # one integer -> [N]
    """Return v_j for the first `count` lanes, where lane j holds v_j + 2^(width-1): type 'i' (up to 32 bits) or 'q'.

    >>> unpack_lanes(pack_lanes(array("I", [(1 << 29) - 5, (1 << 29) + 7]), 30), 30, 2)
    array('i', [-5, 7])
    """
    streams, stride = _layout(width)
    values = array("i" if width <= 32 else "q")
    size = values.itemsize
    values.frombytes(bytes(size * count))
    for k in range(min(streams, count)):
        length = len(range(k, count, streams))
        mask, excess, sign = _sign_extension(width, 8 * stride, length, 8 * size)
        # From v + 2^(width-1) to v + 2^(bits-1), and the highest bit turned over is v in two's complement.
        stream = ((packed >> (k * width) & mask) + excess) ^ sign
        raw = stream.to_bytes(stride * length + size, "little")
        words = bytearray(size * length)
        for byte in range(size):
            words[byte::size] = raw[byte : stride * length : stride]
        values[k::streams] = _little_endian(array(values.typecode, bytes(words)))
    return values


@cache
def ones(width: int, count: int) -> int:
    """Return the integer that has 1 in each of `count` lanes.

    >>> bin(ones(4, 3))
    '0b100010001'
    """
    return ((1 << (width * count)) - 1) // ((1 << width) - 1)


@cache
def _sign_extension(width: int, slot: int, count: int, bits: int) -> tuple[int, int, int]:
    """Return the constants of `unpack_lanes` for `count` lanes in slots of `slot` bits, to become `bits` bits each."""
    places = ones(slot, count)
    return places * ((1 << width) - 1), places * ((1 << (bits - 1)) - (1 << (width - 1))), places << (bits - 1)


def _layout(width: int) -> tuple[int, int]:
    """Return how many streams there are, and how many bytes lie from one lane of a stream to the next."""
    streams = 8 // gcd(8, width)
    while width * streams < (32 if width <= 32 else 64):  # a lane of a stream has the room of a word
        streams *= 2
    return streams, width * streams // 8


def _little_endian(words: Words) -> Words:
    if sys.byteorder == "big":
        words.byteswap()
    return words
