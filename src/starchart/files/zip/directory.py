"""The directory of a zip: which members it has, and where the bytes of each lie in the file.

    local header      30 bytes, name, extra fields; then the bytes of the member
    central entry     46 bytes, name, extra fields, comment: one for each member, one after another, near the end
    the end           the place of the central entries: see `end`

The sizes in the central entries are used; if a local header has sizes, they must be equal. A number of 32 bits that is
all ones means that the real number, of 64 bits, is in the extra field 0x0001. Source: PKWARE's APPNOTE, sections 4.3,
4.4 and 4.5.3.

Every value is checked before it is used. Refused are records that contradict each other, a name twice, members that
share bytes (a trick to make a small file expand to terabytes), encryption, other methods than stored and deflated, and
members that would expand more than weights can.
"""

import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import BinaryIO

from starchart.errors import CheckpointError
from starchart.files.json_file import shown
from starchart.files.zip.end import Directory, find_directory
from starchart.files.zip.member import ZipMember

_LOCAL = struct.Struct("<4s5H3I2H")
_CENTRAL = struct.Struct("<4s6H3I5H2I")
_ZIP64_FIELD = 1
_ALL_ONES = 0xFFFFFFFF
_ENCRYPTED = 1 | 1 << 6 | 1 << 13  # flags: encrypted, strongly, with a masked directory
_SIZES_FOLLOW = 1 << 3  # the local header was written before the sizes were known, and has zeros
_STORED, _DEFLATED = 0, 8
# Deflate compresses at most 1032 to 1, but trained weights less than 2 to 1.
_MOST_EXPANSION = 50
_SMALL = 10_000_000  # bytes to which any file may expand


@dataclass(frozen=True)
class _Entry:
    """A central entry: what it says of the member, and the place of the local header."""

    raw_name: bytes
    name: str
    flags: int
    method: int
    crc: int
    packed: int
    size: int
    header: int


def read_zip_directory(file: BinaryIO, size: int, source: str) -> dict[str, ZipMember]:
    """Return the members of an open file of `size` bytes by name, in the order of the directory.

    Raises CheckpointError, in which `source` names the file.
    """
    directory = find_directory(file, size, source)
    file.seek(directory.start)
    entries: dict[str, _Entry] = {}
    for entry in _entries(file.read(directory.size), directory, source):
        if entry.name in entries:
            raise CheckpointError(f"{source}: has two members with the name {shown(entry.name)}")
        entries[entry.name] = entry
    _refuse_bombs(entries.values(), size, source)
    members = dict(_members(file, entries.values(), directory.start, source))
    return {name: members[name] for name in entries}


def _entries(data: bytes, directory: Directory, source: str) -> Iterator[_Entry]:
    place = 0
    for number in range(directory.count):
        if len(data) - place < _CENTRAL.size or not data.startswith(b"PK\1\2", place):
            raise CheckpointError(f"{source}: its directory has no entry {number} of {directory.count}; it is damaged")
        _, _, _, flags, method, _, _, *sizes, disk, _, _, header = _CENTRAL.unpack_from(data, place)
        crc, packed, unpacked, name_length, extra_length, comment_length = sizes
        after_name = place + _CENTRAL.size + name_length
        after_extra = after_name + extra_length
        raw_name, extra = data[after_name - name_length : after_name], data[after_name:after_extra]
        place = after_extra + comment_length
        if place > len(data):
            raise CheckpointError(f"{source}: entry {number} of its directory reaches past the directory's end")
        name = _decoded(raw_name, source)
        what = f"{source}: member {shown(name)}"
        unpacked, packed, header = _widened(extra, (unpacked, packed, header), what)
        _check_kind(flags, method, disk, what)
        if method == _STORED and packed != unpacked:
            raise CheckpointError(f"{what}: is stored, but has {packed} bytes in the file and {unpacked} outside")
        yield _Entry(raw_name, name, flags, method, crc, packed, unpacked, header)
    if place != len(data):
        raise CheckpointError(f"{source}: {len(data) - place} bytes of its directory belong to no entry")


