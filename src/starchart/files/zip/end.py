"""Finds the directory of a zip by the records at the end of the file.

    zip64 end      56 bytes: count, size and place of the central entries in 64 bits
    its place      20 bytes: where that record is
    end            22 bytes: count, size and place of the central entries; a comment

The first two may be missing. The directory must end where the first of these records begins, so nothing can be hidden
between them, and a zip that was appended to another file is refused. Source: PKWARE's APPNOTE, sections 4.3.14 to
4.3.16.
"""

import struct
from dataclasses import dataclass
from typing import BinaryIO

from starchart.errors import CheckpointError

_END = struct.Struct("<4s4H2IH")
_ZIP64_PLACE = struct.Struct("<4sIQI")
_ZIP64_END = struct.Struct("<4sQ2H2I4Q")
_ZIP64_MARK = b"PK\6\6" + (_ZIP64_END.size - 12).to_bytes(8, "little")  # and the number of bytes that follow these 12
_LONGEST_COMMENT = 0xFFFF
_MOST_BYTES = 1_000_000  # ten times the directory of the largest GPT-2
_MOST_MEMBERS = 10_000  # the largest GPT-2 has 580 tensors


@dataclass(frozen=True)
class Directory:
    """The central entries: how many there are, their first byte in the file, and how many bytes they are together."""

    count: int
    start: int
    size: int


def find_directory(file: BinaryIO, size: int, source: str) -> Directory:
    """Return where the directory of an open file of `size` bytes is. `source` names it in CheckpointError."""
    first = max(0, size - _LONGEST_COMMENT - _END.size)
    file.seek(first)
    tail = file.read(size - first)
    place = tail.rfind(b"PK\5\6")
    if place < 0 or len(tail) - place < _END.size:
        raise CheckpointError(f"{source}: has no directory at its end, as a zip must; it is cut off, fetch it again")
    _, disk, first_disk, here, count, length, start, comment = _END.unpack_from(tail, place)
    if place + _END.size + comment != len(tail):
        raise CheckpointError(f"{source}: {len(tail) - place - _END.size} bytes follow its directory, not {comment}")
    if disk or first_disk or here != count:
        raise CheckpointError(f"{source}: is one part of a zip in several parts; join them first")
    directory, end = Directory(count, start, length), first + place
    wide = _zip64_end(file, end, source)
    if wide:
        _check_equal(directory, wide[0], source)
        directory, end = wide
    if directory.start + directory.size != end:
        raise CheckpointError(
            f"{source}: says its directory is {directory.size} bytes at {directory.start}, but it must end at {end}"
        )
    if directory.size > _MOST_BYTES or directory.count > _MOST_MEMBERS:
        raise CheckpointError(
            f"{source}: says it has {directory.count} members and a directory of {directory.size} bytes; "
            f"the limits are {_MOST_MEMBERS} and {_MOST_BYTES}"
        )
    return directory


def _zip64_end(file: BinaryIO, end: int, source: str) -> tuple[Directory, int] | None:
    """Return the directory in the zip64 record before the last record at `end`, and its start, if it is there."""
    place = end - _ZIP64_PLACE.size
    file.seek(max(place, 0))
    record = file.read(_ZIP64_PLACE.size)
    if place < 0 or not record.startswith(b"PK\6\7"):
        return None
    _, disk_of_record, stated, disks = _ZIP64_PLACE.unpack(record)
    start = place - _ZIP64_END.size
    file.seek(max(start, 0))
    record = file.read(_ZIP64_END.size)
    if stated != start or not record.startswith(_ZIP64_MARK):
        raise CheckpointError(
            f"{source}: says its zip64 record is at byte {stated}, but it must be 56 bytes at {start}; it is damaged"
        )
    _, _, _, _, disk, first_disk, here, count, size, first = _ZIP64_END.unpack(record)
    if disk or first_disk or disk_of_record or disks > 1 or here != count:
        raise CheckpointError(f"{source}: is one part of a zip in several parts; join them first")
    return Directory(count, first, size), start


def _check_equal(small: Directory, wide: Directory, source: str) -> None:
    """Refuse a number of 32 bits that is neither all ones nor equal to that of 64 bits."""
    pairs = (
        (small.count, wide.count, 0xFFFF),
        (small.start, wide.start, 0xFFFFFFFF),
        (small.size, wide.size, 0xFFFFFFFF),
    )
    if any(number not in (other, ones) for number, other, ones in pairs):
        raise CheckpointError(f"{source}: the two records at its end contradict each other; it is damaged")
