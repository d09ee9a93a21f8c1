"""The table that an index of TensorFlow is: sorted keys and their values, in the format of LevelDB.

    data blocks      the entries
    metaindex        a block that is empty here, and not read
    index block      for each data block an entry whose value is its handle
    footer           48 bytes: handles of metaindex and index block, zeros up to 40 bytes, the magic number

    handle           two varints: first byte and length of a block, without its trailer
    trailer          5 bytes after a block: compression (0 none, 1 Snappy), masked CRC-32C of the block and that byte
    block            entries; then their restart points, u32 each; then the number of restart points, u32
    entry            three varints: how many bytes the key shares with the key before it, how many follow, the length
                     of the value; then the bytes of the key that follow, and the value
    restart point    where an entry begins that has its whole key; the first is 0, and they increase

TensorFlow has written such tables without compression since version 1.2. Stricter than TensorFlow: blocks must be in
order and must not overlap, so the reading time is limited by the length of the file. Sources: LevelDB,
doc/table_format.md, and the layout of blocks in its block_builder; for the CRC-32C, RFC 3720, section 12.1 and appendix
B.4 (the Castagnoli polynomial, bits reflected).
"""

import struct
from collections.abc import Iterator
from itertools import pairwise
from typing import BinaryIO, TypeAlias

from starchart.checkpoints.tensorflow.bundle import read_varint
from starchart.errors import CheckpointError

_POLYNOMIAL = 0x82F63B78  # 1EDC6F41, bits reflected
_MASK = 0xA282EAD8
Handle: TypeAlias = tuple[int, int]  # first byte, length
FOOTER_BYTES = 48
_MAGIC = bytes.fromhex("57fb808b247547db")
_TRAILER_BYTES = 5
_MOST_BYTES = 1_000_000  # the index of the largest GPT-2 has 30 kB
_MOST_ENTRIES = 10_000  # the index of the largest GPT-2 has 581
_LONGEST_KEY = 1000


def is_table(last: bytes) -> bool:
    """Return whether the last bytes of a file are those of a table."""
    return len(last) >= FOOTER_BYTES and last.endswith(_MAGIC)


def read_table(file: BinaryIO, size: int, source: str) -> dict[bytes, bytes]:
    """Return the keys and values of an open file of `size` bytes. `source` names it in CheckpointError."""
    if size > _MOST_BYTES:
        raise CheckpointError(f"{source}: is {size} bytes long; no index of a GPT-2 has more than {_MOST_BYTES}")
    data = file.read(size)
    if not is_table(data):
        raise CheckpointError(f"{source}: does not end as an index of TensorFlow does; it is cut off, fetch it again")
    metaindex, index = _footer_handles(data[-FOOTER_BYTES:], source)
    limit = len(data) - FOOTER_BYTES
    _check_handle(metaindex, 0, limit, "metaindex block", source)
    entries: dict[bytes, bytes] = {}
    end, key = 0, b""
    for number, (_, value) in enumerate(_entries(_block(data, index, 0, limit, "index block", source), source)):
        name = f"data block {number}"
        handle, rest = _handle(value, 0, source)
        if rest != len(value):
            raise CheckpointError(f"{source}: the handle of {name} is followed by other bytes")
        block = _block(data, handle, end, index[0], name, source)
        end = handle[0] + handle[1] + _TRAILER_BYTES
        for after, content in _entries(block, source):
            if entries and after <= key:
                raise CheckpointError(f"{source}: key {after[:100]!r} does not come after the key before it")
            if len(entries) == _MOST_ENTRIES:
                raise CheckpointError(
                    f"{source}: has more than {_MOST_ENTRIES} entries; no index of a GPT-2 has so many"
                )
            entries[after], key = content, after
    return entries


def _footer_handles(footer: bytes, source: str) -> tuple[Handle, Handle]:
    metaindex, place = _handle(footer, 0, source)
    index, place = _handle(footer, place, source)
    if place > FOOTER_BYTES - len(_MAGIC) or any(footer[place : -len(_MAGIC)]):
        raise CheckpointError(
            f"{source}: its last {FOOTER_BYTES} bytes are not two handles, zeros and the magic number"
        )
    return metaindex, index


