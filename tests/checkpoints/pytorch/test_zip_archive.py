"""False archives: what torch.save wrote, with one thing changed. Nothing is unpacked, and no member twice."""

import io
import struct
import tracemalloc
import warnings
import zipfile

import pytest
import torch

from starchart.checkpoints.pytorch.reader import open_pytorch
from starchart.checkpoints.stored_tensor import read_vector
from starchart.errors import CheckpointError
from tests.checkpoints.pytorch.handmade import archive, state_dict, tensor
from tests.checkpoints.pytorch.refusal import message_of
from tests.checkpoints.pytorch.samples import saved
from tests.checkpoints.raw_file import write

TRUE = saved({"a": torch.tensor([1.5, 2.5]), "b": torch.tensor([[3.5, 4.5, 5.5]])})
END = len(TRUE) - 22
LOCATOR, END64 = END - 20, END - 20 - 56
COUNT, LENGTH, START = struct.unpack("<HII", TRUE[END + 10 : END + 20])
NAMES = [member.filename for member in zipfile.ZipFile(io.BytesIO(TRUE)).infolist()]
DATA = TRUE.index(struct.pack("<2f", 1.5, 2.5))


def entry(name):
    """Where the directory has a member."""
    return TRUE.index(name.encode(), START) - 46


def local(name):
    """Where the header of a member is."""
    return TRUE.index(name.encode()) - 30


def patched(*changes):
    """The valid file, with (place, format, number) written over it."""
    data = bytearray(TRUE)
    for at, form, number in changes:
        struct.pack_into("<" + form, data, at, number)
    return bytes(data)


def both(name, at_entry, at_local, form, number):
    """The valid file, with a field changed in the directory and in the header of a member."""
    return patched((entry(name) + at_entry, form, number), (local(name) + at_local, form, number))


def renamed(old, new):
    return TRUE.replace(old.encode(), new.encode())


