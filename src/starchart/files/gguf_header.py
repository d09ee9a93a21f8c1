"""What stands before the tensors in a GGUF file: its fields and its metadata, read and written.

    4 bytes    "GGUF"
    u32        version: 3, or 2, which differs only in that it is always little-endian
    u64        number of tensors
    u64        number of entries of metadata
    entries    key: string; type of the value: u32; value
    ...        the tensors; see `starchart.checkpoints.gguf`

All numbers are little-endian. A string is its length in bytes (u64) and its bytes (UTF-8). An array is the type of its
items (u32), their number (u64), and the items; arrays of arrays, which the specification allows and ggml does not read,
are refused. The header does not say how long it is. So every length is compared with the size of the file, and with
what a GPT-2 can need, before anything is read. Source: ggml, docs/gguf.md, section "File Structure".
"""

import os
import struct
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, BinaryIO

from starchart.errors import StarchartError
from starchart.files.json_file import shown
from starchart.files.regular_file import open_regular_file

MAGIC = b"GGUF"
ALIGNMENT_KEY = "general.alignment"
MAX_HEAD_BYTES = 1 << 25  # 32 MB; the header of gpt2 has 2 MB, nearly all of it the vocabulary
MAX_STRING_BYTES = 1 << 20
MAX_COUNT = 1 << 16  # tensors, and entries of metadata; the largest GPT-2 has 580 tensors
MAX_ITEMS = 1 << 20  # strings in arrays, and numbers in an array that is kept; gpt2 has 100,000 strings

_NUMBERS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "B", 10: "Q", 11: "q", 12: "d"}  # as in struct
U32, I32, F32, BOOL, STRING, _ARRAY = 4, 5, 6, 7, 8, 9


class TokenType(IntEnum):
    """The types of tokens in `tokenizer.ggml.token_type`. Source: llama.cpp, enum llama_token_type."""

    NORMAL = 1
    CONTROL = 3
    USER_DEFINED = 4
    UNUSED = 5


@dataclass(frozen=True)
class GGUFHeader:
    """The metadata of a file, and the number of its tensors."""

    metadata: dict[str, Any]  # numbers, booleans, strings, and the requested arrays, as sequences
    tensor_count: int


