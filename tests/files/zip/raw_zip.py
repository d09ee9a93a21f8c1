"""Zips made by hand, valid ones and false ones, from PKWARE's APPNOTE. Nothing here uses starchart or zipfile."""

import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

STORED, DEFLATED = 0, 8


@dataclass
class Member:
    """A member: its bytes in the file, and what its two headers say. `lies` are false fields by name.

    A false `crc`, `packed`, `size`, `method`, `flags`, `name` or `extra` is in both headers; with `local_` before
    its name in one. `header` is where the directory says that the local header is; `raw` are other bytes in the file.
    """

    name: bytes
    data: bytes
    method: int = STORED
    lies: dict[str, Any] = field(default_factory=dict)

    def bytes_in_file(self) -> bytes:
        if self.method == STORED:
            return self.data
        packer = zlib.compressobj(wbits=-15)
        return packer.compress(self.data) + packer.flush()

    def fields(self, where: str) -> dict[str, Any]:
        """Return what the header of this kind says."""
        true = {"name": self.name, "method": self.method, "flags": 0, "crc": zlib.crc32(self.data)}
        true |= {"packed": len(self.packed()), "size": len(self.data), "extra": b"", "disk": 0, "comment": b""}
        both = {name: value for name, value in self.lies.items() if not name.startswith("local_")}
        own = {name.removeprefix("local_"): value for name, value in self.lies.items() if name.startswith("local_")}
        return true | both | (own if where == "local" else {})

    def packed(self) -> bytes:
        """Return the bytes that are in the file, whatever the headers say."""
        data: bytes = self.lies.get("raw", self.bytes_in_file())
        return data


def raw_zip(members: Sequence[Member], **lies: Any) -> bytes:
    """Return a zip. `lies` are false fields of the record at its end, or `between`: bytes before that record."""
    data, headers = b"", []
    for member in members:
        headers.append(len(data))
        f = member.fields("local")
        fixed = (b"PK\3\4", 20, f["flags"], f["method"], 0, 0, f["crc"], f["packed"], f["size"])
        data += struct.pack("<4s5H3I2H", *fixed, len(f["name"]), len(f["extra"])) + f["name"] + f["extra"]
        data += member.packed()
    directory = b""
    for member, header in zip(members, headers, strict=True):
        f = member.fields("central")
        fixed = (b"PK\1\2", 20, 20, f["flags"], f["method"], 0, 0, f["crc"], f["packed"], f["size"])
        lengths = (len(f["name"]), len(f["extra"]), len(f["comment"]), f["disk"], 0)
        directory += struct.pack("<4s6H3I5H2I", *fixed, *lengths, 0, f.get("header", header))
        directory += f["name"] + f["extra"] + f["comment"]
    directory = lies.get("directory", directory)
    end = {"disk": 0, "count": len(members), "start": len(data), "size": len(directory), "comment": b""} | lies
    between = lies.get("between", b"")
    numbers = (end["disk"], 0, end.get("here", end["count"]), end["count"], end["size"], end["start"])
    comment = end.get("comment_length", len(end["comment"]))
    return data + directory + between + struct.pack("<4s4H2IH", b"PK\5\6", *numbers, comment) + end["comment"]


def zip64_end(count: int, size: int, start: int, at: int, **lies: Any) -> bytes:
    """Return the zip64 record, which lies at byte `at`, and the record that says so."""
    f = {"length": 44, "disk": 0, "at": at, "signature": b"PK\6\6"} | lies
    record = struct.pack("<4sQ2H2I4Q", f["signature"], f["length"], 45, 45, f["disk"], 0, count, count, size, start)
    return record + struct.pack("<4sIQI", b"PK\6\7", 0, f["at"], 1)
