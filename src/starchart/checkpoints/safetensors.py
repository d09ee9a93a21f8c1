"""Safetensors files: open one, and read its tensors as rows of floats.

Opening a file reads nothing but its header; a tensor is read when it is asked for, some rows at a time, so that
the memory it takes is that of its rows. No file stays open between, so a tensor that was not read yet can be sent to
another process. The file is not mapped into memory: a mapping of a file that another program cuts short ends the
process, where a read says what is wrong. Source: the README of huggingface/safetensors, section "Format".
"""

import os
from array import array
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from starchart.checkpoints.safetensors_header import TensorEntry, read_header
from starchart.checkpoints.tensor_values import bytes_per_number, decode_numbers, first_not_finite, is_weight_dtype
from starchart.errors import CheckpointError
from starchart.json_file import shown
from starchart.utils.matrix import Matrix, Vector

# Enough that the work on a row is small beside the work on its numbers, little beside any model.
_NUMBERS_AT_ONCE = 1 << 15


@dataclass(frozen=True)
class StoredTensor:
    """A tensor in a file, not read yet."""

    entry: TensorEntry
    path: Path
    stamp: tuple[int, ...]  # size and times of the file: another one in its place is noticed

    def __str__(self) -> str:
        return f"{self.path}: tensor {shown(self.entry.name)}"


def open_safetensors(path: Path) -> dict[str, StoredTensor]:
    """Return the tensors of the file at `path` by name. Raises CheckpointError."""
    if not os.path.isfile(path):
        raise CheckpointError(f"{path}: is not a file" if os.path.exists(path) else f"{path}: there is no such file")
    with _opened(path) as file:
        stamp = _stamp(file)
        entries = read_header(file, stamp[0], str(path))
    return {name: StoredTensor(entry, path, stamp) for name, entry in entries.items()}


def read_vector(tensor: StoredTensor) -> Vector:  # -> [C]
    """Return a tensor of one axis. Raises CheckpointError if it holds other than finite floats."""
    with _opened(tensor.path, tensor.stamp) as file:
        return _read_numbers(file, tensor, 0, tensor.entry.shape[0])


def read_rows(tensor: StoredTensor, start: int = 0, stop: int | None = None) -> list[Vector]:  # -> [stop - start][C]
    """Return the rows from `start` up to `stop` of a tensor of two axes, an array each; all of them without `stop`.

    Raises CheckpointError if they hold other than finite floats.
    """
    rows, columns = tensor.entry.shape
    stop = rows if stop is None else stop
    at_once = max(1, _NUMBERS_AT_ONCE // max(1, columns))  # rows
    matrix: list[Vector] = []
    with _opened(tensor.path, tensor.stamp) as file:
        for first in range(start, stop, at_once):
            count = min(at_once, stop - first)
            numbers = _read_numbers(file, tensor, first * columns, count * columns)
            matrix += [numbers[row * columns : (row + 1) * columns] for row in range(count)]
    return matrix


def rows_of(matrix: Any, start: int = 0, stop: int | None = None) -> Matrix:
    """Return rows of a matrix, which may be a StoredTensor or in memory. Raises CheckpointError as `read_rows` does."""
    return read_rows(matrix, start, stop) if isinstance(matrix, StoredTensor) else matrix[start:stop]


def _read_numbers(file: BinaryIO, tensor: StoredTensor, first: int, count: int) -> "array[float]":
    """Return `count` numbers of the tensor from number `first` on, counted across its rows."""
    dtype = tensor.entry.dtype
    if not is_weight_dtype(dtype):
        raise CheckpointError(f"{tensor}: is of dtype {dtype}; weights must be F32, F16, BF16 or F64")
    size = bytes_per_number(dtype)
    file.seek(tensor.entry.start + first * size)
    raw = file.read(count * size)
    if len(raw) != count * size:
        raise CheckpointError(f"{tensor}: the file has become shorter since it was opened; fetch it again")
    numbers = decode_numbers(raw, dtype)
    index = first_not_finite(raw, dtype, numbers)
    if index is not None:
        place = _place(first + index, tensor.entry.shape)
        raise CheckpointError(f"{tensor}: holds {numbers[index]} at {place}; weights must be finite numbers")
    return numbers


def _place(index: int, shape: tuple[int, ...]) -> str:
    return f"[{index}]" if len(shape) == 1 else f"[{index // shape[1]}][{index % shape[1]}]"


def _stamp(file: BinaryIO) -> tuple[int, ...]:
    status = os.fstat(file.fileno())
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns  # ctime: what no copying tool can set back


@contextmanager
def _opened(path: Path, stamp: tuple[int, ...] | None = None) -> Iterator[BinaryIO]:
    """Give the open file, which must have the stamp if there is one; an OSError becomes a CheckpointError."""
    try:
        with path.open("rb") as file:
            if stamp and stamp != _stamp(file):
                raise CheckpointError(f"{path}: has changed since it was opened; open the model again")
            yield file
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read: {error.strerror}") from None
