"""Safetensors files: open one, and read its tensors as rows of floats.

Opening a file reads nothing but its header; a tensor is read when it is asked for, some rows at a time, so that
the memory it takes is that of its rows. The file is not mapped into memory: a mapping of a file that another program
cuts short ends the process, where a read says what is wrong. Source: the README of huggingface/safetensors, section
"Format".
"""

import os
from array import array
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from starchart.checkpoints.safetensors_header import TensorEntry, read_header
from starchart.checkpoints.tensor_values import bytes_per_number, decode_numbers, first_not_finite, is_weight_dtype
from starchart.errors import CheckpointError
from starchart.json_file import shown
from starchart.utils.matrix import Vector

# Enough that the work on a row is small beside the work on its numbers, little beside any model.
_NUMBERS_AT_ONCE = 1 << 15


@dataclass(frozen=True)
class StoredTensor:
    """A tensor in an open file, not read yet."""

    entry: TensorEntry
    path: Path
    file: BinaryIO

    def __str__(self) -> str:
        return f"{self.path}: tensor {shown(self.entry.name)}"


@contextmanager
def open_safetensors(path: Path) -> Iterator[dict[str, StoredTensor]]:
    """Give the tensors of the file at `path` by name, for as long as the block runs. Raises CheckpointError."""
    if not os.path.isfile(path):
        raise CheckpointError(f"{path}: is not a file" if os.path.exists(path) else f"{path}: there is no such file")
    with _naming(path):
        file = path.open("rb")
    with file:
        with _naming(path):
            entries = read_header(file, os.fstat(file.fileno()).st_size, str(path))
        yield {name: StoredTensor(entry, path, file) for name, entry in entries.items()}


def read_vector(tensor: StoredTensor) -> Vector:  # -> [C]
    """Return a tensor of one axis. Raises CheckpointError if it holds other than finite floats."""
    return _read_numbers(tensor, 0, tensor.entry.shape[0])


def read_rows(tensor: StoredTensor) -> list[Vector]:  # -> [rows][C]
    """Return a tensor of two axes, an array a row. Raises CheckpointError if it holds other than finite floats."""
    rows, columns = tensor.entry.shape
    at_once = max(1, _NUMBERS_AT_ONCE // max(1, columns))  # rows
    matrix: list[Vector] = []
    for first in range(0, rows, at_once):
        count = min(at_once, rows - first)
        numbers = _read_numbers(tensor, first * columns, count * columns)
        matrix += [numbers[row * columns : (row + 1) * columns] for row in range(count)]
    return matrix


def _read_numbers(tensor: StoredTensor, first: int, count: int) -> "array[float]":
    """Return `count` numbers of the tensor from number `first` on, counted across its rows."""
    dtype = tensor.entry.dtype
    if not is_weight_dtype(dtype):
        raise CheckpointError(f"{tensor}: is of dtype {dtype}; weights must be F32, F16, BF16 or F64")
    size = bytes_per_number(dtype)
    raw = _read_bytes(tensor, tensor.entry.start + first * size, count * size)
    numbers = decode_numbers(raw, dtype)
    index = first_not_finite(raw, dtype, numbers)
    if index is not None:
        place = _place(first + index, tensor.entry.shape)
        raise CheckpointError(f"{tensor}: holds {numbers[index]} at {place}; weights must be finite numbers")
    return numbers


def _read_bytes(tensor: StoredTensor, start: int, count: int) -> bytes:
    with _naming(tensor.path):
        tensor.file.seek(start)
        raw = tensor.file.read(count)
    if len(raw) != count:
        raise CheckpointError(f"{tensor}: the file has become shorter since it was opened; fetch it again")
    return raw


def _place(index: int, shape: tuple[int, ...]) -> str:
    return f"[{index}]" if len(shape) == 1 else f"[{index // shape[1]}][{index % shape[1]}]"


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Turn an OSError into a CheckpointError that names the file."""
    try:
        yield
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read: {error.strerror}") from None