def _handle(data: bytes, place: int, source: str) -> tuple[Handle, int]:
    first, place = read_varint(data, place, f"{source}: handle of a block")
    length, place = read_varint(data, place, f"{source}: handle of a block")
    return (first, length), place


def _check_handle(handle: Handle, start: int, limit: int, name: str, source: str) -> None:
    first, length = handle
    if first + length + _TRAILER_BYTES > limit:
        raise CheckpointError(f"{source}: {name} reaches from {first} past {limit}, where it must end; fetch it again")
    if first < start:
        raise CheckpointError(f"{source}: {name} begins at {first}, in the block before it, which ends at {start}")


def _block(data: bytes, handle: Handle, start: int, limit: int, name: str, source: str) -> bytes:
    """Return a block, which must lie between `start` and `limit`, with its trailer checked and removed."""
    _check_handle(handle, start, limit, name, source)
    first, length = handle
    end = first + length
    if masked_crc32c(data[first : end + 1]) != int.from_bytes(data[end + 1 : end + _TRAILER_BYTES], "little"):
        raise CheckpointError(f"{source}: {name} does not have its checksum; the file is damaged, fetch it again")
    if data[end]:
        raise CheckpointError(
            f"{source}: {name} is compressed (type {data[end]}); save it with TensorFlow 1.2 or newer, which does not"
        )
    return data[first:end]


def _entries(block: bytes, source: str) -> Iterator[tuple[bytes, bytes]]:
    """Yield the entries of a block. Each key is made from the key before it."""
    points, limit = _restart_points(block, source)
    block, place, key = block[:limit], 0, b""
    starts = {0}
    while place < limit:
        starts.add(place)
        most = 0 if place in points else len(key)
        shared, place = read_varint(block, place, source)
        more, place = read_varint(block, place, source)
        length, place = read_varint(block, place, source)
        if shared > most:
            raise CheckpointError(
                f"{source}: a key shares {shared} bytes with the key before it; it can share at most {most}"
            )
        if place + more + length > limit:
            raise CheckpointError(f"{source}: an entry of {more} and {length} bytes reaches past the end of its block")
        if shared + more > _LONGEST_KEY:
            raise CheckpointError(f"{source}: a key is {shared + more} bytes long; the limit is {_LONGEST_KEY}")
        key = key[:shared] + block[place : place + more]
        place += more
        yield key, block[place : place + length]
        place += length
    if lost := points - starts:
        raise CheckpointError(f"{source}: a block has a restart point at {min(lost)}, where none of its entries begins")


def _restart_points(block: bytes, source: str) -> tuple[frozenset[int], int]:
    """Return the restart points of a block, which must increase from 0, and where its entries end."""
    count = int.from_bytes(block[-4:], "little")
    limit = len(block) - 4 - 4 * count
    if len(block) < 4 or limit < 0:
        raise CheckpointError(f"{source}: a block of {len(block)} bytes says that it has {count} restart points")
    points = struct.unpack_from(f"<{count}I", block, limit)
    if not points or points[0] or any(before >= after for before, after in pairwise(points)):
        raise CheckpointError(f"{source}: the restart points of a block do not rise from 0")
    return frozenset(points), limit


def _remainder(byte: int) -> int:
    for _ in range(8):
        byte = byte >> 1 ^ (_POLYNOMIAL if byte & 1 else 0)
    return byte


def crc32c(data: bytes) -> int:
    """Return the CRC-32C of `data`.

    >>> hex(crc32c(b"123456789"))
    '0xe3069283'
    """
    crc = 0xFFFFFFFF
    for byte in data:
        crc = _TABLE[(crc ^ byte) & 0xFF] ^ crc >> 8
    return crc ^ 0xFFFFFFFF


def masked_crc32c(data: bytes) -> int:
    """Return the checksum as it stands in a file: rotated right by 15 bits, plus a constant."""
    crc = crc32c(data)
    return ((crc >> 15 | crc << 17) + _MASK) & 0xFFFFFFFF


_TABLE = [_remainder(byte) for byte in range(256)]
