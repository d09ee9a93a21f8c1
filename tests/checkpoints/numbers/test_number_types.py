"""Bytes to floats, bit for bit, against hand-worked numbers, struct and fractions."""

import random
import struct
import sys
from fractions import Fraction
from math import inf, isnan, nan

import pytest

from starchart.checkpoints.numbers.half_precision import widen_half
from starchart.checkpoints.numbers.number_types import decode_numbers, first_not_finite

# The same numbers, worked by hand: 1, -2.5 and the smallest normal number of the format.
BY_HAND = {
    "F16": ("003c 00c1 0004", [1.0, -2.5, 2.0**-14], "f"),
    "BF16": ("803f 20c0 8000", [1.0, -2.5, 2.0**-126], "f"),
    "F32": ("0000803f 000020c0 00008000", [1.0, -2.5, 2.0**-126], "f"),
    "F64": ("000000000000f03f 00000000000004c0 0000000000001000", [1.0, -2.5, 2.0**-1022], "d"),
}


@pytest.mark.parametrize(("dtype", "text", "numbers", "typecode"), [(d, *case) for d, case in BY_HAND.items()])
def test_numbers_worked_by_hand(dtype, text, numbers, typecode):
    decoded = decode_numbers(bytes.fromhex(text), dtype)
    assert decoded.typecode == typecode
    assert decoded.tolist() == numbers


@pytest.mark.parametrize("dtype", BY_HAND)
def test_no_numbers(dtype):
    assert len(decode_numbers(b"", dtype)) == 0


def half_as_fraction(bits: int) -> Fraction:
    """The value of a finite F16 by the definition: (-1)^s 2^(e - 25) (1024 + m), or 2^-24 m where e is 0."""
    sign, exponent, mantissa = bits >> 15, bits >> 10 & 31, bits & 1023
    magnitude = (
        Fraction(mantissa, 2**24) if exponent == 0 else Fraction(1024 + mantissa) * Fraction(2) ** (exponent - 25)
    )
    return -magnitude if sign else magnitude


def test_every_half_precision_number():
    halves = list(range(65536))
    random.Random(5).shuffle(halves)  # so that none is right by its neighbours
    decoded = decode_numbers(struct.pack("<65536H", *halves), "F16")
    for bits, value in zip(halves, decoded, strict=True):
        if bits >> 10 & 31 == 31:
            assert isnan(value) if bits & 1023 else value == (-inf if bits >> 15 else inf)
        else:
            assert Fraction(value) == half_as_fraction(bits)


@pytest.mark.parametrize("places", [(0,), (6,), (0, 1, 2, 3, 4, 5, 6), (2, 3), ()], ids=str)
def test_subnormal_half_precision_numbers_anywhere(places):
    halves = [0x0001 + 0x8101 * (place % 2) if place in places else 0x0400 * place for place in range(7)]
    decoded = decode_numbers(struct.pack("<7H", *halves), "F16")
    assert [Fraction(value) for value in decoded] == [half_as_fraction(bits) for bits in halves]


# From none to all: few of them are decoded one by one, many together.
@pytest.mark.parametrize("one_in", [1, 3, 7, 8, 9, 40, 400, 5000])
def test_subnormal_half_precision_numbers_of_any_frequency(one_in):
    rng = random.Random(one_in)
    halves = [
        rng.randrange(1, 1024) if rng.randrange(one_in) == 0 else rng.randrange(0x400, 0x7C00) for _ in range(3000)
    ]
    halves = [half | rng.getrandbits(1) << 15 for half in halves]
    decoded = decode_numbers(struct.pack("<3000H", *halves), "F16")
    assert [Fraction(value) for value in decoded] == [half_as_fraction(bits) for bits in halves]


def test_half_precision_keeps_the_sign_of_zero():
    assert widen_half(bytes.fromhex("0080 0000")) == bytes.fromhex("00000080 00000000")


def test_every_bfloat16_number_is_the_upper_half_of_a_float32():
    decoded = decode_numbers(struct.pack("<65536H", *range(65536)), "BF16")
    expected = struct.unpack("<65536f", b"".join(struct.pack("<HH", 0, bits) for bits in range(65536)))
    assert struct.pack("<65536f", *decoded) == struct.pack("<65536f", *expected)


@pytest.mark.parametrize(("dtype", "letter"), [("F32", "f"), ("F64", "d")])
def test_random_bits(dtype, letter):
    raw = random.Random(3).randbytes(8 * 997)
    count = len(raw) // struct.calcsize(letter)
    expected = [x for x in struct.unpack(f"<{count}{letter}", raw) if not isnan(x)]
    assert [x for x in decode_numbers(raw, dtype) if not isnan(x)] == expected


@pytest.mark.parametrize("dtype", BY_HAND)
def test_a_big_endian_machine_swaps(dtype, monkeypatch):
    # On a big-endian machine the array would read these bytes the other way round; here we can see that it is told to.
    raw = bytes.fromhex(BY_HAND[dtype][0])
    plain = decode_numbers(raw, dtype)
    monkeypatch.setattr(sys, "byteorder", "big")
    swapped = decode_numbers(raw, dtype)
    swapped.byteswap()
    assert swapped == plain
    assert decode_numbers(raw, dtype) != plain


def pack(dtype: str, numbers: list[float]) -> bytes:
    if dtype == "BF16":
        return b"".join(struct.pack("<f", number)[2:] for number in numbers)
    return struct.pack(f"<{len(numbers)}{ {'F16': 'e', 'F32': 'f', 'F64': 'd'}[dtype] }", *numbers)


@pytest.mark.parametrize("dtype", BY_HAND)
@pytest.mark.parametrize("value", [inf, -inf, nan, -nan])
def test_what_is_not_finite_is_found(dtype, value):
    for place in (0, 3, 6):
        numbers = [0.0, 1.0, -1.0, 0.5, 2.0, -0.25, 3.0]
        numbers[place] = value
        raw = pack(dtype, numbers)
        assert first_not_finite(raw, dtype, decode_numbers(raw, dtype)) == place


def test_the_first_of_many_is_named():
    raw = pack("F32", [0.0, nan, inf, nan])
    assert first_not_finite(raw, "F32", decode_numbers(raw, "F32")) == 1


# The largest finite number of each format, by its bits: one more and it is infinity.
@pytest.mark.parametrize(
    ("dtype", "text"), [("F16", "ff7b fffb"), ("BF16", "7f7f 7fff"), ("F32", "ffff7f7f"), ("F64", "ffffffffffffef7f")]
)
def test_the_largest_numbers_are_finite(dtype, text):
    raw = bytes.fromhex(text)
    assert first_not_finite(raw, dtype, decode_numbers(raw, dtype)) is None


def test_every_half_precision_number_is_judged_rightly():
    for bits in range(65536):
        raw = struct.pack("<H", bits)
        assert (first_not_finite(raw, "F16", decode_numbers(raw, "F16")) is not None) == (bits >> 10 & 31 == 31)