def zipped(*members, comment=b"", compression=zipfile.ZIP_STORED):
    """An archive of Python's zipfile with these members, (name, data) each, after a valid pickle."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as out, warnings.catch_warnings(action="ignore"):
        for name, data in (("archive/data.pkl", state_dict(a=tensor())), *members):
            out.writestr(name, data)
        out.comment = comment
    return file.getvalue()


FIRST, SECOND = "archive/data/0", "archive/data/1"
PICKLE = "archive/data.pkl"
BOMB = zipped((FIRST, bytes(50_000_000)), compression=zipfile.ZIP_DEFLATED)
ODD_NAMES = ("../data/0", "archive/../0", "/etc/passwd", "archive//0", "archive/./0", "C:/data/0", "archive\\data\\0")

LIES = {
    # The end
    "cut off": (TRUE[:-1], "has no directory at its end, as a zip must; it is cut off"),
    "cut in half": (TRUE[: len(TRUE) // 2], "has no directory at its end"),
    "the beginning alone": (TRUE[:80], "has no directory at its end"),
    "bytes after the end": (TRUE + b"\0", "1 bytes follow its directory, not 0"),
    "a comment": (zipped(comment=b"PK\5\6" + bytes(18)), "says its directory is 0 bytes at 0, but it must end at"),
    "a comment that is not there": (patched((END + 20, "H", 9)), "0 bytes follow its directory, not 9"),
    "a second disk": (patched((END + 4, "H", 1)), "is one part of a zip in several parts"),
    "a directory on another disk": (patched((END + 6, "H", 1)), "is one part of a zip in several parts"),
    "a zip64 end on another disk": (patched((LOCATOR + 4, "I", 1)), "is one part of a zip in several parts"),
    "two disks": (patched((LOCATOR + 16, "I", 2)), "is one part of a zip in several parts"),
    "a zip64 disk": (patched((END64 + 16, "I", 1)), "is one part of a zip in several parts"),
    "a zip64 directory on another disk": (patched((END64 + 20, "I", 1)), "is one part of a zip in several parts"),
    "fewer members on this disk": (patched((END + 8, "H", 1)), "is one part of a zip in several parts"),
    "fewer members on this disk, twice": (
        patched((END + 8, "H", 1), (END64 + 24, "Q", 1)),
        "is one part of a zip in several parts",
    ),
    # Contradictions
    "counts differ": (patched((END64 + 32, "Q", COUNT + 1)), "is one part of a zip in several parts"),
    "lengths differ": (patched((END64 + 40, "Q", 2**63)), "the two records at its end contradict each other"),
    "places differ": (patched((END64 + 48, "Q", START + 1)), "the two records at its end contradict each other"),
    "no zip64 end": (patched((END64, "I", 0)), "but it must be 56 bytes at"),
    "a long zip64 end": (patched((END64 + 4, "Q", 45)), "but it must be 56 bytes at"),
    "a zip64 end elsewhere": (patched((LOCATOR + 8, "Q", END64 - 1)), "but it must be 56 bytes at"),
    "no locator": (patched((LOCATOR, "I", 0)), f"but it must end at {END}"),
    # The directory
    "a directory elsewhere": (
        patched((END + 16, "I", 0), (END64 + 48, "Q", 0)),
        f"bytes at 0, but it must end at {END64}",
    ),
    "a directory past the end": (
        patched((END + 16, "I", 2**32 - 1), (END64 + 48, "Q", 2**64 - 1)),
        f"at 18446744073709551615, but it must end at {END64}",
    ),
    "a directory of 2^64 bytes": (
        patched((END + 12, "I", 2**32 - 1), (END64 + 40, "Q", 2**64 - 1)),
        "says its directory is 18446744073709551615 bytes at",
    ),
    "a longer directory that begins earlier": (
        patched(
            (END + 12, "I", LENGTH + 9),
            (END + 16, "I", START - 9),
            (END64 + 40, "Q", LENGTH + 9),
            (END64 + 48, "Q", START - 9),
        ),
        f"its directory has no entry 0 of {COUNT}",
    ),
    "a large directory": (
        zipped(*((f"archive/{n}", b"") for n in range(20_000))),
        "says it has 20001 members and a directory of",
    ),
    "fewer members": (
        patched(*((END + at, "H", COUNT - 1) for at in (8, 10)), *((END64 + at, "Q", COUNT - 1) for at in (24, 32))),
        "bytes of its directory belong to no entry",
    ),
    "more members": (
        patched(*((END + at, "H", 2**16 - 1) for at in (8, 10)), *((END64 + at, "Q", 2**62) for at in (24, 32))),
        f"says it has {2**62} members",
    ),
    "a member without its mark": (patched((entry(FIRST), "I", 0)), "its directory has no entry 4 of 8"),
    "a name past the directory": (patched((entry(NAMES[-1]) + 28, "H", 999)), "reaches past the directory's end"),
    "a comment of a member": (patched((entry(NAMES[-1]) + 32, "H", 9)), "reaches past the directory's end"),
    # Members
    "encrypted": (both(FIRST, 8, 6, "H", 0x809), "'archive/data/0': is encrypted"),
    "compressed": (both(FIRST, 10, 8, "H", 8), "'archive/data/0' is compressed; torch.save, unlike torch.jit.save"),
    "a bomb": (BOMB, "would expand to 50000"),
    "a small size that is unpacked": (
        patched((entry(FIRST) + 20, "I", 4)),
        "'archive/data/0': is stored, but has 4 bytes in the file and 8 outside",
    ),
    "a member twice": (
        zipped((FIRST, bytes(24)), (FIRST, b"x" * 24)),
        "has two members with the name 'archive/data/0'",
    ),
    "two folders": (zipped(("other/data/0", bytes(24))), "has more than one folder: ['archive', 'other']"),
    "no pickle": (
        renamed(PICKLE, "archive/data.pkx").replace(b"data.pkx", b"data.pkl", 1),
        "calls itself b'archive/data.pkl' where its bytes are",
    ),
    "no byte order but big": (archive(state_dict(a=tensor()), byteorder=b"big"), "is not little-endian"),
    "bytes after the pickle": (archive(state_dict(a=tensor()) + b"x"), "its pickle ends after"),
    "another name in its header": (
        patched((local(FIRST) + 43, "B", ord("7"))),
        "'archive/data/0': calls itself b'archive/data/7'",
    ),
    "other flags in its header": (
        patched((local(FIRST) + 6, "H", 0)),
        "'archive/data/0': its header and the directory contradict each other",
    ),
    "compressed in its header": (
        patched((local(FIRST) + 8, "H", 8)),
        "'archive/data/0': its header and the directory contradict each other",
    ),
    "another size in its header": (
        patched((local(FIRST) + 18, "I", 4), (local(FIRST) + 22, "I", 4)),
        "'archive/data/0': its header and the directory contradict each other",
    ),
    "a header elsewhere": (patched((entry(FIRST) + 42, "I", local(FIRST) + 1)), "there is no header at byte"),
    "a header past the end": (
        patched((entry(FIRST) + 42, "I", 2**31)),
        "is said to be at byte 2147483648, but the directory is at",
    ),
    "a header in the directory": (
        patched((entry(FIRST) + 42, "I", START)),
        f"is said to be at byte {START}, but the directory is at {START}",
    ),
    "a header of another member": (
        patched((entry(FIRST) + 42, "I", local(SECOND))),
        "'archive/data/0': calls itself b'archive/data/1'",
    ),
    "a long name in its header": (patched((local(FIRST) + 26, "H", 2**16 - 1)), "calls itself"),
    "a long field in its header": (patched((local(NAMES[-1]) + 28, "H", 999)), "reaches past the end of its entry"),
    "a size past the directory": (
        patched((entry(FIRST) + 20, "I", START), (entry(FIRST) + 24, "I", START)),
        f"but the directory is at {START}",
    ),
    "a size of 2^64": (
        patched((entry(FIRST) + 20, "I", 2**32 - 1), (entry(FIRST) + 24, "I", 2**32 - 1)),
        "'archive/data/0': lacks a number of 64 bits",
    ),
    "an overlap": (
        patched((entry(FIRST) + 20, "I", 120), (entry(FIRST) + 24, "I", 120)),
        "'archive/data/1': shares bytes with the member before it",
    ),
    # What the pickle says of them
    "no storage": (renamed(FIRST, "archive/data/7"), "tensor 'a': its storage '0' is not in the file"),
    "a storage too short": (
        patched((entry(FIRST) + 20, "I", 4), (entry(FIRST) + 24, "I", 4)),
        "tensor 'a': its storage '0' has 4 bytes, but should have 2 numbers of F32",
    ),
    "a storage too long": (
        patched((entry(FIRST) + 20, "I", 12), (entry(FIRST) + 24, "I", 12)),
        "tensor 'a': its storage '0' has 12 bytes, but should have 2 numbers of F32",
    ),
    "a storage that leads out": (
        archive(state_dict(a=tensor()).replace(b"X\1\0\0\0" + b"0", b"X\x09\0\0\0" + b"../../etc")),
        "tensor 'a': its storage '../../etc' is not in the file",
    ),
    **{f"a member named {name}": (zipped((name, bytes(24))), "which torch.save never writes") for name in ODD_NAMES},
}


@pytest.mark.parametrize(("data", "words"), LIES.values(), ids=LIES)
def test_an_archive_lies(data, words, tmp_path):
    assert words in message_of(tmp_path, data)


def test_the_true_file_is_read(tmp_path):
    tensors = open_pytorch(write(tmp_path, TRUE))
    assert tensors["a"].start == DATA
    assert list(read_vector(tensors["a"])) == [1.5, 2.5]


def test_no_bit_of_the_headers_moves_the_numbers(tmp_path):
    path = tmp_path / "file"
    refused = 0
    for at in (*range(DATA - 64, DATA), *range(START, len(TRUE))):
        path.write_bytes(patched((at, "B", TRUE[at] ^ 1 << at % 8)))
        try:
            tensor = open_pytorch(path)["a"]
        except CheckpointError:
            refused += 1
        else:
            assert list(read_vector(tensor)) == [1.5, 2.5]
    assert refused > (len(TRUE) - START) / 2  # the rest are times, checksums and the like


def test_a_byte_order_without_end_is_not_read(tmp_path):
    data = archive(state_dict(a=tensor()), byteorder=b"l" * 5_000_000)
    path = write(tmp_path, data)
    tracemalloc.start()
    try:
        with pytest.raises(CheckpointError, match="is not little-endian"):
            open_pytorch(path)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 1_000_000


def test_torchscript_is_named(tmp_path):
    file = io.BytesIO()
    with warnings.catch_warnings(action="ignore"):
        torch.jit.save(torch.jit.script(torch.nn.Linear(2, 3)), file)
    assert "is compressed; torch.save, unlike torch.jit.save, stores all as it is" in message_of(
        tmp_path, file.getvalue()
    )


def test_an_archive_of_something_else(tmp_path):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as out:
        out.writestr("word/document.xml", b"<a/>")
    assert "the first are b'PK" in message_of(tmp_path, file.getvalue())
    with zipfile.ZipFile(file := io.BytesIO(), "w") as out:
        out.writestr("archive/version", b"3")
    assert "is a zip archive, but holds no data.pkl" in message_of(tmp_path, file.getvalue())


def test_an_archive_in_an_archive_is_bytes(tmp_path):
    inner = archive(state_dict(a=tensor()))
    outer = archive(state_dict(a=tensor()), {"0": bytes(24), "1": inner})
    assert list(open_pytorch(write(tmp_path, outer))) == ["a"]
    assert "is not of a protocol from 2 to 5" in message_of(tmp_path, archive(inner))


def test_the_version_may_come_first(tmp_path):
    # As in torch before 1.6; and sizes in zip64 fields that would not need them, as zipfile can write.
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as out:
        out.writestr("model/version", b"3\n")
        for name, data in (
            ("model/data.pkl", state_dict(a=tensor((6,), (1,)))),
            ("model/data/0", bytes(20) + b"\0\0\x80\x3f"),
        ):
            with out.open(zipfile.ZipInfo(name), "w", force_zip64=True) as member:
                member.write(data)
    assert list(read_vector(open_pytorch(write(tmp_path, file.getvalue()))["a"])) == [0, 0, 0, 0, 0, 1]


@pytest.mark.parametrize("place", [2**31, 2**63, 2**64 - 1])
def test_a_header_far_out(place, tmp_path):
    member = zipfile.ZipInfo("archive/data/0")
    member.extra = struct.pack("<2HQ", 1, 8, place)
    data = zipped((member, bytes(24)))
    lie = data.replace(
        struct.pack("<I", data.index(b"archive/data/0") - 30) + b"archive/data/0", b"\xff" * 4 + b"archive/data/0"
    )
    assert lie != data
    assert f"is said to be at byte {place}, but the directory is at" in message_of(tmp_path, lie)


def test_a_zip64_field_that_lies(tmp_path):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as out:
        out.writestr("model/data.pkl", state_dict(a=tensor()))
        with out.open(zipfile.ZipInfo("model/data/0"), "w", force_zip64=True) as member:
            member.write(bytes(24))
    data = file.getvalue()
    field = data.index(b"model/data/0") + len("model/data/0")
    assert data[field : field + 20] == struct.pack("<2H2Q", 1, 16, 24, 24)
    for place, form in ((field, "H"), (field + 2, "H"), (field + 4, "Q"), (field + 12, "Q")):
        lie = bytearray(data)
        struct.pack_into("<" + form, lie, place, 9)
        assert "'model/data/0': " in message_of(tmp_path, bytes(lie))
