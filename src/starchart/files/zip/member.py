"""Members of a zip: where their bytes are, and how those of a deflated member are unpacked in parts.

A deflated member can only be unpacked from its beginning. A tensor that is read in parts should not be unpacked again
for each part, so the decoders of the last few members are kept in the state in which they stopped (50 kB each). No more
is unpacked than is needed, and a member must have exactly the size and the checksum that are in the directory. Source:
RFC 1951 for the compression, PKWARE's APPNOTE, section 4.4.7, for the checksum (CRC-32).
"""

import zlib
from dataclasses import dataclass
from typing import BinaryIO

from starchart.errors import CheckpointError

_AT_ONCE = 1 << 16  # bytes
_MOST_KEPT = 4


@dataclass(frozen=True)
class ZipMember:
    """A file in a zip: `packed` bytes from byte `start` on, which make `size` bytes with the checksum `crc`."""

    name: str
    start: int
    packed: int
    size: int
    crc: int
    deflated: bool


class _Unpacking:
    """A deflated member whose first `given` bytes have been unpacked."""

    def __init__(self, member: ZipMember) -> None:
        self.given = 0
        self._member = member
        self._taken = 0  # packed bytes
        self._crc = 0
        self._decoder = zlib.decompressobj(-zlib.MAX_WBITS)

    def read(self, file: BinaryIO, count: int, source: str) -> bytes:
        """Return the next `count` bytes."""
        parts = []
        end = self.given + count
        while self.given < end:
            part = self._next(file, min(end - self.given, _AT_ONCE), source)
            if not part:
                raise CheckpointError(f"{source}: ends after {self.given} bytes of {self._member.size}; it is damaged")
            parts.append(part)
            self.given += len(part)
            self._crc = zlib.crc32(part, self._crc)
        if self.given == self._member.size:
            self._check_end(file, source)
        return b"".join(parts)

    def _next(self, file: BinaryIO, most: int, source: str) -> bytes:
        """Return at most `most` of the next bytes; b"" at the end."""
        while not self._decoder.eof:  # after the end, the unconsumed tail stays as it is
            packed = self._decoder.unconsumed_tail
            if not packed and self._taken < self._member.packed:
                file.seek(self._member.start + self._taken)
                packed = file.read(min(_AT_ONCE, self._member.packed - self._taken))
                self._taken += len(packed)
            try:
                part = self._decoder.decompress(packed, most)
            except zlib.error as error:
                raise CheckpointError(f"{source}: cannot be unpacked ({error}); fetch the file again") from None
            if part or not packed:
                return part
        return b""

    def _check_end(self, file: BinaryIO, source: str) -> None:
        size = self._member.size
        if self._next(file, 1, source):
            raise CheckpointError(f"{source}: is longer than the {size} bytes that the directory says")
        if not self._decoder.eof or self._decoder.unused_data or self._taken < self._member.packed:
            raise CheckpointError(f"{source}: its {self._member.packed} packed bytes do not end where it ends")
        if self._crc != self._member.crc:
            raise CheckpointError(f"{source}: does not have its checksum; the file is damaged, fetch it again")


_kept: dict[tuple[object, ZipMember], _Unpacking] = {}


def read_member(file: BinaryIO, identity: object, member: ZipMember, start: int, count: int, source: str) -> bytes:
    """Return `count` bytes of a member from byte `start` on, or fewer if the file is cut off.

    `identity` is different for every open file. Raises CheckpointError, in which `source` names the member.
    """
    if not member.deflated:
        file.seek(member.start + start)
        return file.read(count)
    unpacking = _kept.pop((identity, member), None)
    if unpacking is None or unpacking.given > start:
        unpacking = _Unpacking(member)
    while unpacking.given < start:
        unpacking.read(file, min(start - unpacking.given, _AT_ONCE), source)
    raw = unpacking.read(file, count, source)
    if unpacking.given < member.size:
        while len(_kept) >= _MOST_KEPT:
            _kept.pop(next(iter(_kept)), None)
        _kept[identity, member] = unpacking
    return raw
