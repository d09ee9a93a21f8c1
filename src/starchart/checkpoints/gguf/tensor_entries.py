"""The entries of tensors in a GGUF file: what it says of each tensor, and where the numbers are.

    name       string, at most 64 bytes
    u32        number of axes, at most 4
    u64 ...    the dims, the innermost first: what NumPy calls [R][C] is C, R here
    u32        type of the numbers; see TENSOR_TYPES
    u64        offset of the numbers from the beginning of the data, a multiple of the alignment

The entries follow the metadata directly, one after another. The data begin at the next multiple of the alignment.
Between two tensors there are only the bytes that the alignment needs.
Sources: ggml, docs/gguf.md, section "File Structure" and enum ggml_type; the structures of blocks in ggml-common.h.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import prod
from typing import Any

from starchart.files.gguf_header import ALIGNMENT_KEY, GGUFFields
from starchart.files.json_file import shown

_MAX_NAME_BYTES = 64
_MAX_AXES = 4
ALIGNMENT = 32  # unless general.alignment gives another


@dataclass(frozen=True)
class TensorType:
    """A type whose numbers are written in blocks of `block` numbers and `size` bytes."""

    name: str
    block: int
    size: int


@dataclass(frozen=True)
class TensorEntry:
    """One tensor in the file. `start` and `end` are counted from the first byte of the file."""

    name: str
    dtype: str
    dims: tuple[int, ...]  # the innermost first
    start: int
    end: int


TENSOR_TYPES = {
    0: TensorType("F32", 1, 4),
    1: TensorType("F16", 1, 2),
    2: TensorType("Q4_0", 32, 18),
    3: TensorType("Q4_1", 32, 20),
    6: TensorType("Q5_0", 32, 22),
    7: TensorType("Q5_1", 32, 24),
    8: TensorType("Q8_0", 32, 34),
    10: TensorType("Q2_K", 256, 84),
    11: TensorType("Q3_K", 256, 110),
    12: TensorType("Q4_K", 256, 144),
    13: TensorType("Q5_K", 256, 176),
    14: TensorType("Q6_K", 256, 210),
    16: TensorType("IQ2_XXS", 256, 66),
    17: TensorType("IQ2_XS", 256, 74),
    18: TensorType("IQ3_XXS", 256, 98),
    19: TensorType("IQ1_S", 256, 50),
    20: TensorType("IQ4_NL", 32, 18),
    21: TensorType("IQ3_S", 256, 110),
    22: TensorType("IQ2_S", 256, 82),
    23: TensorType("IQ4_XS", 256, 136),
    24: TensorType("I8", 1, 1),
    25: TensorType("I16", 1, 2),
    26: TensorType("I32", 1, 4),
    27: TensorType("I64", 1, 8),
    28: TensorType("F64", 1, 8),
    29: TensorType("IQ1_M", 256, 56),
    30: TensorType("BF16", 1, 2),
    34: TensorType("TQ1_0", 256, 54),
    35: TensorType("TQ2_0", 256, 66),
    39: TensorType("MXFP4", 32, 17),
    40: TensorType("NVFP4", 64, 36),
    41: TensorType("Q1_0", 128, 18),
}


def read_tensor_entries(fields: GGUFFields, count: int, metadata: Mapping[str, Any]) -> dict[str, TensorEntry]:
    """Return the checked entries, by name, of a file whose header has been read; the header gives `count`.

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
        TensorEntry(entry.name, entry.dtype, entry.dims, base + entry.start, base + entry.end)
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
    """Return the next entry, with every field checked. Its bytes are counted from the first byte of the data."""
    name = fields.string(what)
    if len(name.encode()) > _MAX_NAME_BYTES:
        raise fields.refusal(f"{what} has a name of more than {_MAX_NAME_BYTES} bytes: {shown(name)}")
    what = f"tensor {shown(name)}"
    axes = fields.count(4, what)
    if not 1 <= axes <= _MAX_AXES:
        raise fields.refusal(f"{what} says it has {axes} axes; it must have 1 to {_MAX_AXES}")
    dims = tuple(fields.count(8, what) for _ in range(axes))
    if 0 in dims:
        raise fields.refusal(f"{what} has an axis of length 0: {shown(list(dims))}; convert the model again")
    number, offset = fields.count(4, what), fields.count(8, what)
    if number not in TENSOR_TYPES:
        raise fields.refusal(f"{what} is of type {number}, which is not known; convert the model to F16")
    kind = TENSOR_TYPES[number]
    if dims[0] % kind.block:
        raise fields.refusal(f"{what} has rows of {dims[0]} numbers, and {kind.name} has blocks of {kind.block}")
    if offset % alignment:
        raise fields.refusal(f"{what} is at offset {offset}, which is not a multiple of the alignment, {alignment}")
    return TensorEntry(name, kind.name, dims, offset, offset + prod(dims) // kind.block * kind.size)


def _check_coverage(entries: Iterable[TensorEntry], base: int, alignment: int, fields: GGUFFields) -> None:
    """Refuse tensors that reach past the end of the file or overlap, and bytes that belong to no tensor."""
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