class GGUFFields:
    """Reads fields from the beginning of an open file of `size` bytes. No read goes past its end.

    `error` is the class of the errors; their messages begin with `source`, the name of the file.
    """

    def __init__(self, file: BinaryIO, size: int, source: str, error: type[StarchartError]) -> None:
        self.size = size
        self.position = 0
        self._file = file
        self._source = source
        self._error = error

    def refusal(self, fault: str) -> StarchartError:
        """Return the error that says what is wrong with the file."""
        return self._error(f"{self._source}: {fault}")

    def take(self, count: int, what: str) -> bytes:
        """Return the next `count` bytes. `what` names them in the error if they are not there."""
        left = self.size - self.position
        if count > left:
            raise self.refusal(f"{what} takes {count} bytes, but the file ends after {left}; fetch it again")
        if self.position + count > MAX_HEAD_BYTES:
            raise self.refusal(f"{what} reaches past the first {MAX_HEAD_BYTES} bytes; no GPT-2 has so long a header")
        data = self._file.read(count)
        if len(data) != count:
            raise self.refusal(f"has become shorter while it was read; {what} is missing; fetch it again")
        self.position += count
        return data

    def number(self, code: str, what: str) -> float:
        """Return a number of the kind that `code` has in the module struct."""
        value: float = struct.unpack(f"<{code}", self.take(struct.calcsize(f"<{code}"), what))[0]
        return value

    def count(self, size: int, what: str) -> int:
        """Return an unsigned integer of `size` bytes."""
        return int.from_bytes(self.take(size, what), "little")

    def string(self, what: str) -> str:
        """Return a string."""
        data = self.string_bytes(what)
        try:
            return data.decode()
        except UnicodeDecodeError as fault:
            raise self.refusal(f"{what} is not UTF-8 text: byte {fault.start} is {data[fault.start]:#04x}") from None

    def string_bytes(self, what: str) -> bytes:
        """Return the bytes of a string, which are not checked to be UTF-8."""
        length = self.count(8, what)
        if length > MAX_STRING_BYTES:
            raise self.refusal(f"{what} says it is {length} bytes long; the limit for a string is {MAX_STRING_BYTES}")
        return self.take(length, what)


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
    """Return the header of a file from which nothing was read yet. Arrays are left out, except those in `arrays`.

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
    strings = 0  # in arrays
    for number in range(1, entries + 1):
        key = fields.string(f"the key of entry {number} of {entries}")
        what = f"the metadata {shown(key)}"
        if not key:
            raise fields.refusal(f"the key of entry {number} of {entries} is empty; convert the model again")
        if key in keys:
            raise fields.refusal(f"has {what} twice")
        keys.add(key)
        kind = fields.count(4, what)
        if key == ALIGNMENT_KEY and kind != U32:
            raise fields.refusal(f"{what} is of type {kind}, not {U32} (u32), as it must be; convert the model again")
        if kind != _ARRAY:
            metadata[key] = _value(kind, what, fields)
            continue
        kind, count = fields.count(4, what), fields.count(8, what)
        strings += count if kind == STRING else 0
        if max(strings, count if key in arrays else 0) > MAX_ITEMS:
            raise fields.refusal(f"{what} says it has {count} items; no GPT-2 has more than {MAX_ITEMS}")
        items = _items(kind, count, key in arrays, what, fields)
        if key in arrays:
            metadata[key] = items
    return GGUFHeader(metadata, tensors)


def _check_version(version: int, fields: GGUFFields) -> None:
    if version in (2, 3):
        return
    if version % (1 << 16) == 0 and version:  # in big-endian order it is a small number
        raise fields.refusal("is a big-endian GGUF file; convert the model to a little-endian one")
    raise fields.refusal(f"is of version {version} of GGUF, and 2 and 3 are read; convert the model again")


def _value(kind: int, what: str, fields: GGUFFields) -> bool | float | str:
    if kind == STRING:
        return fields.string(what)
    value = fields.number(_code(kind, what, fields), what)
    if kind != BOOL:
        return value
    if value not in (0, 1):
        raise fields.refusal(f"{what} must be true (1) or false (0), not {value}")
    return value == 1


def _items(kind: int, count: int, keep: bool, what: str, fields: GGUFFields) -> Sequence[Any]:
    """Return the items of an array, or skip them unless they are to be kept."""
    if kind == _ARRAY:
        raise fields.refusal(f"{what} is an array of arrays, which a GPT-2 has no use for; convert the model again")
    if kind == STRING:
        if keep:
            return [fields.string(what) for _ in range(count)]
        for _ in range(count):
            fields.string_bytes(what)
        return ()
    code = _code(kind, what, fields)
    data = fields.take(count * struct.calcsize(f"<{code}"), what)
    return struct.unpack(f"<{count}{code}", data) if keep else ()


def _code(kind: int, what: str, fields: GGUFFields) -> str:
    if kind not in _NUMBERS:
        raise fields.refusal(f"{what} is of type {kind}, which GGUF does not have; fetch the file again")
    return _NUMBERS[kind]


def written_string(value: str) -> bytes:
    """Return a string in the form of GGUF: its length, then its bytes.

    >>> written_string("gpt2").hex(" ", 4)
    '04000000 00000000 67707432'
    """
    raw = value.encode()
    return struct.pack("<Q", len(raw)) + raw


def written_entry(key: str, kind: int, value: Any) -> bytes:
    """Return an entry of metadata with a value of type `kind`: U32, I32, F32, BOOL or STRING."""
    return written_string(key) + struct.pack("<I", kind) + _written(kind, value)


def written_array(key: str, kind: int, items: Sequence[Any]) -> bytes:
    """Return an entry of metadata that is an array with items of type `kind`."""
    start = written_string(key) + struct.pack("<IIQ", _ARRAY, kind, len(items))
    return start + b"".join(_written(kind, item) for item in items)


def _written(kind: int, value: Any) -> bytes:
    return written_string(value) if kind == STRING else struct.pack(f"<{_NUMBERS[kind]}", value)
