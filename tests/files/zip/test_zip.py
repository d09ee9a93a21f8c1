"""Zips: members are where zipfile finds them, and every false directory is refused in one line."""

import io
import struct
import tracemalloc
import zipfile
import zlib
from dataclasses import replace

import pytest
import torch

from starchart.errors import CheckpointError
from starchart.files.zip.directory import read_zip_directory
from starchart.files.zip.member import read_member
from tests.files.zip.raw_zip import DEFLATED, Member, raw_zip, zip64_end

A, B = Member(b"a", b"first"), Member(b"b", b"second" * 9, DEFLATED)
AB = raw_zip([A, B])
SIZE = 47 + 47  # of the directory
START = len(AB) - 22 - SIZE
ONES = 0xFFFFFFFF


def wide(*numbers):
    """Return an extra field with numbers of 64 bits, after another one."""
    return b"xx\2\0.." + struct.pack(f"<2H{len(numbers)}Q", 1, 8 * len(numbers), *numbers)


def lying(**lies):
    return raw_zip([A, replace(B, lies=lies)])


def read(data, source="weights.npz"):
    """Return the contents of the members of a zip."""
    file = io.BytesIO(data)
    members = read_zip_directory(file, len(data), source)
    return {name: read_member(file, data, member, 0, member.size, source) for name, member in members.items()}


