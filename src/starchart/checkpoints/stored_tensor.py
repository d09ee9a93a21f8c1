"""Tensors in files: read when they are needed, some rows at a time, as arrays of floats or as bytes for a writer.

The reader of a format finds out where its tensors are in the file and returns StoredTensors. Their numbers are read
here, whatever the format is. No file stays open between two reads, so a tensor that was not read yet can be sent to
another process. Files are not mapped into memory: if another program cuts a mapped file short, the process is killed; a
read only raises an error.

Files have the matrix of a linear layer as [in][out] (safetensors, NumPy) or as [out][in] (GGUF, llm.c). If the source
and the destination have the same order, a tensor is copied in parts; otherwise the whole matrix is in memory, as
floats.
"""

import os
from array import array
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias

from starchart.checkpoints.numbers.number_types import (
    NUMBER_TYPES,
    bytes_of,
    decode_numbers,
    encode_numbers,
    first_not_finite,
    is_weight_dtype,
)
from starchart.errors import CheckpointError
from starchart.files.json_file import shown
from starchart.files.regular_file import open_regular_file
from starchart.files.zip.member import ZipMember, read_member
from starchart.utils.matrix import Matrix, Vector

Stamp: TypeAlias = tuple[int, ...]  # size and times of a file: they differ if another file replaces it
# Enough that the work per row does not matter, and few enough to need little memory.
_NUMBERS_AT_ONCE = 1 << 15
_WIDER = {"F16": "BF16 and F32 hold", "BF16": "F32 holds", "F32": "F64 holds"}


@dataclass(frozen=True)
class StoredTensor:
    """A tensor in a file, not read yet: its numbers are little-endian, without gaps, row by row.

    With `transposed` they are column by column: the file has the transpose of the matrix that `shape` describes. Such
    are the matrices of linear layers in GGUF and llm.c, which are [out][in].
    """

    name: str  # as the file has it
    dtype: str  # see `number_types.NUMBER_TYPES`; other types have a name, but cannot be weights
    shape: tuple[int, ...]
    path: Path
    start: int  # the first byte, counted from the first of the file
    stamp: Stamp
    transposed: bool = False
    member: ZipMember | None = None  # the deflated zip member that holds it; then `start` counts from its first byte

    @property
    def count(self) -> int:
        """The number of its elements."""
        return 0 if 0 in self.shape else prod(self.shape)

    def __str__(self) -> str:
        return f"{self.path}: tensor {shown(self.name)}"


def read_vector(tensor: StoredTensor) -> Vector:  # -> [C]
    """Return a tensor of one axis. Raises CheckpointError if it holds anything but finite floats."""
    with opened(tensor.path, tensor.stamp) as file:
        return _read_numbers(file, tensor, 0, tensor.shape[0])


def read_rows(tensor: StoredTensor, start: int = 0, stop: int | None = None) -> list[Vector]:  # -> [stop - start][C]
    """Return the rows of a matrix in the half-open range from `start` to `stop`, an array each; by default, all rows.

    Raises CheckpointError if they hold anything but finite floats.
    """
    rows, columns = tensor.shape
    stop = rows if stop is None else stop
    if not tensor.transposed:
        return [*_read_rows(tensor, start, stop, columns)]
    numbers = _joined(_read_rows(tensor, 0, columns, rows))
    return [numbers[row::rows] for row in range(start, stop)]


def read_parts(tensor: StoredTensor, checked: bool = True) -> Iterator["array[float]"]:
    """Yield all numbers of a tensor of any shape in the order of the file, some at a time.

    Raises CheckpointError if it holds anything but floats; if `checked`, anything but finite floats.
    """
    count = tensor.count
    with opened(tensor.path, tensor.stamp) as file:
        for first in range(0, count, _NUMBERS_AT_ONCE):
            yield _read_numbers(file, tensor, first, min(_NUMBERS_AT_ONCE, count - first), checked)


def rows_of(matrix: Any, start: int = 0, stop: int | None = None) -> Matrix:
    """Return rows of a matrix, which is a StoredTensor or in memory. Raises CheckpointError as `read_rows` does."""
    return read_rows(matrix, start, stop) if isinstance(matrix, StoredTensor) else matrix[start:stop]


