"""The end of a zip archive, which says where its central directory is.

    zip64 end record    56 bytes; the numbers of the directory, 64 bits each
    zip64 locator       20 bytes; where the record before it is
    end record          22 bytes, the last of the file; the same in 16 and 32 bits, all ones where that is too few

torch writes all three, other programs the last alone where its numbers suffice. Source: PKWARE's APPNOTE.TXT, version
6.3, sections 4.3.14 to 4.3.16.
"""

import struct
from typing import BinaryIO

from starchart.errors import CheckpointError

_MAX_DIRECTORY_BYTES = 1_000_000  # gpt2-xl takes a tenth
_END = struct.Struct("<4s4H2IH")
_LOCATOR = struct.Struct("<4sIQI")
_END64 = struct.Struct("<4sQ2H2I4Q")
_SIZE = _END64.size + _LOCATOR.size + _END.size


def find_directory(file: BinaryIO, size: int, source: str) -> tuple[int, int, int]:
    """Return how many members the directory has, its first byte and its length, which are in the file.

    Raises CheckpointError, in which `source` names the file of `size` bytes.
    """
    file.seek(max(0, size - _SIZE))
    tail = file.read(_SIZE).rjust(_SIZE, b"\0")
    record64, locator, record = tail[: _END64.size], tail[_END64.size : -_END.size], tail[-_END.size :]
    if not record.startswith(b"PK\5\6"):
        raise CheckpointError(
            f"{source}: is a zip archive without its end; it was cut off, or has a comment: fetch it again"
        )
    _, disk, first_disk, here, count, length, start, comment = _END.unpack(record)
    end = size - _END.size
    if locator.startswith(b"PK\6\7"):
        end = size - _SIZE
        wide = _zip64_end(record64, locator, end, source)
        _check_agreement((here, count, length, start), wide, source)
        here, count, length, start = wide
    if disk or first_disk or comment or here != count:
        raise CheckpointError(
            f"{source}: is an archive on several disks or with a comment, which torch.save never writes"
        )
    if start + length != end:
        raise CheckpointError(f"{source}: its directory does not end at byte {end}, where its end record begins")
    if length > _MAX_DIRECTORY_BYTES:
        raise CheckpointError(f"{source}: has a directory of {length} bytes; the limit is {_MAX_DIRECTORY_BYTES}")
    return count, start, length


def _zip64_end(record: bytes, locator: bytes, place: int, source: str) -> tuple[int, int, int, int]:
    """Return the members on this disk and on all, the length and the first byte of the directory."""
    _, first_disk, said, disks = _LOCATOR.unpack(locator)
    signature, length, _, _, disk, directory_disk, here, count, size, start = _END64.unpack(record)
    if signature != b"PK\6\6" or said != place or length != _END64.size - 12:
        raise CheckpointError(f"{source}: has no zip64 end record of 56 bytes where one should be, at byte {place}")
    if disks > 1 or first_disk or disk or directory_disk:
        raise CheckpointError(f"{source}: is an archive on several disks, which torch.save never writes")
    return here, count, size, start


def _check_agreement(narrow: tuple[int, int, int, int], wide: tuple[int, int, int, int], source: str) -> None:
    all_ones = (2**16 - 1, 2**16 - 1, 2**32 - 1, 2**32 - 1)
    if any(a not in {b, ones} for a, b, ones in zip(narrow, wide, all_ones, strict=True)):
        raise CheckpointError(f"{source}: its two end records do not agree: {[*narrow]} and {[*wide]}")
