r"""The header of a .npy array: its type of numbers, its shape, and the order in which they lie.

    6 bytes    "\x93NUMPY"
    2 bytes    the version: 1.0, 2.0 or 3.0
    length     of the rest: 2 bytes in version 1.0, 4 bytes from then on, little-endian
    the rest   {'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), } in any order; spaces, and a line feed

The rest is in Python's notation, but it is never evaluated: what is not of this form is refused. Source: NumPy,
`numpy.lib.format`, "Format Version 1.0" to "3.0".
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

from starchart.checkpoints.numbers.dtypes import item_bytes
from starchart.errors import CheckpointError
from starchart.files.json_file import shown

_MAGIC = b"\x93NUMPY"
_LENGTH_BYTES = {(1, 0): 2, (2, 0): 4, (3, 0): 4}
_MOST_BYTES = 10_000  # NumPy's own limit
_MOST_AXES = 8

_ITEM = r"""['"](\w+)['"] *: *(['"][^'"\\]*['"]|True|False|\([0-9L, ]*\))"""
_TEXT = re.compile(rf"\{{ *{_ITEM} *, *{_ITEM} *, *{_ITEM} *(?:, *)?\}}\s*", re.ASCII)
_KEYS = {"descr", "fortran_order", "shape"}
_RECORDS = re.compile(r"""['"]descr['"] *: *\[""")
_LENGTH = re.compile(r" *([0-9]{1,19})L? *", re.ASCII)  # Python 2 wrote an L

# Types of numbers by NumPy's name.
_FLOATS = {"<f2": "F16", "<f4": "F32", "<f8": "F64"}
_BYTES = {"|b1": "BOOL", "|i1": "I8", "|u1": "U8"}
_INTEGERS = {f"<{letter.lower()}{size}": f"{letter}{8 * size}" for letter in "IU" for size in (2, 4, 8)}
_DTYPES = _FLOATS | _BYTES | _INTEGERS
DESCRIPTIONS = {dtype: name for name, dtype in _FLOATS.items()}  # NumPy has no BF16
_ALIGNMENT = 64  # of the numbers in a file that we write


@dataclass(frozen=True)
class ArrayHeader:
    """What the header says. `start` is the first byte of the numbers, which lie column by column with `transposed`."""

    dtype: str
    shape: tuple[int, ...]
    transposed: bool
    start: int


def read_array_header(read: Callable[[int, int], bytes], size: int, source: str) -> ArrayHeader:
    """Return the header of an array of `size` bytes, of which `read` gives some: from where, how many.

    Raises CheckpointError, in which `source` names the array, also if the numbers do not fill the rest of the bytes.
    """
    preamble = read(0, min(size, 12))
    if len(preamble) < 10 or not preamble.startswith(_MAGIC):
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


def write_array_header(shape: tuple[int, ...], dtype: str) -> bytes:
    """Return the header of an array that lies row by row, of a type of DESCRIPTIONS.

    >>> header = write_array_header((2, 3), "F32")
    >>> len(header), header[10:].split()[:2]
    (128, [b"{'descr':", b"'<f4',"])
    """
    described = f"{{'descr': '{DESCRIPTIONS[dtype]}', 'fortran_order': False, 'shape': {shape}, }}"
    text = described.encode("ascii")
    text += b" " * (-(len(text) + 11) % _ALIGNMENT) + b"\n"  # 10 bytes before it, and the line feed
    return _MAGIC + b"\1\0" + len(text).to_bytes(2, "little") + text


def _fields(text: str, source: str) -> tuple[str, bool, tuple[int, ...]]:
    if _RECORDS.search(text):
        raise CheckpointError(f"{source}: holds records and not numbers; save one array for each tensor")
    match = _TEXT.fullmatch(text)
    fields = dict(zip(match.groups()[0::2], match.groups()[1::2], strict=True)) if match else {}
    if fields.keys() != _KEYS:
        raise CheckpointError(f"{source}: its header is not descr, fortran_order and shape, but {shown(text)}")
    order, descr = fields["fortran_order"], fields["descr"]
    if order not in ("True", "False") or descr[0] not in "'\"":
        raise CheckpointError(f"{source}: its descr must be a text and fortran_order True or False, not {shown(text)}")
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