LIES = {
    # The records at the end
    "empty": (b"", "has no directory at its end"),
    "cut off": (AB[:-1], "has no directory at its end"),
    "a byte more": (AB + b"x", "1 bytes follow its directory, not 0"),
    "a comment that is shorter": (
        raw_zip([A], comment=b"abc", comment_length=4),
        "3 bytes follow its directory, not 4",
    ),
    "a second end in the comment": (raw_zip([A], comment=b"PK\5\6" + bytes(18) + b"x"), "follow its directory"),
    "several parts": (raw_zip([A, B], disk=1), "is one part of a zip in several parts"),
    "entries on another part": (raw_zip([A, B], here=1), "is one part of a zip in several parts"),
    "a directory elsewhere": (raw_zip([A, B], start=0), f"is {SIZE} bytes at 0, but it must end at {START + SIZE}"),
    "a longer directory": (raw_zip([A, B], size=SIZE + 1), f"{SIZE + 1} bytes at {START}, but it must end"),
    "appended to a file": (b"MZ" + AB, f"but it must end at {START + SIZE + 2}"),
    "bytes before the end": (raw_zip([A, B], between=b"xx"), f"but it must end at {START + SIZE + 2}"),
    "too many members": (raw_zip([A], count=10_001), "says it has 10001 members and a directory of 47 bytes"),
    "a long directory": (raw_zip([A], directory=bytes(1_000_001)), "a directory of 1000001 bytes; the limits are"),
    "a count of 64 bits": (
        raw_zip([A, B], between=zip64_end(2**63, SIZE, START, START + SIZE), count=0xFFFF),
        "says it has 9223372036854775808 members",
    ),
    "a size of 64 bits": (
        raw_zip([A, B], between=zip64_end(2, 2**64 - 1, START, START + SIZE), size=ONES),
        "says its directory is 18446744073709551615 bytes",
    ),
    "records that contradict": (
        raw_zip([A, B], between=zip64_end(2, SIZE, START, START + SIZE), count=1),
        "the two records at its end contradict each other",
    ),
    "a zip64 record of several parts": (
        raw_zip([A, B], between=zip64_end(2, SIZE, START, START + SIZE, disk=1)),
        "is one part of a zip in several parts",
    ),
    "a zip64 record elsewhere": (
        raw_zip([A, B], between=zip64_end(2, SIZE, START, at=0)),
        f"says its zip64 record is at byte 0, but it must be 56 bytes at {START + SIZE}",
    ),
    "a zip64 record past the end": (
        raw_zip([A, B], between=zip64_end(2, SIZE, START, at=2**63)),
        "says its zip64 record is at byte 9223372036854775808, but it must be",
    ),
    "a zip64 record that is longer": (
        raw_zip([A, B], between=zip64_end(2, SIZE, START, START + SIZE, length=2**40)),
        f"but it must be 56 bytes at {START + SIZE}; it is damaged",
    ),
    "no zip64 record": (
        raw_zip([A, B], between=zip64_end(2, SIZE, START, START + SIZE, signature=b"PK\6\5")),
        f"but it must be 56 bytes at {START + SIZE}; it is damaged",
    ),
    "a promise of 64 bits that is not kept": (raw_zip([A, B], start=ONES), "bytes at 4294967295, but it must end"),
    # The entries
    "an entry too few": (raw_zip([A], count=2), "its directory has no entry 1 of 2"),
    "an entry too many": (raw_zip([A, B], count=1), "47 bytes of its directory belong to no entry"),
    "another signature": (raw_zip([A], directory=b"PK\1\3" + bytes(42)), "its directory has no entry 0 of 1"),
    "a name past the end": (
        raw_zip([A], directory=b"PK\1\2" + bytes(24) + b"\xff\xff" + bytes(16)),
        "entry 0 of its directory reaches past the directory's end",
    ),
    "a name twice": (raw_zip([A, A]), "has two members with the name 'a'"),
    "a name that is not UTF-8": (lying(name=b"\xff", flags=1 << 11), r"the name b'\xff' of a member is not UTF-8"),
    "a name of code page 437": (lying(name=b"\x81"), r"the name b'\x81' of a member is not UTF-8"),
    "a name of many lines": (lying(name=b"x\n\x1b[2J", flags=1), r"member 'x\n\x1b[2J': is encrypted"),
    "encrypted": (lying(flags=1), "member 'b': is encrypted"),
    "strongly encrypted": (lying(flags=1 << 6), "member 'b': is encrypted"),
    "a masked directory": (lying(flags=1 << 13), "member 'b': is encrypted"),
    "another method": (
        lying(method=14),
        "member 'b': is compressed by method 14; stored (0) and deflated (8) are read",
    ),
    "on another part": (lying(disk=1), "member 'b': is on part 1 of a zip in several parts"),
    "stored and shorter": (lying(method=0), "member 'b': is stored, but has"),
    "an extra field past the end": (lying(extra=b"\1\0\x09\0x", size=ONES), "an extra field of 9 bytes reaches past"),
    "a number of 64 bits too few": (lying(extra=wide(), size=ONES), "lacks a number of 64 bits"),
    "no number of 64 bits": (lying(size=ONES), "member 'b': lacks a number of 64 bits that its entry promises"),
    "none in its own header": (lying(local_size=ONES), "member 'b': lacks a number of 64 bits"),
    # Members
    "a bomb": (raw_zip([Member(b"a", bytes(10_000_001), DEFLATED)]), "would expand to 10000001; no weights"),
    "a bomb that is promised": (lying(size=2**32 - 2), "would expand to 4294967294; no weights"),
    "a bomb of 64 bits": (lying(size=ONES, extra=wide(2**63)), "would expand to 9223372036854775808; no weights"),
    "the same bytes twice": (lying(header=0, name=b"b"), "member 'b': shares bytes with the member before it"),
    "bytes within another": (lying(header=31), "member 'b': shares bytes with the member before it"),
    "in the directory": (lying(header=START), f"is said to be at byte {START}, but the directory is at {START}"),
    "past the end": (lying(header=ONES, extra=wide(2**62)), f"at byte {2**62}, but the directory"),
    "no local header": (lying(header=38), "member 'b': there is no header at byte 38, where it should be"),
    "another name there": (lying(local_name=b"c"), "member 'b': calls itself b'c' where its bytes are"),
    "longer than the rest": (lying(packed=10**6), "member 'b': ends at byte 1000067, but the directory is at"),
    "another size there": (lying(local_size=7), "its header and the directory contradict each other"),
    "another packed size there": (lying(local_packed=7), "its header and the directory contradict each other"),
    "another checksum there": (lying(local_crc=7), "its header and the directory contradict each other"),
    "another method there": (lying(local_method=0), "its header and the directory contradict each other"),
    "encrypted there": (lying(local_flags=1), "its header and the directory contradict each other"),
    "other flags there": (lying(local_flags=2), "its header and the directory contradict each other"),
    "sizes that follow, and are there": (
        lying(local_flags=8, local_size=7),
        "its header and the directory contradict each other",
    ),
    # What is in them
    "a wrong checksum": (lying(crc=7), "does not have its checksum"),
    "longer than is said": (lying(size=53), "is longer than the 53 bytes that the directory says"),
    "shorter than is said": (lying(size=55), "ends after 54 bytes of 55"),
    "not packed at all": (lying(raw=b"\xff" * 20), "cannot be unpacked (Error -3"),
    "cut off inside": (lying(raw=B.packed()[:-2]), "ends after"),
    "bytes after its end": (lying(raw=B.packed() + b"x"), "packed bytes do not end where it ends"),
    "bytes after its end, and shorter than is said": (
        lying(raw=B.packed() + b"x" * 99, size=60),
        "ends after 54 bytes",
    ),
    "nothing": (lying(raw=b""), "ends after 0 bytes of 54"),
}


@pytest.mark.parametrize(("data", "words"), LIES.values(), ids=LIES)
def test_a_lie_is_one_line_that_names_the_file(data, words):
    with pytest.raises(CheckpointError) as caught:
        read(data)
    message = str(caught.value)
    assert message.startswith("weights.npz")
    assert words in message
    assert message.isprintable()
    assert len(message) < 300


TRUE = {
    "stored and deflated": AB,
    "a comment": raw_zip([A, B], comment=b"written by hand"),
    "a comment of 65535 bytes": raw_zip([A, B], comment=b"x" * 65535),
    "zip64, all ones": raw_zip(
        [A, B], between=zip64_end(2, SIZE, START, START + SIZE), count=0xFFFF, here=0xFFFF, size=ONES, start=ONES
    ),
    "zip64, as PyTorch writes it": raw_zip([A, B], between=zip64_end(2, SIZE, START, START + SIZE)),
    "sizes of 64 bits": raw_zip([A, replace(B, lies={"size": ONES, "extra": wide(54)})]),
    "sizes that follow": lying(flags=8, local_crc=0, local_size=0, local_packed=0),
    "a flag of the compressor": lying(flags=2),
    "comments of entries": lying(comment=b"!"),
}