def tensor_bytes(tensor: StoredTensor, dtype: str, transposed: bool = False) -> Iterator[bytes]:
    """Yield the numbers of a tensor as `dtype`, row by row; with `transposed`, which takes a matrix, column by column.

    Raises CheckpointError for numbers that are not finite, or too large for `dtype`.
    """
    for numbers in _numbers(tensor, transposed):
        try:
            raw = encode_numbers(numbers, dtype)
        except OverflowError:
            largest = max(numbers, key=abs)
            raise CheckpointError(
                f"{tensor}: holds {largest}, which is too large for {dtype}; {_WIDER[dtype]} larger numbers"
            ) from None
        yield raw


def stamp_of(file: BinaryIO) -> Stamp:
    """Return the stamp of an open file; its first number is the size."""
    status = os.fstat(file.fileno())
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns  # copying tools cannot set ctime


@contextmanager
def opened(path: Path, stamp: Stamp | None = None) -> Iterator[BinaryIO]:
    """Yield the open file. It must have the stamp if one is given. An OSError becomes a CheckpointError."""
    try:
        with open_regular_file(path) as file:
            if stamp and stamp != stamp_of(file):
                raise CheckpointError(f"{path}: has changed since it was opened; open the model again")
            yield file
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read: {error.strerror}") from None


def _read_rows(tensor: StoredTensor, start: int, stop: int, columns: int) -> list["array[float]"]:
    """Return rows of `columns` numbers, in the order of the file."""
    at_once = max(1, _NUMBERS_AT_ONCE // max(1, columns))  # rows
    matrix: list[array[float]] = []
    with opened(tensor.path, tensor.stamp) as file:
        for first in range(start, stop, at_once):
            count = min(at_once, stop - first)
            numbers = _read_numbers(file, tensor, first * columns, count * columns)
            matrix += [numbers[row * columns : (row + 1) * columns] for row in range(count)]
    return matrix


def _joined(parts: list["array[float]"]) -> "array[float]":
    numbers = parts[0][:0] if parts else array("f")
    for part in parts:
        numbers += part
    return numbers


def _read_numbers(file: BinaryIO, tensor: StoredTensor, first: int, count: int, checked: bool = True) -> "array[float]":
    """Return `count` numbers of the tensor from number `first` on, in the order of the file."""
    dtype = tensor.dtype
    if not is_weight_dtype(dtype):
        known = ", ".join(NUMBER_TYPES)
        raise CheckpointError(
            f"{tensor}: is of dtype {dtype}; weights must be of one of these: {known}; convert it to one of them"
        )
    raw = _read_bytes(file, tensor, tensor.start + bytes_of(first, dtype), bytes_of(count, dtype))
    if len(raw) != bytes_of(count, dtype):
        raise CheckpointError(f"{tensor}: the file has become shorter since it was opened; fetch it again")
    numbers = decode_numbers(raw, dtype)
    index = first_not_finite(raw, dtype, numbers) if checked else None
    if index is not None:
        place = _place(first + index, tensor)
        raise CheckpointError(f"{tensor}: holds {numbers[index]} at {place}; weights must be finite numbers")
    return numbers


def _read_bytes(file: BinaryIO, tensor: StoredTensor, start: int, count: int) -> bytes:
    if tensor.member:
        return read_member(file, (tensor.path, tensor.stamp), tensor.member, start, count, str(tensor))
    file.seek(start)
    return file.read(count)


def _place(index: int, tensor: StoredTensor) -> str:
    """Return the position of number `index` of the file in the tensor: one index for every axis."""
    places = []
    for dim in tensor.shape if tensor.transposed else tensor.shape[::-1]:
        index, place = divmod(index, dim)
        places.append(f"[{place}]")
    return "".join(places if tensor.transposed else places[::-1]) or "its only place"


def _numbers(tensor: StoredTensor, transposed: bool) -> Iterator["array[float]"]:
    if tensor.transposed == transposed:
        yield from read_parts(tensor)
        return
    numbers: array[float] = array("d" if tensor.dtype == "F64" else "f")
    for part in read_parts(tensor):
        numbers += part
    line = tensor.shape[0] if tensor.transposed else tensor.shape[1]  # numbers in a row of the file
    for place in range(line):
        yield numbers[place::line]
