"""The header of a GGUF file: how many tensors it holds, and its metadata, the sizes and the vocabulary of the model.

    4 bytes    "GGUF"
    u32        version: 3, or 2, which differs in that it is always little-endian
    u64        number of tensors
    u64        number of entries
    entries    key: text; type of the value: u32; value
    ...        the tensors; see `starchart.checkpoints.gguf`

The value of type array is the u32 type of its items, their u64 number, and the items. Arrays of arrays, which the
specification allows and ggml does not read, are refused. Source: ggml, docs/gguf.md, section "File Structure".
"""

import os
import struct
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from starchart.files.gguf_fields import GGUFFields
from starchart.files.json_file import shown
from starchart.files.regular_file import open_regular_file

MAGIC = b"GGUF"
ALIGNMENT_KEY = "general.alignment"
MAX_COUNT = 1 << 16  # tensors, and entries of metadata; the largest GPT-2 has 580 tensors
MAX_ITEMS = 1 << 20  # texts in arrays, and numbers in an array that is kept; gpt2 has 100,000 texts

_NUMBERS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "B", 10: "Q", 11: "q", 12: "d"}  # as in struct
_U32, _BOOL, _TEXT, _ARRAY = 4, 7, 8, 9


@dataclass(frozen=True)
class GGUFHeader:
    """What stands before the tensors."""

    metadata: dict[str, Any]  # numbers, truths, texts, and the arrays that were asked for, as sequences
    tensor_count: int


def begins_as_gguf(first: bytes) -> bool:
    """Return whether the first bytes of a file are those of GGUF."""
    return first.startswith(MAGIC)


def is_gguf(path: str | os.PathLike[str]) -> bool:
    """Return whether there is a file at `path` that begins as GGUF does."""
    try:
        with open_regular_file(path) as file:
            return file.read(len(MAGIC)) == MAGIC
    except OSError:
        return False


def read_gguf_header(fields: GGUFFields, arrays: Collection[str] = ()) -> GGUFHeader:
    """Return the header of a file of which nothing was read. Of arrays only those with a key in `arrays` are kept.

    Raises the error of `fields` for a header that cannot be true.
    """
    magic = fields.take(4, "its beginning")
    if magic != MAGIC:
        raise fields.refusal(f"does not begin with 'GGUF' but with {magic!r}")
    _check_version(fields.count(4, "its version"), fields)
    tensors, entries = fields.count(8, "its number of tensors"), fields.count(8, "its number of entries of metadata")
    for count, what in ((tensors, "tensors"), (entries, "entries of metadata")):
        if count > MAX_COUNT:
            raise fields.refusal(f"says it has {count} {what}; no GPT-2 has more than {MAX_COUNT}")
    metadata: dict[str, Any] = {}
    keys: set[str] = set()
    texts = 0  # in arrays
    for number in range(1, entries + 1):
        key = fields.text(f"the key of entry {number} of {entries}")
        what = f"the metadata {shown(key)}"
        if not key:
            raise fields.refusal(f"the key of entry {number} of {entries} is empty; convert the model again")
        if key in keys:
            raise fields.refusal(f"has {what} twice")
        keys.add(key)
        kind = fields.count(4, what)
        if key == ALIGNMENT_KEY and kind != _U32:
            raise fields.refusal(f"{what} is of type {kind}, not {_U32} (u32), as it must be; convert the model again")
        if kind != _ARRAY:
            metadata[key] = _value(kind, what, fields)
            continue
        kind, count = fields.count(4, what), fields.count(8, what)
        texts += count if kind == _TEXT else 0
        if max(texts, count if key in arrays else 0) > MAX_ITEMS:
            raise fields.refusal(f"{what} says it has {count} items; no GPT-2 has more than {MAX_ITEMS}")
        items = _items(kind, count, key in arrays, what, fields)
        if key in arrays:
            metadata[key] = items
    return GGUFHeader(metadata, tensors)


def _check_version(version: int, fields: GGUFFields) -> None:
    if version in (2, 3):
        return
    if version % (1 << 16) == 0 and version:  # read the other way round it is a small number
        raise fields.refusal("is a big-endian GGUF file; convert the model to a little-endian one")
    raise fields.refusal(f"is of version {version} of GGUF, and 2 and 3 are read; convert the model again")


def _value(kind: int, what: str, fields: GGUFFields) -> bool | float | str:
    if kind == _TEXT:
        return fields.text(what)
    value = fields.number(_code(kind, what, fields), what)
    if kind != _BOOL:
        return value
    if value not in (0, 1):
        raise fields.refusal(f"{what} must be true (1) or false (0), not {value}")
    return value == 1


def _items(kind: int, count: int, keep: bool, what: str, fields: GGUFFields) -> Sequence[Any]:
    """Return the items of an array if they are to be kept, or pass over them."""
    if kind == _ARRAY:
        raise fields.refusal(f"{what} is an array of arrays, which a GPT-2 has no use for; convert the model again")
    if kind == _TEXT:
        if keep:
            return [fields.text(what) for _ in range(count)]
        for _ in range(count):
            fields.text_bytes(what)
        return ()
    code = _code(kind, what, fields)
    data = fields.take(count * struct.calcsize(f"<{code}"), what)
    return struct.unpack(f"<{count}{code}", data) if keep else ()


def _code(kind: int, what: str, fields: GGUFFields) -> str:
    if kind not in _NUMBERS:
        raise fields.refusal(f"{what} is of type {kind}, which GGUF does not have; fetch the file again")
    return _NUMBERS[kind]
