"""Quantised numbers to floats, bit for bit, against the gguf package and against exact fractions."""

import random
import struct
import sys
import tracemalloc
from fractions import Fraction
from math import isfinite

import numpy as np
import pytest

from starchart.checkpoints.numbers.block_quantised import widen_q4_0, widen_q8_0
from starchart.checkpoints.numbers.number_types import bytes_of, decode_numbers, first_not_finite

SIZES = {"Q8_0": 34, "Q4_0": 18}
WIDEN = {"Q8_0": widen_q8_0, "Q4_0": widen_q4_0}


def block(dtype: str, scale: int, rng: random.Random) -> bytes:
    return struct.pack("<H", scale) + rng.randbytes(SIZES[dtype] - 2)


def by_definition(dtype: str, data: bytes) -> list[Fraction]:
    """Return d q, or d (q - 8) of each half of a byte."""
    (scale,) = struct.unpack_from("<e", data)
    if dtype == "Q8_0":
        numbers = list(struct.unpack_from("<32b", data, 2))
    else:
        numbers = [(byte & 15) - 8 for byte in data[2:]] + [(byte >> 4) - 8 for byte in data[2:]]
    return [Fraction(scale) * number for number in numbers]


@pytest.mark.parametrize("dtype", SIZES)
def test_every_scale(dtype):
    rng = random.Random(1)
    scales = [scale for scale in range(0, 65536, 7) if scale >> 10 & 31 != 31]
    rng.shuffle(scales)
    for scale in scales:
        data = block(dtype, scale, rng)
        assert [Fraction(x) for x in decode_numbers(data, dtype)] == by_definition(dtype, data)


@pytest.mark.parametrize("dtype", SIZES)
def test_every_byte_in_every_place(dtype):
    for shift in range(0, 256, SIZES[dtype] - 2):
        data = b"".join(
            struct.pack("<e", -0.75) + bytes((shift + n + k) % 256 for n in range(SIZES[dtype] - 2)) for k in range(32)
        )
        expected = [x for k in range(32) for x in by_definition(dtype, data[k * SIZES[dtype] : (k + 1) * SIZES[dtype]])]
        assert [Fraction(x) for x in decode_numbers(data, dtype)] == expected


@pytest.mark.parametrize("dtype", SIZES)
def test_bits_are_those_of_the_gguf_package(dtype):
    gguf = pytest.importorskip("gguf")
    kind = gguf.GGMLQuantizationType[dtype]
    numbers = np.random.default_rng(2).standard_normal((500, 96)).astype(np.float32)
    numbers *= np.float32(2.0) ** np.arange(-24, 1)[np.arange(500) % 25, None].astype(
        np.float32
    )  # subnormal scales too
    numbers[3:5] = 0.0
    for raw in (gguf.quants.quantize(numbers, kind), np.frombuffer(random.Random(3).randbytes(3400 * 18), np.uint8)):
        blocks = raw.reshape(-1, SIZES[dtype])
        finite = blocks[(blocks[:, 1] & 0x7C) != 0x7C]  # a NaN may have any bits
        theirs = gguf.quants.dequantize(finite, kind)
        assert WIDEN[dtype](finite.tobytes()) == theirs.astype("<f4").tobytes()  # zeros below 0 included


@pytest.mark.parametrize("dtype", SIZES)
def test_sizes(dtype):
    assert bytes_of(96, dtype) == 3 * SIZES[dtype]
    assert len(decode_numbers(b"", dtype)) == 0
    assert decode_numbers(bytes(SIZES[dtype]), dtype).typecode == "f"


@pytest.mark.parametrize("dtype", SIZES)
def test_every_scale_is_judged_rightly(dtype):
    rng = random.Random(4)
    for scale in range(0, 65536, 3):
        if scale >> 10 & 31 in (0, 15, 30, 31):
            raw = block(dtype, 0x3C00, rng) + block(dtype, scale, rng)
            numbers = decode_numbers(raw, dtype)
            found = first_not_finite(raw, dtype, numbers)
            assert found == next((n for n, number in enumerate(numbers) if not isfinite(number)), None)
            assert (found is None) == (scale >> 10 & 31 != 31)


def test_tables_do_not_pile_up():
    rng = random.Random(5)
    tracemalloc.start()
    try:
        for scale in range(0, 0x7C00, 4):
            widen_q4_0(block("Q4_0", scale, rng))
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert kept < 8_000_000  # all of them are 10 MB


@pytest.mark.parametrize("dtype", SIZES)
def test_a_big_endian_machine_swaps(dtype, monkeypatch):
    raw = block(dtype, 0x3555, random.Random(6))
    plain = decode_numbers(raw, dtype)
    monkeypatch.setattr(sys, "byteorder", "big")
    swapped = decode_numbers(raw, dtype)
    swapped.byteswap()
    assert swapped == plain
