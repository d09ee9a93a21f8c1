"""From tensors as a pickle describes them to tensors in the file: every number is held against the real bytes."""

from collections.abc import Mapping
from pathlib import Path

from starchart.checkpoints.pytorch.symbols import ITEM_BYTES, Counts, Storage, Tensor
from starchart.checkpoints.stored_tensor import Stamp, StoredTensor
from starchart.errors import CheckpointError
from starchart.json_file import shown

# key of a storage -> its first byte in the file, and how many bytes it has
Places = Mapping[str, tuple[int, int]]


def place_tensor(name: str, tensor: Tensor, places: Places, path: Path, stamp: Stamp) -> StoredTensor:
    """Return the tensor where it lies in the file. Raises CheckpointError.

    Its numbers must lie one after another, row by row, or column by column if it has two axes. Several tensors may
    share a storage, as a head does with the token embeddings that it is tied to.
    """
    what = f"{path}: tensor {shown(name)}"
    storage, shape = tensor.storage, tensor.shape
    start, size = _place(storage, places, what)
    if 0 in shape:
        raise CheckpointError(f"{what}: holds no numbers: its size is {shown(shape)}")
    item = ITEM_BYTES[tensor.dtype]
    last = tensor.offset
    for length, stride in zip(shape, tensor.strides, strict=True):
        last += (length - 1) * stride
    if (last + 1) * item > size:
        view = f"offset {shown(tensor.offset)}, size {shown(shape)}, strides {shown(tensor.strides)}"
        raise CheckpointError(f"{what}: reaches past the {size} bytes of its storage: {view} of {tensor.dtype}")
    transposed = len(shape) == 2 and _is_packed(shape[::-1], tensor.strides[::-1])
    if not _is_packed(shape, tensor.strides) and not transposed:
        raise CheckpointError(
            f"{what}: its numbers do not lie one after another: size {shown(shape)}, strides {shown(tensor.strides)}; "
            "save its contiguous()"
        )
    transposed = transposed and not _is_packed(shape, tensor.strides)
    return StoredTensor(name, tensor.dtype, shape, path, start + tensor.offset * item, stamp, transposed)


def _place(storage: Storage, places: Places, what: str) -> tuple[int, int]:
    if storage.key not in places:
        raise CheckpointError(f"{what}: its storage {shown(storage.key)} is not in the file")
    start, size = places[storage.key]
    if storage.count * ITEM_BYTES[storage.dtype] != size:
        raise CheckpointError(
            f"{what}: its storage {shown(storage.key)} should have {shown(storage.count)} numbers of {storage.dtype}, "
            f"but has {size} bytes"
        )
    return start, size


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
