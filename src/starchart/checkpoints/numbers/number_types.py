"""The types of numbers in files: how many bits they take, and from bytes to arrays of floats and back.

    F32         as it is                                                    array('f'), 4 bytes each
    BF16, F16   widened: every such number is a float32 exactly             array('f')
    Q8_0, Q4_0  blocks of integers times a scale, exact in float32 too      array('f'); see `block_quantised`
    F64         as it is                                                    array('d'), 8 bytes each

When it is written, a number is rounded once, to the nearest number of the type, ties to even. Every reader of a format
translates its own names of types into those of safetensors, which are used here.

Sources: IEEE 754-2019, section 3.4, for F16 (binary16), F32 and F64; BF16 is the upper half of an F32.
"""

import struct
import sys
from array import array
from collections.abc import Callable
from dataclasses import dataclass
from math import isfinite

from starchart.checkpoints.numbers.bfloat16 import little_endian, round_to_bfloat16
from starchart.checkpoints.numbers.block_quantised import BLOCK, widen_q4_0, widen_q8_0
from starchart.checkpoints.numbers.half_precision import widen_half
from starchart.utils.matrix import Vector

_ONE_BYTE = ("BOOL", "U8", "I8", "F8_E5M2", "F8_E4M3", "F8_E8M0", "F8_E4M3FNUZ", "F8_E5M2FNUZ")
BITS = {
    "F4": 4,
    **dict.fromkeys(("F6_E2M3", "F6_E3M2"), 6),
    **dict.fromkeys(_ONE_BYTE, 8),
    **dict.fromkeys(("I16", "U16", "F16", "BF16"), 16),
    **dict.fromkeys(("I32", "U32", "F32"), 32),
    **dict.fromkeys(("I64", "U64", "F64", "C64"), 64),
    "C128": 128,
}


def item_bytes(dtype: str) -> int:
    """Return how many bytes a number of a type takes; it must be a type of whole bytes.

    >>> item_bytes("BF16")
    2
    """
    return BITS[dtype] // 8


@dataclass(frozen=True)
class NumberType:
    """A way to write numbers in blocks of `block` numbers and `size` bytes.

    Byte `upper` of a block has sign and exponent. If it is one of `suspects`, a number may be infinite or NaN.
    """

    block: int
    size: int
    decode: Callable[[bytes], "array[float]"]
    upper: int
    suspects: bytes


def is_weight_dtype(dtype: str) -> bool:
    """Return whether tensors of this dtype can be weights."""
    return dtype in NUMBER_TYPES


def bytes_of(count: int, dtype: str) -> int:
    """Return how many bytes `count` numbers take; `count` is a multiple of the block.

    >>> bytes_of(3, "F32")
    12
    """
    kind = NUMBER_TYPES[dtype]
    return count // kind.block * kind.size


def decode_numbers(raw: bytes, dtype: str) -> "array[float]":
    """Return the little-endian numbers in `raw` as an array of floats.

    >>> decode_numbers(bytes.fromhex("803f 2040"), "BF16")
    array('f', [1.0, 2.5])
    """
    return NUMBER_TYPES[dtype].decode(raw)


def encode_numbers(numbers: "array[float]", dtype: str) -> bytes:
    """Return finite floats or doubles as little-endian numbers of a type of WRITTEN_TYPES.

    Raises OverflowError if one of them is too large for it.

    >>> encode_numbers(array("d", [1.0, 2.5]), "BF16").hex()
    '803f2040'
    """
    raw = WRITTEN_TYPES[dtype](numbers)
    if _has_suspects(raw, dtype) and first_not_finite(raw, dtype, decode_numbers(raw, dtype)) is not None:
        raise OverflowError(f"too large for {dtype}")
    return raw


def first_not_finite(raw: bytes, dtype: str, numbers: Vector) -> int | None:
    """Return where the first infinity or NaN stands in `numbers`, which were decoded from `raw`, or None.

    To look at every number would take longer than to decode it. Weights are small, so for almost every tensor the upper
    bytes alone show that all numbers are finite: an F32 can only be infinite or NaN if its upper byte is that of 2^127.

    >>> raw = bytes.fromhex("803f 807f")
    >>> first_not_finite(raw, "BF16", decode_numbers(raw, "BF16"))
    1
    """
    if not _has_suspects(raw, dtype):
        return None
    return next((index for index, number in enumerate(numbers) if not isfinite(number)), None)


def _has_suspects(raw: bytes, dtype: str) -> bool:
    kind = NUMBER_TYPES[dtype]
    upper = raw[kind.upper :: kind.size]
    return any(byte in upper for byte in kind.suspects)


def _decode_f64(raw: bytes) -> "array[float]":
    return _from_little_endian("d", raw)


def _decode_f32(raw: bytes) -> "array[float]":
    return _from_little_endian("f", raw)


def _decode_bf16(raw: bytes) -> "array[float]":
    wide = bytearray(2 * len(raw))
    wide[2::4] = raw[0::2]
    wide[3::4] = raw[1::2]
    return _from_little_endian("f", bytes(wide))


def _decode_f16(raw: bytes) -> "array[float]":
    return _from_little_endian("f", widen_half(raw))


def _from_little_endian(typecode: str, raw: bytes) -> "array[float]":
    numbers: array[float] = array(typecode)
    numbers.frombytes(raw)
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers


def _decode_q8_0(raw: bytes) -> "array[float]":
    return _from_little_endian("f", widen_q8_0(raw))


def _decode_q4_0(raw: bytes) -> "array[float]":
    return _from_little_endian("f", widen_q4_0(raw))


def _encode_f64(numbers: "array[float]") -> bytes:
    return little_endian(array("d", numbers))


def _encode_f32(numbers: "array[float]") -> bytes:
    return little_endian(array("f", numbers))


def _encode_f16(numbers: "array[float]") -> bytes:
    return struct.pack(f"<{len(numbers)}e", *numbers)


_SINGLE = b"\x7f\xff"
_HALF = bytes((*range(0x7C, 0x80), *range(0xFC, 0x100)))

NUMBER_TYPES = {
    "F32": NumberType(1, 4, _decode_f32, 3, _SINGLE),
    "F16": NumberType(1, 2, _decode_f16, 1, _HALF),
    "BF16": NumberType(1, 2, _decode_bf16, 1, _SINGLE),
    "F64": NumberType(1, 8, _decode_f64, 7, _SINGLE),
    "Q8_0": NumberType(BLOCK, 34, _decode_q8_0, 1, _HALF),  # an F16 scale, then the numbers
    "Q4_0": NumberType(BLOCK, 18, _decode_q4_0, 1, _HALF),
}

# The types that can be written, the most exact one first.
WRITTEN_TYPES: dict[str, Callable[["array[float]"], bytes]] = {
    "F64": _encode_f64,
    "F32": _encode_f32,
    "F16": _encode_f16,
    "BF16": round_to_bfloat16,
}
