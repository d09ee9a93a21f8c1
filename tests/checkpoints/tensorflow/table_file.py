"""Indexes of TensorFlow made by hand from the format's specification, valid ones and false ones.

Nothing here uses starchart; `test_reader` shows that these functions rebuild TensorFlow's own files byte for byte.
"""

import struct
from collections.abc import Iterable, Sequence

MAGIC = 0xDB4775248B80FB57
FLOAT = 1


def varint(number: int) -> bytes:
    number %= 1 << 64
    parts = []
    while number >= 0x80:
        parts.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*parts, number])


def remainder(byte: int) -> int:
    for _ in range(8):
        byte = byte >> 1 ^ 0x82F63B78 * (byte & 1)
    return byte


REMAINDERS = [*map(remainder, range(256))]


def crc32c(data: bytes) -> int:
    crc = (1 << 32) - 1
    for byte in data:
        crc = crc >> 8 ^ REMAINDERS[(crc ^ byte) % 256]
    return crc ^ (1 << 32) - 1


def masked(data: bytes) -> bytes:
    crc = crc32c(data)
    return struct.pack("<I", (((crc >> 15) | (crc << 17)) + 0xA282EAD8) % (1 << 32))


def number(field: int, value: int) -> bytes:
    """Return a field of a message that is a number; one that is 0 is left out, as protocol buffers do."""
    return varint(8 * field) + varint(value) if value else b""


def text(field: int, value: bytes) -> bytes:
    return varint(8 * field + 2) + varint(len(value)) + value


def header(shards: int = 1, endianness: int = 0, min_consumer: int = 0) -> bytes:
    return number(1, shards) + number(2, endianness) + text(3, number(1, 1) + number(2, min_consumer))


def shape(axes: Iterable[int]) -> bytes:
    return b"".join(text(2, number(1, axis)) for axis in axes)


def entry(axes: Sequence[int], offset: int, size: int, dtype: int = FLOAT, shard: int = 0, crc: int = 7) -> bytes:
    places = number(3, shard) + number(4, offset) + number(5, size)
    return number(1, dtype) + text(2, shape(axes)) + places + b"\x35" + struct.pack("<I", crc)


def record(shared: int, key: bytes, value: bytes, length: int | None = None) -> bytes:
    """Return an entry of a block, whose length of the value may be false."""
    return varint(shared) + varint(len(key)) + varint(len(value) if length is None else length) + key + value


def block(entries: Sequence[tuple[bytes, bytes]], interval: int = 16) -> bytes:
    """Return a block with a restart point every `interval` entries."""
    data, points, before = b"", [], b""
    for index, (key, value) in enumerate(entries):
        shared = 0
        if index % interval == 0:
            points.append(len(data))
        else:
            shared = next(
                (n for n, pair in enumerate(zip(key, before, strict=False)) if pair[0] != pair[1]), len(before)
            )
        data += record(shared, key[shared:], value)
        before = key
    return data + restarts(points or [0])


def restarts(points: Sequence[int]) -> bytes:
    return struct.pack(f"<{len(points)}I", *points) + struct.pack("<I", len(points))


def sealed(contents: bytes, compression: int = 0) -> bytes:
    """Return a block with its trailer."""
    return contents + bytes([compression]) + masked(contents + bytes([compression]))


def handle(first: int, length: int) -> bytes:
    return varint(first) + varint(length)


def table_of(blocks: Sequence[bytes], keys: Sequence[bytes], compression: int = 0) -> bytes:
    """Return a table with these data blocks; `keys` are those of the index block."""
    data, handles = b"", []
    for contents in blocks:
        handles.append(handle(len(data), len(contents)))
        data += sealed(contents, compression)
    return data + tail(len(data), block(list(zip(keys, handles, strict=True)), interval=1))


def tail(start: int, index: bytes) -> bytes:
    """Return what follows the data blocks, which end at `start`."""
    empty = sealed(block([]))
    handles = handle(start, len(empty) - 5) + handle(start + len(empty), len(index))
    return empty + sealed(index) + footer(handles)


def footer(handles: bytes, magic: int = MAGIC) -> bytes:
    return handles.ljust(40, b"\0") + struct.pack("<Q", magic)


def table(entries: Sequence[tuple[bytes, bytes]], last: bytes | None = None) -> bytes:
    """Return a table of one data block. `last` is its key in the index block, which TensorFlow shortens."""
    return table_of([block(entries)], [entries[-1][0] if last is None else last])


def resealed(data: bytes) -> bytes:
    """Return the table with correct checksums in the index block and the first data block, if these can be found."""
    changed = bytearray(data)
    try:
        place = len(data) - 48
        numbers = []
        for _ in range(4):
            value, place = _read(data, place)
            numbers.append(value)
        first, length = numbers[2:]
        _seal(changed, first, length)
        block_first, place = _read(data, first + 3 + data[first + 1])  # after three short numbers and a key
        _seal(changed, block_first, _read(data, place)[0])
    except IndexError:
        pass
    return bytes(changed)


def _read(data: bytes, place: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        value |= (data[place] & 0x7F) << shift
        shift += 7
        place += 1
        if data[place - 1] < 0x80:
            return value, place


def _seal(data: bytearray, first: int, length: int) -> None:
    end = first + length + 1
    if end + 4 <= len(data):
        data[end : end + 4] = masked(bytes(data[first:end]))
