r"""NumPy's .npz files: a zip of .npy arrays, one for each tensor, from `savez` and `savez_compressed`.

The member NAME.npy is the tensor NAME, with Hugging Face's names. It begins with the header of the array:

    6 bytes    "\x93NUMPY"
    2 bytes    the version: 1.0, 2.0 or 3.0
    length     of the rest of the header: 2 bytes in version 1.0, 4 bytes in later ones, little-endian
    the rest   {'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), } in any order; spaces, and a line feed

The rest is in Python's notation, but it is never evaluated: what does not have this form is refused. Only the headers
are read here. The numbers of stored members are read from the file as they are, without a check of their checksum;
those of deflated members are unpacked when they are read, and checked. Source: NumPy, `numpy.lib.format`, "Format
Version 1.0" to "3.0", and `numpy.savez`.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from starchart.checkpoints.numbers.number_types import item_bytes
from starchart.checkpoints.refusals import refuse_too_many
from starchart.checkpoints.stored_tensor import Stamp, StoredTensor, opened, stamp_of
from starchart.errors import CheckpointError
from starchart.files.json_file import shown
from starchart.files.zip.directory import read_zip_directory
from starchart.files.zip.member import ZipMember, read_member

MAGIC = b"\x93NUMPY"
_LENGTH_BYTES = {(1, 0): 2, (2, 0): 4, (3, 0): 4}
_MOST_BYTES = 10_000  # NumPy's own limit
_MOST_AXES = 8
_ITEM = r"""['"](\w+)['"] *: *(['"][^'"\\]*['"]|True|False|\([0-9L, ]*\))"""
_TEXT = re.compile(rf"\{{ *{_ITEM} *, *{_ITEM} *, *{_ITEM} *(?:, *)?\}}\s*", re.ASCII)
_KEYS = {"descr", "fortran_order", "shape"}
_RECORDS = re.compile(r"""['"]descr['"] *: *\[""")
_LENGTH = re.compile(r" *([0-9]{1,19})L? *", re.ASCII)  # Python 2 wrote an L
# Types of numbers by NumPy's name.
FLOATS = {"<f2": "F16", "<f4": "F32", "<f8": "F64"}
_BYTES = {"|b1": "BOOL", "|i1": "I8", "|u1": "U8"}
_INTEGERS = {f"<{letter.lower()}{size}": f"{letter}{8 * size}" for letter in "IU" for size in (2, 4, 8)}
_DTYPES = FLOATS | _BYTES | _INTEGERS
_SUFFIX = ".npy"


@dataclass(frozen=True)
class ArrayHeader:
    """The header of an array. `start` is the first byte of the numbers, which are column by column if `transposed`."""

    dtype: str
    shape: tuple[int, ...]
    transposed: bool
    start: int


def is_npz(first: bytes) -> bool:
    """Return whether the first bytes of a file are those of a zip whose first member is an array of NumPy."""
    name = first[30 : 30 + int.from_bytes(first[26:28], "little")]
    return first.startswith(b"PK\3\4") and name.endswith(_SUFFIX.encode())


def open_npz(path: Path) -> dict[str, StoredTensor]:
    """Return the tensors of the file at `path` by name. Raises CheckpointError."""
    with opened(path) as file:
        stamp = stamp_of(file)
        members = read_zip_directory(file, stamp[0], str(path))
        refuse_too_many(len(members), str(path))
        return {name.removesuffix(_SUFFIX): _tensor(file, member, path, stamp) for name, member in members.items()}


def _tensor(file: BinaryIO, member: ZipMember, path: Path, stamp: Stamp) -> StoredTensor:
    source = f"{path}: member {shown(member.name)}"
    if not member.name.endswith(_SUFFIX):
        raise CheckpointError(f"{source}: is no {_SUFFIX} array, which all members of an .npz are")

    def read(start: int, count: int) -> bytes:
        return read_member(file, (path, stamp), member, start, count, source)

    header = read_array_header(read, member.size, source)
    name = member.name.removesuffix(_SUFFIX)
    if member.deflated:
        return StoredTensor(name, header.dtype, header.shape, path, header.start, stamp, header.transposed, member)
    return StoredTensor(name, header.dtype, header.shape, path, member.start + header.start, stamp, header.transposed)


def read_array_header(read: Callable[[int, int], bytes], size: int, source: str) -> ArrayHeader:
    """Return the header of an array of `size` bytes; `read(start, count)` returns some of them.

    Raises CheckpointError, in which `source` names the array. The numbers must fill the rest of the bytes exactly.
    """
    preamble = read(0, min(size, 12))
    if len(preamble) < 10 or not preamble.startswith(MAGIC):
        raise CheckpointError(f"{source}: is no array of NumPy; it begins with {preamble[:8]!r}")
    length_bytes = _LENGTH_BYTES.get((preamble[6], preamble[7]))
    if not length_bytes:
        raise CheckpointError(f"{source}: is of version {preamble[6]}.{preamble[7]} of the format; 1.0 to 3.0 are read")
    start = 8 + length_bytes
    length = int.from_bytes(preamble[8:start], "little")
    if length > min(size - start, _MOST_BYTES):
        raise CheckpointError(f"{source}: says its header is {length} bytes long, of {size - start}")
    text = read(start, length).decode("latin-1")
    descr, transposed, shape = _fields(text, source)
    dtype = _number_type(descr, source)
    expected = item_bytes(dtype)
    for axis in shape:
        expected *= axis
    start += length
    if expected != size - start:
        raise CheckpointError(f"{source}: shape {list(shape)} of {dtype} does not fill its {size - start} bytes")
    return ArrayHeader(dtype, shape, transposed, start)


def _fields(text: str, source: str) -> tuple[str, bool, tuple[int, ...]]:
    if _RECORDS.search(text):
        raise CheckpointError(f"{source}: holds records and not numbers; save one array for each tensor")
    match = _TEXT.fullmatch(text)
    fields = dict(zip(match.groups()[0::2], match.groups()[1::2], strict=True)) if match else {}
    if fields.keys() != _KEYS:
        raise CheckpointError(f"{source}: its header is not descr, fortran_order and shape, but {shown(text)}")
    order, descr = fields["fortran_order"], fields["descr"]
    if order not in ("True", "False") or descr[0] not in "'\"":
        raise CheckpointError(
            f"{source}: its descr must be a string and fortran_order True or False, not {shown(text)}"
        )
    return descr[1:-1], order == "True", _shape(fields["shape"], source)


def _number_type(descr: str, source: str) -> str:
    if descr in _DTYPES:
        return _DTYPES[descr]
    if descr.startswith(">"):
        raise CheckpointError(f"{source}: is big-endian ({shown(descr)}); save it as little-endian")
    if descr.startswith("|O"):
        raise CheckpointError(f"{source}: holds Python objects (a pickle), which are not read; save arrays of numbers")
    raise CheckpointError(f"{source}: is of type {shown(descr)}; save weights as float32, float16 or float64")


def _shape(text: str, source: str) -> tuple[int, ...]:
    axes = text[1:-1].split(",") if text.startswith("(") else [""]
    last = axes.pop() if not axes[-1].strip() else ","
    lengths = [_LENGTH.fullmatch(axis) for axis in axes]
    tuple_of_one = len(axes) != 1 or last != ","
    if not all(lengths) or not tuple_of_one or not text.startswith("(") or len(axes) > _MOST_AXES:
        raise CheckpointError(f"{source}: its shape must be a tuple of at most {_MOST_AXES} numbers, not {shown(text)}")
    return tuple(int(length[1]) for length in lengths if length)
