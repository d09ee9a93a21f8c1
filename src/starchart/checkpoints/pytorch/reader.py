"""Files of torch.save: which values in them are weights, and where the tensors lie in the file. Nothing in them is run.

`saved_file` reads the two formats of torch.save, `unpickler` the pickle inside. Every offset, size and stride that the
pickle gives for a tensor is compared with the real bytes of the file.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from starchart.checkpoints.names import is_mask, our_name
from starchart.checkpoints.numbers.number_types import item_bytes
from starchart.checkpoints.pytorch.saved_file import read_archive, read_legacy
from starchart.checkpoints.pytorch.symbols import Counts, Tensor
from starchart.checkpoints.refusals import refuse_foreign, refuse_too_many
from starchart.checkpoints.stored_tensor import Stamp, StoredTensor, opened, stamp_of
from starchart.errors import CheckpointError
from starchart.files.json_file import shown

_INSIDE = ("state_dict", "model_state_dict", "model")  # of Lightning, of PyTorch's tutorials, of many scripts
# key of a storage -> its first byte in the file, its number of bytes
Places = Mapping[str, tuple[int, int]]
FIRST_BYTES = 600  # that `is_pytorch` needs
_MOST_SHARED = 3  # times the size of the file: a GPT-2 shares at most its head with the table of tokens
_ZIP = b"PK\3\4"
_PICKLES = tuple(bytes((0x80, protocol)) for protocol in range(2, 6))
# The first member is the pickle; before PyTorch 1.6 the version; in a TorchScript archive, which is refused, a storage.
_FIRST_MEMBERS = (b"/data.pkl", b"/version", b"/data/0")


def is_pytorch(first: bytes) -> bool:
    """Return whether these are the first bytes of a file that torch.save, or at least Python's pickle module, wrote."""
    if first.startswith(_ZIP):
        return first[30 : 30 + int.from_bytes(first[26:28], "little")].endswith(_FIRST_MEMBERS)
    return first.startswith(_PICKLES) or _is_tar(first)


def open_pytorch(path: Path) -> dict[str, StoredTensor]:
    """Return the tensors of the file at `path` by name, without masks, which are never read. Raises CheckpointError."""
    source = str(path)
    with opened(path) as file:
        stamp = stamp_of(file)
        first = file.read(FIRST_BYTES)
        if not is_pytorch(first):
            refuse_foreign(first, source)
            raise CheckpointError(
                f"{source}: is no file of torch.save: of its {stamp[0]} bytes the first are {first[:8]!r}"
            )
        if _is_tar(first):
            raise CheckpointError(
                f"{source}: is in the tar format of PyTorch 0.1, which is not read; save it again with a newer PyTorch"
            )
        value, places = (read_archive if first.startswith(_ZIP) else read_legacy)(file, stamp[0], source)
    tensors = {
        name: place_tensor(name, tensor, places, path, stamp)
        for name, tensor in tensors_of(value, source).items()
        if not is_mask(our_name(name))
    }
    _refuse_shared_bytes(tensors.values(), stamp[0], source)
    return tensors


def tensors_of(value: Any, source: str) -> dict[str, Tensor]:
    """Return the tensors of a state dict by name. Raises CheckpointError.

    A training checkpoint has the state dict under one of the names in _INSIDE, beside the state of the optimizer and
    other things, which are left out. So are values that are not tensors: a number of steps, a learning rate.
    """
    if not isinstance(value, dict):
        raise CheckpointError(f"{source}: holds {shown(type(value).__name__)}, not a dict of tensors (a state_dict)")
    inside = [name for name in _INSIDE if isinstance(value.get(name), dict)]
    if len(inside) > 1:
        raise CheckpointError(f"{source}: holds more than one dict of tensors: {shown(inside)}")
    if inside:
        value = value[inside[0]]
    tensors = {name: item for name, item in value.items() if isinstance(item, Tensor)}
    refuse_too_many(len(tensors), source)
    unnamed = [name for name in tensors if not isinstance(name, str)]
    if unnamed:
        raise CheckpointError(f"{source}: holds a tensor under {shown(unnamed[0])}, which is no name")
    if not tensors:
        raise CheckpointError(f"{source}: holds no tensors, but {shown(list(value))}")
    return tensors


def place_tensor(name: str, tensor: Tensor, places: Places, path: Path, stamp: Stamp) -> StoredTensor:
    """Return the tensor with its place in the file. Raises CheckpointError.

    Its numbers must be without gaps, row by row, or column by column if it has two axes. Several tensors may share a
    storage, as a tied head does with the token embeddings.
    """
    storage, shape, strides = tensor.storage, tensor.shape, tensor.strides
    start, size = places.get(storage.key, (0, -1))
    item = item_bytes(tensor.dtype)
    last = tensor.offset
    for dim, stride in zip(shape, strides, strict=True):
        last += (dim - 1) * stride
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
    """Return whether the numbers are row by row without gaps: each stride is the product of the dims after it.

    >>> _is_packed((2, 3), (3, 1)), _is_packed((3, 2), (1, 3)), _is_packed((1, 3), (7, 1))
    (True, False, True)
    """
    run = 1
    for dim, stride in zip(reversed(shape), reversed(strides), strict=True):
        if dim != 1 and stride != run:  # the stride of an axis of length 1 is never used
            return False
        run *= dim
    return True


def _refuse_shared_bytes(tensors: Iterable[StoredTensor], size: int, source: str) -> None:
    """Refuse a small file that would become a large model because its tensors are views of the same numbers."""
    total = 0
    for tensor in tensors:
        total += tensor.count * item_bytes(tensor.dtype)
    if total > _MOST_SHARED * size:
        raise CheckpointError(
            f"{source}: its tensors share bytes: together they have {total}, and the file {size};"
            " save a clone() of each"
        )


def _is_tar(first: bytes) -> bool:
    return first[257:262] == b"ustar"
