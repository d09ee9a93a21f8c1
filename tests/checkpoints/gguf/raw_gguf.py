"""GGUF files made by hand, valid ones and false ones. Nothing here uses starchart or the gguf package."""

import struct
from collections.abc import Sequence

U8, U32, I32, F32, BOOL, TEXT, ARRAY, U64, F64 = 0, 4, 5, 6, 7, 8, 9, 10, 12  # types of metadata
CODES = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "B", 10: "Q", 11: "q", 12: "d"}
ARCHITECTURE = b"general.architecture"


def text(value: bytes | str, length: int | None = None) -> bytes:
    """Return a string; its length may be false."""
    data = value.encode() if isinstance(value, str) else value
    return struct.pack("<Q", len(data) if length is None else length) + data


def entry(key: bytes | str, kind: int, value: object) -> bytes:
    """Return an entry of metadata. The value of an array is its type and its items; bytes are used unchanged."""
    return text(key) + struct.pack("<I", kind) + (value if isinstance(value, bytes) else encoded(kind, value))


def encoded(kind: int, value: object) -> bytes:
    """Return a value of metadata."""
    if kind == TEXT:
        return text(value)
    if kind == ARRAY:
        item, items = value
        return struct.pack("<IQ", item, len(items)) + b"".join(encoded(item, one) for one in items)
    return struct.pack(f"<{CODES[kind]}", value)


def tensor(name: bytes | str, lengths: Sequence[int], kind: int, offset: int, axes: int | None = None) -> bytes:
    """Return the entry of a tensor; its number of axes may be false."""
    axes = len(lengths) if axes is None else axes
    return text(name) + struct.pack(f"<I{len(lengths)}QIQ", axes, *lengths, kind, offset)


def gguf_file(
    entries: Sequence[bytes] = (),
    tensors: Sequence[bytes] = (),
    data: bytes = b"",
    *,
    magic: bytes = b"GGUF",
    version: int = 3,
    counts: tuple[int, int] | None = None,
    alignment: int = 32,
    architecture: str | None = "gpt2",
) -> bytes:
    """Return the bytes of a file. `counts` of tensors and entries may be false."""
    entries = [*([entry(ARCHITECTURE, TEXT, architecture)] if architecture is not None else []), *entries]
    head = (
        magic + struct.pack("<IQQ", version, *(counts or (len(tensors), len(entries)))) + b"".join((*entries, *tensors))
    )
    return head + (bytes(-len(head) % alignment) + data if tensors else data)
