"""Safetensors files: open one, and read its tensors as rows of floats.

The file is mapped into memory, so opening it reads nothing but the header, and a tensor is read when it is asked for.
What is read is copied: when the file is closed, only the rows remain. Source: the README of huggingface/safetensors,
section "Format".
"""

import mmap
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from starchart.checkpoints.safetensors_header import TensorEntry, read_header
from starchart.checkpoints.tensor_values import bytes_per_number, decode_numbers, first_not_finite, is_weight_dtype
from starchart.errors import CheckpointError
from starchart.json_file import shown
from starchart.utils.matrix import Vector


@dataclass(frozen=True)
class StoredTensor:
    """A tensor in an open file, not read yet."""

    entry: TensorEntry
    path: Path
    data: mmap.mmap  # the whole file

    def __str__(self) -> str:
        return f"{self.path}: tensor {shown(self.entry.name)}"


@contextmanager
def open_safetensors(path: Path) -> Iterator[dict[str, StoredTensor]]:
    """Give the tensors of the file at `path` by name, for as long as the block runs. Raises CheckpointError."""
    entries, data = _map_file(path)
    with data:
        yield {name: StoredTensor(entry, path, data) for name, entry in entries.items()}


def read_vector(tensor: StoredTensor) -> Vector:  # -> [C]
    """Return a tensor of one axis. Raises CheckpointError if it holds other than finite floats."""
    _check_dtype(tensor)
    return _read_numbers(tensor, tensor.entry.start, tensor.entry.end, None)


def read_rows(tensor: StoredTensor) -> list[Vector]:  # -> [rows][C]
    """Return a tensor of two axes, an array a row. Raises CheckpointError if it holds other than finite floats."""
    _check_dtype(tensor)
    rows, columns = tensor.entry.shape
    step = columns * bytes_per_number(tensor.entry.dtype)
    starts = [tensor.entry.start + row * step for row in range(rows)]
    return [_read_numbers(tensor, start, start + step, row) for row, start in enumerate(starts)]


def _map_file(path: Path) -> tuple[dict[str, TensorEntry], mmap.mmap]:
    if not os.path.isfile(path):
        raise CheckpointError(f"{path}: is not a file" if os.path.exists(path) else f"{path}: there is no such file")
    try:
        with open(path, "rb") as file:
            entries = read_header(file, os.fstat(file.fileno()).st_size, str(path))
            return entries, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read: {error.strerror}") from None


def _check_dtype(tensor: StoredTensor) -> None:
    if not is_weight_dtype(tensor.entry.dtype):
        raise CheckpointError(f"{tensor}: is of dtype {tensor.entry.dtype}; weights must be F32, F16, BF16 or F64")


def _read_numbers(tensor: StoredTensor, start: int, end: int, row: int | None) -> Vector:
    raw = tensor.data[start:end]
    numbers = decode_numbers(raw, tensor.entry.dtype)
    index = first_not_finite(raw, tensor.entry.dtype, numbers)
    if index is not None:
        place = f"[{index}]" if row is None else f"[{row}][{index}]"
        raise CheckpointError(f"{tensor}: holds {numbers[index]} at {place}; weights must be finite numbers")
    return numbers
