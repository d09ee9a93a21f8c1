"""Safetensors files: the header says which tensors the file holds, and where. Only the header is read here.

    8 bytes    N, unsigned, little-endian
    N bytes    JSON, UTF-8, an object, with or without white space before and after it:
               {"NAME": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}, ..., "__metadata__": {...}}
    the rest   the numbers, row by row, little-endian; offsets count from here; no gaps and no overlaps

Source: the README of huggingface/safetensors, section "Format". Every value in the header is checked before it is used,
and each way in which a header can be wrong has its own message. What the safetensors library (0.8) refuses is refused.
Refused here, but not by the library, are: a name twice, fields that the format does not have, an entry that is a list,
more than 8 axes, more than MOST_TENSORS tensors, a header of more than MAX_JSON_BYTES bytes or MAX_JSON_VALUES
values.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from starchart.checkpoints.numbers.number_types import BITS
from starchart.checkpoints.refusals import refuse_foreign, refuse_too_many
from starchart.checkpoints.stored_tensor import StoredTensor, opened, stamp_of
from starchart.errors import CheckpointError
from starchart.files.json_file import MAX_JSON_BYTES, parse_json_object, shown

_DTYPES = BITS.keys() - {"C128"}  # every type of number that the format has
MOST_AXES, _MOST_LENGTH = 8, 2**63 - 1
WHITE_SPACE = b" \t\n\r"  # of JSON
_FIELDS = {"dtype", "shape", "data_offsets"}


@dataclass(frozen=True)
class TensorEntry:
    """One tensor in the header. `start` and `end` are counted from the first byte of the file."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    start: int
    end: int


def is_safetensors(first: bytes) -> bool:
    """Return whether these are the first bytes of a safetensors file: the length of the header, then the header.

    The header is an object. White space may come before it, perhaps more than these bytes.
    """
    header = first[8:].lstrip(WHITE_SPACE)
    is_object = header.startswith(b"{") or (len(first) > 8 and not header)
    return is_object and not any(first[4:8])  # no header has 4 GB or more: these are other bytes


def open_safetensors(path: Path) -> dict[str, StoredTensor]:
    """Return the tensors of the file at `path` by name. Raises CheckpointError."""
    with opened(path) as file:
        stamp = stamp_of(file)
        entries = read_header(file, stamp[0], str(path))
    return {
        name: StoredTensor(name, entry.dtype, entry.shape, path, entry.start, stamp) for name, entry in entries.items()
    }


def read_header(file: BinaryIO, size: int, source: str) -> dict[str, TensorEntry]:
    """Return the checked entries, by name, of an open file of `size` bytes. `source` names it in CheckpointError."""
    first = file.read(8)
    length = int.from_bytes(first, "little")
    if size < 8 or length > MAX_JSON_BYTES:
        refuse_foreign(first + file.read(100), source)
    if not size:
        raise CheckpointError(f"{source}: is empty; fetch it again")
    if size < 8:
        raise CheckpointError(f"{source}: is {size} bytes long and cannot hold a safetensors header; fetch it again")
    if length > MAX_JSON_BYTES:
        raise CheckpointError(f"{source}: says its header is {length} bytes long; the limit is {MAX_JSON_BYTES}")
    if length > size - 8:
        raise CheckpointError(
            f"{source}: says its header is {length} bytes long, but the file ends after {size - 8}; fetch it again"
        )
    header = file.read(length)
    text = header.lstrip(WHITE_SPACE)
    if not text.startswith(b"{"):
        raise CheckpointError(f"{source}: its header does not begin with '{{' but with {text[:8]!r}")
    values = parse_json_object(header, f"{source}: header", CheckpointError)
    _check_metadata(values.pop("__metadata__", None), source)
    refuse_too_many(len(values), source)
    entries = [_entry(name, value, 8 + length, size, source) for name, value in values.items()]
    _check_coverage(entries, 8 + length, size, source)
    return {entry.name: entry for entry in entries}


def _check_metadata(metadata: Any, source: str) -> None:
    if metadata is None:
        return
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        raise CheckpointError(f"{source}: its __metadata__ must map names to strings, not be {shown(metadata)}")
    for text in (*metadata, *metadata.values()):
        _refuse_half_character(text, f"{source}: its __metadata__")


def _entry(name: str, value: Any, base: int, size: int, source: str) -> TensorEntry:
    """Return one entry, with every field checked, also against the size of the file."""
    what = f"{source}: tensor {shown(name)}"
    _refuse_half_character(name, what)
    if not isinstance(value, dict):
        raise CheckpointError(f"{what}: its entry must be an object, not {shown(value)}")
    if value.keys() != _FIELDS:
        raise CheckpointError(f"{what}: must have dtype, shape and data_offsets, but has {shown(sorted(value))}")
    dtype, shape, offsets = value["dtype"], value["shape"], value["data_offsets"]
    if not isinstance(dtype, str) or dtype not in _DTYPES:
        raise CheckpointError(f"{what}: its dtype {shown(dtype)} is not one of safetensors'")
    if not _is_list_of_counts(shape) or len(shape) > MOST_AXES or max(shape, default=0) > _MOST_LENGTH:
        raise CheckpointError(
            f"{what}: its shape must be a list of at most {MOST_AXES} whole numbers below 2^63, not {shown(shape)}"
        )
    if not _is_list_of_counts(offsets) or len(offsets) != 2:
        raise CheckpointError(f"{what}: its data_offsets must be two whole numbers, not {shown(offsets)}")
    start, end = base + offsets[0], base + offsets[1]
    if start > end:
        raise CheckpointError(f"{what}: its data_offsets are reversed: {shown(offsets)}")
    if end > size:
        raise CheckpointError(
            f"{what}: its data_offsets {shown(offsets)} end at byte {shown(end)} of a file that has {size};"
            " fetch it again"
        )
    if not _fits(shape, BITS[dtype], 8 * (end - start)):
        raise CheckpointError(
            f"{what}: shape {shown(shape)} of {dtype} does not fill the {end - start} bytes it is given"
        )
    return TensorEntry(name, dtype, tuple(shape), start, end)


def _refuse_half_character(text: str, what: str) -> None:
    """Raise CheckpointError for half of a surrogate pair, which JSON can represent and UTF-8 cannot."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        half = f"U+{ord(text[error.start]):04X}"
        raise CheckpointError(f"{what} has half of a character, {half}, which is not text; convert it again") from None


def _is_list_of_counts(value: Any) -> bool:
    # type() and not isinstance: in Python, True is an int.
    return isinstance(value, list) and all(type(item) is int and item >= 0 for item in value)


def _fits(shape: list[int], bits_each: int, bits: int) -> bool:
    """Return whether the product of `shape` times `bits_each` is `bits`, without computing a much larger product."""
    if 0 in shape:
        return bits == 0
    for dim in shape:
        bits_each *= dim
        if bits_each > bits:
            return False
    return bits_each == bits


def _check_coverage(entries: Iterable[TensorEntry], base: int, size: int, source: str) -> None:
    """Refuse tensors that share bytes, and bytes that belong to no tensor."""
    end, last = base, "the header"
    for entry in sorted(entries, key=lambda entry: (entry.start, entry.end)):
        this = f"tensor {shown(entry.name)}"
        if entry.start < end:
            raise CheckpointError(f"{source}: {this} overlaps {last}")
        if entry.start > end:
            raise CheckpointError(f"{source}: {entry.start - end} bytes between {last} and {this} belong to no tensor")
        end, last = entry.end, this
    if end != size:
        raise CheckpointError(f"{source}: {size - end} bytes after {last} belong to no tensor")
