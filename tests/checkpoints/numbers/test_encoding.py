"""Floats to bytes: rounded once, to nearest even, with the bits that NumPy and torch give."""

import random
import struct
import sys
from array import array
from fractions import Fraction
from math import inf, isfinite, nextafter, ulp

import numpy as np
import pytest
import torch

from starchart.checkpoints.numbers.number_types import WRITTEN_TYPES, decode_numbers, encode_numbers

LARGEST = {"F16": 65504.0, "BF16": 0xFF * 2.0**120, "F32": 0xFFFFFF * 2.0**104}
STEP = {"F16": 32.0, "BF16": 2.0**120, "F32": 2.0**104}  # between the two largest numbers


def finite_floats(count: int, seed: int) -> "array[float]":
    """Floats of all sizes: random bits, without infinities and NaN."""
    numbers = array("f", random.Random(seed).randbytes(4 * count))
    return array("f", [x for x in numbers if isfinite(x)])


def all_halves(letter: str) -> "array[float]":
    """Every F16, every number between two of them, and what lies next to that on both sides."""
    values = np.arange(0x7C00, dtype=np.uint16).view(np.float16).astype(np.float64)
    between = (values[:-1] + values[1:]) / 2
    wanted = np.float32 if letter == "f" else np.float64
    numbers = np.concatenate([values, between]).astype(wanted)
    numbers = np.concatenate([numbers, np.nextafter(numbers, wanted(0)), np.nextafter(numbers, wanted(1e9))])
    numbers = np.concatenate([numbers, -numbers])
    return array(letter, numbers[abs(numbers) < 65520].tobytes())


def as_numpy(numbers: "array[float]", dtype: str) -> bytes:
    return np.array(numbers).astype({"F16": "<f2", "F32": "<f4", "F64": "<f8"}[dtype]).tobytes()


def as_torch(numbers: "array[float]") -> bytes:
    return torch.frombuffer(numbers, dtype=torch.float32).to(torch.bfloat16).view(torch.int16).numpy().tobytes()


@pytest.mark.parametrize("letter", "fd")
def test_half_precision_is_numpys(letter):
    numbers = all_halves(letter)
    assert len(numbers) > 300_000
    assert encode_numbers(numbers, "F16") == as_numpy(numbers, "F16")


def test_half_precision_of_floats_is_torchs():
    numbers = all_halves("f")
    ours = torch.frombuffer(bytearray(encode_numbers(numbers, "F16")), dtype=torch.float16)
    assert torch.equal(ours.view(torch.int16), torch.frombuffer(numbers, dtype=torch.float32).half().view(torch.int16))


def test_brain_floats_of_floats_are_torchs():
    numbers = finite_floats(200_000, seed=1)
    numbers = array("f", [x for x in numbers if abs(x) < LARGEST["BF16"]])
    assert encode_numbers(numbers, "BF16") == as_torch(numbers)


def test_brain_floats_at_every_half_of_some_exponents_are_torchs():
    bits = [exponent << 23 | high << 16 | low for exponent in (0, 1, 127, 253) for high in range(128) for low in (0, 1, 0x7FFF, 0x8000, 0x8001, 0xFFFF)]  # fmt: skip  # noqa: E501
    numbers = array("f", struct.pack(f"={2 * len(bits)}I", *bits, *(1 << 31 | word for word in bits)))
    assert encode_numbers(numbers, "BF16") == as_torch(numbers)


def nearest_brain_float(x: float) -> Fraction:
    """By the definition, in exact arithmetic: the nearest number of 8 bits, the even one of two."""
    exact = abs(Fraction(x))
    exponent = -133
    while Fraction(2) ** (exponent + 8) <= exact:
        exponent += 1
    steps = round(exact / Fraction(2) ** exponent)  # Fractions are rounded to even
    return (-1 if x < 0 else 1) * steps * Fraction(2) ** exponent


