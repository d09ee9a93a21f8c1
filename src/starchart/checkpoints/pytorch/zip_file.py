"""A zip archive whose members are stored as they are: where each lies in the file. Nothing is unpacked.

    local header, name, extra field, bytes of the member    for each member
    central directory: size, place and name of each member
    end records                                             see `zip_end`

What is said twice must agree, every member lies before the directory, and no two share a byte. Of the liberties of an
archive none is taken: no comment, no compression (and so no bomb), no encryption, no second disk. Source: PKWARE's
APPNOTE.TXT, version 6.3, sections 4.3 to 4.5.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import BinaryIO

from starchart.checkpoints.pytorch.zip_end import find_directory
from starchart.errors import CheckpointError
from starchart.json_file import shown

_IN_ZIP64 = 2**32 - 1  # stands for a number that is in the zip64 field
_ZIP64_FIELD = 1
_ENCRYPTED, _SIZES_FOLLOW = 1, 8  # bits of the flags

_ENTRY = struct.Struct("<4s6H3I5H2I")
_LOCAL = struct.Struct("<4s5H3I2H")


@dataclass(frozen=True, slots=True)
class Member:
    """A member of `size` bytes from `start` on; its local header begins at `header`."""

    name: str
    flags: int
    size: int
    header: int
    start: int = 0


def read_members(file: BinaryIO, size: int, source: str) -> dict[str, Member]:
    """Return the members, by name, of an open archive of `size` bytes. `source` names it in CheckpointError."""
    count, start, length = find_directory(file, size, source)
    file.seek(start)
    entries = sorted(_entries(file.read(length), count, source), key=lambda member: member.header)
    members: dict[str, Member] = {}
    for entry, limit in zip(entries, [*(member.header for member in entries[1:]), start], strict=True):
        if entry.name in members:
            raise CheckpointError(f"{source}: has member {shown(entry.name)} twice")
        members[entry.name] = _located(file, entry, limit, source)
    return members


def _entries(directory: bytes, count: int, source: str) -> Iterator[Member]:
    at = 0
    for _ in range(count):
        if at + _ENTRY.size > len(directory) or not directory.startswith(b"PK\1\2", at):
            raise CheckpointError(f"{source}: its directory has fewer members than the {count} it says")
        fields = _ENTRY.unpack_from(directory, at)
        flags, method, packed, size = fields[3], fields[4], fields[8], fields[9]
        ends = [at := at + length for length in (_ENTRY.size, *fields[10:13])]
        if at > len(directory):
            raise CheckpointError(f"{source}: its directory ends in the middle of a member")
        name = _name(directory[ends[0] : ends[1]], source)
        if flags & _ENCRYPTED:
            raise _error(source, name, "is encrypted, which torch.save never does")
        if method:
            raise _error(source, name, "is compressed; torch.save, unlike torch.jit.save, stores all as it is")
        size, packed, header = _wide((size, packed, fields[16]), directory[ends[1] : ends[2]], source, name)
        if packed != size:
            raise _error(source, name, f"is not compressed, but has {packed} bytes that stand for {size}")
        yield Member(name, flags, size, header)
    if at != len(directory):
        raise CheckpointError(f"{source}: its directory has more than the {count} members it says")


def _error(source: str, name: str, words: str) -> CheckpointError:
    return CheckpointError(f"{source}: member {shown(name)} {words}")


def _name(raw: bytes, source: str) -> str:
    """Return the name of a member. No name is ever used as a path, but those that could lead elsewhere are lies."""
    name = raw.decode("utf-8", "replace")
    folders = name.split("/")
    if len(folders) < 2 or {"", ".", ".."} & {*folders} or {"\\", ":", "\0", "\ufffd"} & {*name}:
        raise CheckpointError(f"{source}: has a member named {shown(name)}, which torch.save never writes")
    return name


def _wide(numbers: tuple[int, ...], extra: bytes, source: str, name: str) -> list[int]:
    """Return the numbers; those that do not fit into 32 bits are in the zip64 field, in order, 8 bytes each."""
    wide, at = b"", 0
    while at + 4 <= len(extra) and not wide:
        kind, length = struct.unpack_from("<2H", extra, at)
        if kind == _ZIP64_FIELD:
            wide = extra[at + 4 : at + 4 + length]
        at += 4 + length
    needed = numbers.count(_IN_ZIP64)
    if len(wide) < 8 * needed:
        raise _error(source, name, "should have its sizes in a zip64 field, which is not there")
    values = iter(struct.unpack_from(f"<{needed}Q", wide))
    return [next(values) if number == _IN_ZIP64 else number for number in numbers]


def _located(file: BinaryIO, member: Member, limit: int, source: str) -> Member:
    """Return the member with its first byte, which follows its local header. All of it lies before byte `limit`."""
    raw = b""
    if member.header + _LOCAL.size <= limit:
        file.seek(member.header)
        raw = file.read(_LOCAL.size)
    if len(raw) < _LOCAL.size or not raw.startswith(b"PK\3\4"):
        raise _error(
            source, member.name, f"is not at byte {member.header}, where the directory says; fetch the file again"
        )
    _, _, flags, method, _, _, _, packed, size, name_length, extra_length = _LOCAL.unpack(raw)
    start = member.header + _LOCAL.size + name_length + extra_length
    if start + member.size > limit:
        raise _error(source, member.name, f"reaches past byte {limit}, where the next member or the directory begins")
    if file.read(name_length).decode("utf-8", "replace") != member.name or flags != member.flags or method:
        raise _error(source, member.name, "has another name or other flags in its own header than in the directory")
    if not (flags & _SIZES_FOLLOW and packed == size == 0):
        size, packed = _wide((size, packed), file.read(extra_length), source, member.name)
        if not packed == size == member.size:
            raise _error(source, member.name, f"has {size} bytes by its own header, but {member.size} by the directory")
    return replace(member, start=start)