@pytest.mark.parametrize("data", TRUE.values(), ids=TRUE)
def test_true_zips(data):
    assert read(data) == {"a": b"first", "b": b"second" * 9}
    if ONES.to_bytes(4, "little") not in data:  # zipfile is asked too
        with zipfile.ZipFile(io.BytesIO(data)) as theirs:
            assert {name: theirs.read(name) for name in theirs.namelist()} == read(data)


def test_no_members():
    assert read(raw_zip([])) == {}


def test_what_pytorch_writes():
    file = io.BytesIO()
    torch.save({"a": torch.arange(1000.0)}, file)
    with zipfile.ZipFile(file) as theirs:
        assert {name: theirs.read(name) for name in theirs.namelist()} == read(file.getvalue())


class NoSeeking(io.RawIOBase):
    """A stream, to which a zip is written with sizes that follow."""

    def __init__(self):
        self.data = b""

    def writable(self):
        return True

    def write(self, data):
        self.data += bytes(data)
        return len(data)


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
@pytest.mark.parametrize("is_wide", [False, True])
def test_what_zipfile_writes_to_a_stream(method, is_wide):
    stream = NoSeeking()
    with zipfile.ZipFile(stream, "w", method) as file:
        for name in ("ä", "b"):
            with file.open(name, "w", force_zip64=is_wide) as member:
                member.write(name.encode() * 100)
    assert read(stream.data) == {name: name.encode() * 100 for name in ("ä", "b")}


@pytest.mark.parametrize("members_there", [1, 6])  # less and more than are kept where they stopped
def test_a_member_is_unpacked_in_parts_in_any_order(members_there):
    contents = {f"{n}": bytes(i * i * (n + 3) % 251 for i in range(150_000)) for n in range(members_there)}
    data = raw_zip([Member(name.encode(), value, DEFLATED) for name, value in contents.items()])
    file = io.BytesIO(data)
    members = read_zip_directory(file, len(data), "example")
    for start in (0, 70_000, 1_000, 1_010, 149_999, 0):
        for most in (10, 64, 70_001):  # and what is left of one is not that of another
            for name, value in contents.items():
                count = min(most, len(value) - start)
                assert read_member(file, "x", members[name], start, count, "e") == value[start : start + count]


def test_a_decoder_that_has_ended_is_not_asked_again():
    # Where a part ends just before the member does, zlib keeps what follows, and gives it back for ever.
    data = raw_zip([replace(B, lies={"raw": B.packed() + b"x" * 99, "size": 60})])
    file = io.BytesIO(data)
    member = read_zip_directory(file, len(data), "example")["b"]
    for first in range(54):
        assert read_member(file, first, member, 0, first, "example") == B.data[:first]
        with pytest.raises(CheckpointError, match="ends after 54 bytes of 60"):
            read_member(file, first, member, first, 60 - first, "example")


def test_reading_on_does_not_begin_again():
    data = raw_zip([Member(b"a", b"0123456789" * 100_000, DEFLATED)])
    reads = []

    class Counted(io.BytesIO):
        def read(self, size=-1):
            reads.append(size)
            return super().read(size)

    file = Counted(data)
    member = read_zip_directory(file, len(data), "example")["a"]
    reads.clear()
    for start in range(0, 1_000_000, 1000):
        assert read_member(file, "y", member, start, 1000, "example") == b"0123456789" * 100
    assert len(reads) == 1  # its few packed bytes were read once


def test_the_same_name_in_another_file_is_another_member():
    first, second = (raw_zip([Member(b"a", letter * 1000, DEFLATED)]) for letter in (b"x", b"y"))
    for data, letter in ((first, b"x"), (second, b"y")):
        file = io.BytesIO(data)
        member = read_zip_directory(file, len(data), "example")["a"]
        assert read_member(file, data, member, 0, 500, "example") == letter * 500
    # The same place, sizes and checksum, but another file:
    other = raw_zip([replace(B, lies={"raw": B.packed()[:9] + b"\0" * len(B.packed()[9:])})])
    file, true = io.BytesIO(other), io.BytesIO(raw_zip([B]))
    member = read_zip_directory(true, len(true.getvalue()), "example")["b"]
    assert read_member(true, "true", member, 0, 10, "example") == b"secondseco"
    with pytest.raises(CheckpointError):
        read_member(file, "other", member, 10, 44, "example")


def test_a_bomb_takes_no_memory():
    size = 9_900_000
    data = raw_zip([Member(b"a", bytes(size), DEFLATED), Member(b"b", zlib.compress(bytes(size)))])
    tracemalloc.start()
    try:
        file = io.BytesIO(data)
        member = read_zip_directory(file, len(data), "example")["a"]
        assert read_member(file, "z", member, size - 10, 5, "example") == bytes(5)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 1_000_000