def test_doubles_are_not_rounded_twice():
    rng = random.Random(2)
    doubles = array("d")
    for _ in range(500):
        half = struct.unpack("<f", struct.pack("<I", rng.randrange(1, 0x7F00) << 16 | 0x8000))[0]
        for x in (half, nextafter(half, 0), nextafter(half, inf), half * (1 - 2.0**-30), half * (1 + 2.0**-30)):
            doubles.append(rng.choice((-1, 1)) * x)
    ours = decode_numbers(encode_numbers(doubles, "BF16"), "BF16")
    assert [Fraction(x) for x in ours] == [nearest_brain_float(x) for x in doubles]
    # torch rounds to float32 first, so the numbers do tell the two apart
    twice = torch.frombuffer(doubles, dtype=torch.float64).to(torch.bfloat16)
    assert twice.tolist() != ours.tolist()


def test_doubles_to_floats_are_numpys():
    rng = random.Random(3)
    doubles = array("d", [rng.uniform(-1, 1) * 2.0 ** rng.randrange(-160, 127) for _ in range(50_000)])
    assert encode_numbers(doubles, "F32") == as_numpy(doubles, "F32")
    assert encode_numbers(doubles, "F64") == as_numpy(doubles, "F64")


@pytest.mark.parametrize("dtype", ["F16", "BF16", "F32", "F64"])
def test_what_was_read_is_written_as_it_was(dtype):
    raw = random.Random(dtype).randbytes(80_000)
    numbers = array("d", filter(isfinite, decode_numbers(raw, dtype)))
    again = encode_numbers(numbers, dtype)
    assert decode_numbers(again, dtype).tolist() == numbers.tolist()
    assert again == encode_numbers(decode_numbers(again, dtype), dtype)


@pytest.mark.parametrize("dtype", LARGEST)
@pytest.mark.parametrize("sign", [1, -1])
def test_the_edge_of_what_is_too_large(dtype, sign):
    edge = LARGEST[dtype] + STEP[dtype] / 2  # the first number that rounds to infinity
    below = nextafter(edge, 0)
    numbers = array("d", [0.5, sign * below, 1.0])
    assert decode_numbers(encode_numbers(numbers, dtype), dtype).tolist() == [0.5, sign * LARGEST[dtype], 1.0]
    for large in (edge, edge + ulp(edge), 2 * edge, inf):
        with pytest.raises(OverflowError):
            encode_numbers(array("d", [0.5, sign * large, 1.0]), dtype)


@pytest.mark.parametrize("dtype", ["F16", "BF16"])
def test_too_large_as_floats(dtype):
    with pytest.raises(OverflowError):
        encode_numbers(array("f", [0.5, LARGEST["F32"]]), dtype)


@pytest.mark.parametrize("dtype", ["F16", "BF16", "F32", "F64"])
@pytest.mark.parametrize("letter", "fd")
def test_nothing_and_zero(dtype, letter):
    assert encode_numbers(array(letter), dtype) == b""
    size = len(encode_numbers(array(letter, [0.0]), dtype))
    assert encode_numbers(array(letter, [0.0, -0.0]), dtype) == bytes(2 * size - 1) + b"\x80"


@pytest.mark.parametrize("dtype", ["F32", "F64", "BF16"])
def test_a_big_endian_machine_swaps(dtype, monkeypatch):
    numbers = array("d" if dtype == "F64" else "f", [1.0, -2.5, 1e-3])
    plain = WRITTEN_TYPES["F32" if dtype == "BF16" else dtype](numbers)
    size = numbers.itemsize
    monkeypatch.setattr(sys, "byteorder", "big")
    if dtype == "BF16":  # the bytes that it makes of a float here are those of another float
        assert WRITTEN_TYPES[dtype](numbers) != plain[2:4] + plain[6:8] + plain[10:12]
        return
    swapped = WRITTEN_TYPES[dtype](numbers)
    assert swapped == b"".join(plain[place : place + size][::-1] for place in range(0, len(plain), size))
    assert numbers.tolist() == array(numbers.typecode, [1.0, -2.5, 1e-3]).tolist()  # what was given is as it was
