"""Floats and doubles to BF16, rounded once to the nearest, of two equally near ones to the even one, and in bulk.

    F32     s eeeeeeee mmmmmmm | mmmmmmmm mmmmmmmm
    BF16    s eeeeeeee mmmmmmm                          the upper half, rounded

All numbers of an array make one big integer of 32 bits each, and one addition rounds them all: 0x7FFF, and 1 more where
the lowest bit that stays is set. What carries out of the lower half rounds up, and an exact half goes to the even
neighbour. A finite number carries at most into infinity, so nothing reaches the number beside it.

A double has to become a float first. Where that rounding ends on an exact half, the second one could go the wrong way:
such a float is moved one step back towards its double, off the half.
"""

import sys
from array import array

_HALF, _BELOW, _ABOVE = (bits.to_bytes(2, "little") for bits in (0x8000, 0x7FFF, 0x8001))


def round_to_bfloat16(numbers: "array[float]") -> bytes:
    """Return finite floats or doubles as little-endian BF16; what is too large becomes infinite.

    >>> round_to_bfloat16(array("f", [1.0, 1.00390625, 1.01171875, -1.005])).hex()
    '803f803f823f81bf'
    """
    singles = array("f", numbers)
    raw = bytearray(little_endian(singles))
    if numbers.typecode == "d":
        _leave_halves(raw, numbers, singles)
    bits = int.from_bytes(raw, "little")
    lowest = bits >> 16 & int.from_bytes(b"\x01\x00\x00\x00" * len(singles), "little")
    below = int.from_bytes(b"\xff\x7f\x00\x00" * len(singles), "little")
    rounded = (bits + below + lowest).to_bytes(len(raw), "little")
    narrow = bytearray(len(raw) // 2)
    narrow[0::2], narrow[1::2] = rounded[2::4], rounded[3::4]
    return bytes(narrow)


def little_endian(numbers: "array[float]") -> bytes:
    """Return the bytes of an array, little-endian on every machine."""
    if sys.byteorder == "big":
        numbers = numbers[:]
        numbers.byteswap()
    return numbers.tobytes()


def _leave_halves(raw: bytearray, doubles: "array[float]", singles: "array[float]") -> None:
    """Move the floats in `raw` that are an exact half of BF16, but were none as doubles, to the side of the double."""
    place = raw.find(_HALF)
    while place >= 0:
        index = place // 4
        size, rounded = abs(doubles[index]), abs(singles[index])
        if place % 4 == 0 and size != rounded:
            raw[place : place + 2] = _BELOW if size < rounded else _ABOVE
        place = raw.find(_HALF, place + 1)
