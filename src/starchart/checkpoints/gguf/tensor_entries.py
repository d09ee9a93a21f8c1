"""The entries of tensors in a GGUF file: what it says of each, and where its numbers are.

    name       text, at most 64 bytes
    u32        number of axes, at most 4
    u64 ...    the length of each axis, the innermost first: what NumPy calls [R][C] is C, R here
    u32        type; see `tensor_types`
    u64        offset of the numbers from the beginning of the data, a multiple of the alignment

One follows another, directly after the metadata; the data begin at the next multiple of the alignment. Between two
tensors there are as many bytes as alignment needs, no more. Source: ggml, docs/gguf.md, section "File Structure".
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import prod
from typing import Any

from starchart.checkpoints.gguf.tensor_types import TENSOR_TYPES
from starchart.files.gguf_fields import GGUFFields
from starchart.files.gguf_header import ALIGNMENT_KEY
from starchart.files.json_file import shown

_MAX_NAME_BYTES = 64
_MAX_AXES = 4
ALIGNMENT = 32  # where general.alignment does not say another


@dataclass(frozen=True)
class TensorEntry:
    """What the file says of one tensor. `start` and `end` are counted from the first byte of the file."""

    name: str
    dtype: str
    lengths: tuple[int, ...]  # of the axes, the innermost first
    start: int
    end: int


def read_tensor_entries(fields: GGUFFields, count: int, metadata: Mapping[str, Any]) -> dict[str, TensorEntry]:
    """Return the checked entries, by name, of a file whose header was read; it says that there are `count`.

    Raises the error of `fields` for entries that cannot be true.
    """
    alignment = _alignment(metadata, fields)
    entries: dict[str, TensorEntry] = {}
    for number in range(1, count + 1):
        entry = _read_entry(f"the entry of tensor {number} of {count}", alignment, fields)
        if entry.name in entries:
            raise fields.refusal(f"has tensor {shown(entry.name)} twice")
        entries[entry.name] = entry
    base = aligned(fields.position, alignment)
    placed = [
        TensorEntry(entry.name, entry.dtype, entry.lengths, base + entry.start, base + entry.end)
        for entry in entries.values()
    ]
    if placed:
        _check_coverage(placed, base, alignment, fields)
    return {entry.name: entry for entry in placed}


def _alignment(metadata: Mapping[str, Any], fields: GGUFFields) -> int:
    value: int = metadata.get(ALIGNMENT_KEY, ALIGNMENT)
    if value < 8 or value & (value - 1) or value >= fields.size:
        raise fields.refusal(f"its {ALIGNMENT_KEY} must be a power of 2 from 8 to the size of the file, not {value}")
    return value


def aligned(position: int, alignment: int = ALIGNMENT) -> int:
    """Return the next multiple of the alignment.

    >>> aligned(33), aligned(64)
    (64, 64)
    """
    return position + -position % alignment


def _read_entry(what: str, alignment: int, fields: GGUFFields) -> TensorEntry:
    """Return the next entry, its fields checked by themselves. Its bytes are counted from the first of the data."""
    name = fields.text(what)
    if len(name.encode()) > _MAX_NAME_BYTES:
        raise fields.refusal(f"{what} has a name of more than {_MAX_NAME_BYTES} bytes: {shown(name)}")
    what = f"tensor {shown(name)}"
    axes = fields.count(4, what)
    if not 1 <= axes <= _MAX_AXES:
        raise fields.refusal(f"{what} says it has {axes} axes; it must have 1 to {_MAX_AXES}")
    lengths = tuple(fields.count(8, what) for _ in range(axes))
    if 0 in lengths:
        raise fields.refusal(f"{what} has an axis of length 0: {shown(list(lengths))}; convert the model again")
    number, offset = fields.count(4, what), fields.count(8, what)
    if number not in TENSOR_TYPES:
        raise fields.refusal(f"{what} is of type {number}, which is not known; convert the model to F16")
    kind = TENSOR_TYPES[number]
    if lengths[0] % kind.block:
        raise fields.refusal(f"{what} has rows of {lengths[0]} numbers, and {kind.name} has blocks of {kind.block}")
    if offset % alignment:
        raise fields.refusal(f"{what} is at offset {offset}, which is not a multiple of the alignment, {alignment}")
    return TensorEntry(name, kind.name, lengths, offset, offset + prod(lengths) // kind.block * kind.size)


def _check_coverage(entries: Iterable[TensorEntry], base: int, alignment: int, fields: GGUFFields) -> None:
    """Refuse tensors past the end of the file or with bytes in common, and bytes that belong to no tensor."""
    end, last = base, "the entries"
    for entry in sorted(entries, key=lambda entry: entry.start):
        this = f"tensor {shown(entry.name)}"
        if entry.end > fields.size:
            raise fields.refusal(
                f"{this} takes {entry.end - entry.start} bytes from byte {entry.start} on, but the file ends after "
                f"{fields.size}; fetch it again"
            )
        if entry.start < end:
            raise fields.refusal(f"{this} overlaps {last}")
        if entry.start > aligned(end, alignment):
            raise fields.refusal(f"{entry.start - end} bytes between {last} and {this} belong to no tensor")
        end, last = entry.end, this
    if fields.size > aligned(end, alignment):
        raise fields.refusal(f"{fields.size - end} bytes after {last} belong to no tensor")
