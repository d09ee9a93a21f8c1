"""The metadata of a GGUF file: names with values, each value with its type before it.

    u64, bytes          name
    u32                 type of the value: 4 u32, 5 i32, 6 f32, 7 bool, 8 text, 9 array
    ...                 the value; a text has its length before it, as u64; an array has a type (u32) and a length (u64)

All little-endian. Source: ggml, docs/gguf.md, section "File Structure" (gguf_metadata_value_type).
"""

import struct
from collections.abc import Sequence

_U32, _I32, _F32, _BOOL, _TEXT, _ARRAY = 4, 5, 6, 7, 8, 9


def text(value: str) -> bytes:
    """Return a text as GGUF has it, without a type.

    >>> text("gpt2").hex(" ", 4)
    '04000000 00000000 67707432'
    """
    raw = value.encode()
    return struct.pack("<Q", len(raw)) + raw


def u32_value(name: str, value: int) -> bytes:
    """Return a whole number from 0 to 2^32 - 1 under its name."""
    return text(name) + struct.pack("<II", _U32, value)


def f32_value(name: str, value: float) -> bytes:
    """Return a number in single precision under its name."""
    return text(name) + struct.pack("<If", _F32, value)


def bool_value(name: str, value: bool) -> bytes:
    """Return true or false under its name."""
    return text(name) + struct.pack("<I?", _BOOL, value)


def text_value(name: str, value: str) -> bytes:
    """Return a text under its name."""
    return text(name) + struct.pack("<I", _TEXT) + text(value)


def text_array(name: str, values: Sequence[str]) -> bytes:
    """Return several texts under one name."""
    return text(name) + struct.pack("<IIQ", _ARRAY, _TEXT, len(values)) + b"".join(map(text, values))


def i32_array(name: str, values: Sequence[int]) -> bytes:
    """Return several whole numbers under one name."""
    return text(name) + struct.pack(f"<IIQ{len(values)}i", _ARRAY, _I32, len(values), *values)
