"""From tensors as a pickle describes them to tensors in the file: every number is held against the real bytes."""

from collections.abc import Mapping
from pathlib import Path

from starchart.checkpoints.numbers.dtypes import item_bytes
from starchart.checkpoints.pytorch.symbols import Counts, Tensor
from starchart.checkpoints.stored_tensor import Stamp, StoredTensor
from starchart.errors import CheckpointError
from starchart.files.json_file import shown

# key of a storage -> its first byte in the file, and how many bytes it has
Places = Mapping[str, tuple[int, int]]


def place_tensor(name: str, tensor: Tensor, places: Places, path: Path, stamp: Stamp) -> StoredTensor:
    """Return the tensor where it lies in the file. Raises CheckpointError.

    Its numbers must lie one after another, row by row, or column by column if it has two axes. Several tensors may
    share a storage, as a head does with the token embeddings that it is tied to.
    """
    storage, shape, strides = tensor.storage, tensor.shape, tensor.strides
    start, size = places.get(storage.key, (0, -1))
    item = item_bytes(tensor.dtype)
    last = tensor.offset
    for length, stride in zip(shape, strides, strict=True):
        last += (length - 1) * stride
    row_by_row = _is_packed(shape, strides)
    if size < 0:
        wrong = f"its storage {shown(storage.key)} is not in the file"
    elif storage.count * item_bytes(storage.dtype) != size:
        numbers = f"{shown(storage.count)} numbers of {storage.dtype}"
        wrong = f"its storage {shown(storage.key)} has {size} bytes, but should have {numbers}"
    elif 0 in shape:
        wrong = f"holds no numbers: its size is {shown(shape)}"
    elif (last + 1) * item > size:
        view = f"offset {shown(tensor.offset)}, size {shown(shape)}, strides {shown(strides)} of {tensor.dtype}"
        wrong = f"reaches past the {size} bytes of its storage: {view}"
    elif not row_by_row and not (len(shape) == 2 and _is_packed(shape[::-1], strides[::-1])):
        view = f"size {shown(shape)}, strides {shown(strides)}"
        wrong = f"its numbers do not lie one after another: {view}; save its contiguous()"
    else:
        at = start + tensor.offset * item
        return StoredTensor(name, tensor.dtype, shape, path, at, stamp, transposed=not row_by_row)
    raise CheckpointError(f"{path}: tensor {shown(name)}: {wrong}")


def _is_packed(shape: Counts, strides: Counts) -> bool:
    """Return whether the last axis counts single numbers, and each before it whole runs of those that follow it.

    >>> _is_packed((2, 3), (3, 1)), _is_packed((3, 2), (1, 3)), _is_packed((1, 3), (7, 1))
    (True, False, True)
    """
    run = 1
    for length, stride in zip(reversed(shape), reversed(strides), strict=True):
        if length != 1 and stride != run:  # where an axis has one place, its stride is never used
            return False
        run *= length
    return True