def _decoded(raw_name: bytes, source: str) -> str:
    try:
        return raw_name.decode()  # whatever the flags say: names of tensors are ASCII, which is UTF-8 too
    except UnicodeDecodeError:
        raise CheckpointError(f"{source}: the name {raw_name[:100]!r} of a member is not UTF-8 text") from None


def _check_kind(flags: int, method: int, disk: int, what: str) -> None:
    if flags & _ENCRYPTED:
        raise CheckpointError(f"{what}: is encrypted; write the file again without a password")
    if method not in (_STORED, _DEFLATED):
        raise CheckpointError(f"{what}: is compressed by method {method}; stored (0) and deflated (8) are read")
    if disk:
        raise CheckpointError(f"{what}: is on part {disk} of a zip in several parts; join them first")


def _widened(extra: bytes, numbers: tuple[int, ...], what: str) -> list[int]:
    """Return the numbers; each one of 32 ones is replaced by the next number of 64 bits in the zip64 field."""
    wide = _zip64_field(extra, what)
    widened = []
    for number in numbers:
        if number == _ALL_ONES:
            if len(wide) < 8:
                raise CheckpointError(f"{what}: lacks a number of 64 bits that its entry promises")
            number, wide = int.from_bytes(wide[:8], "little"), wide[8:]
        widened.append(number)
    return widened


def _zip64_field(extra: bytes, what: str) -> bytes:
    place = 0
    while len(extra) - place >= 4:
        kind, length = struct.unpack_from("<2H", extra, place)
        place += 4 + length
        if place > len(extra):
            raise CheckpointError(f"{what}: an extra field of {length} bytes reaches past the end of its entry")
        if kind == _ZIP64_FIELD:
            return extra[place - length : place]
    return b""


def _refuse_bombs(entries: Iterable[_Entry], size: int, source: str) -> None:
    expanded = 0
    for entry in entries:
        expanded += entry.size if entry.method == _DEFLATED else 0
    if expanded > max(_SMALL, _MOST_EXPANSION * size):
        raise CheckpointError(f"{source}: {size} bytes would expand to {expanded}; no weights can be packed so tightly")


def _members(file: BinaryIO, entries: Iterable[_Entry], limit: int, source: str) -> Iterator[tuple[str, ZipMember]]:
    """Yield the members in the order of their bytes, which must not overlap and must end before `limit`."""
    end = 0
    for entry in sorted(entries, key=lambda entry: entry.header):
        what = f"{source}: member {shown(entry.name)}"
        if entry.header < end:
            raise CheckpointError(f"{what}: shares bytes with the member before it")
        if entry.header + _LOCAL.size > limit:
            raise CheckpointError(f"{what}: is said to be at byte {entry.header}, but the directory is at {limit}")
        start = _data_start(file, entry, what)
        end = start + entry.packed
        if end > limit:
            raise CheckpointError(f"{what}: ends at byte {end}, but the directory is at {limit}; fetch the file again")
        deflated = entry.method == _DEFLATED
        yield entry.name, ZipMember(entry.name, start, entry.packed, entry.size, entry.crc, deflated)


def _data_start(file: BinaryIO, entry: _Entry, what: str) -> int:
    """Return where the bytes of a member begin. Its local header must agree with the directory."""
    file.seek(entry.header)
    header = file.read(_LOCAL.size)
    if len(header) < _LOCAL.size or not header.startswith(b"PK\3\4"):
        raise CheckpointError(f"{what}: there is no header at byte {entry.header}, where it should be")
    _, _, flags, method, _, _, crc, packed, size, name_length, extra_length = _LOCAL.unpack(header)
    name, extra = file.read(name_length), file.read(extra_length)
    if name != entry.raw_name:
        raise CheckpointError(f"{what}: calls itself {name[:100]!r} where its bytes are")
    size, packed = _widened(extra, (size, packed), what)
    own, listed = (crc, packed, size), (entry.crc, entry.packed, entry.size)
    sizes_follow = flags & _SIZES_FOLLOW and own == (0, 0, 0)
    if flags != entry.flags or method != entry.method or not (sizes_follow or own == listed):
        raise CheckpointError(f"{what}: its header and the directory contradict each other; fetch the file again")
    start: int = entry.header + _LOCAL.size + name_length + extra_length
    return start
