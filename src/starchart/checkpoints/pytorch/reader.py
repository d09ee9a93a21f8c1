"""Files of torch.save: open one, and find its tensors. Only what describes them is read, and none of it is run."""

from collections.abc import Iterable
from pathlib import Path

from starchart.checkpoints.foreign_files import refuse_foreign
from starchart.checkpoints.names import is_mask, our_name
from starchart.checkpoints.numbers.dtypes import item_bytes
from starchart.checkpoints.pytorch.legacy_file import read_legacy
from starchart.checkpoints.pytorch.placing import place_tensor
from starchart.checkpoints.pytorch.state_dict import tensors_of
from starchart.checkpoints.pytorch.zip_archive import read_archive
from starchart.checkpoints.stored_tensor import StoredTensor, opened, stamp_of
from starchart.errors import CheckpointError

FIRST_BYTES = 600  # as many as `is_pytorch` looks at
_MOST_SHARED = 3  # times the size of the file: a head tied to the table of tokens is all that a GPT-2 shares
_ZIP = b"PK\3\4"
_PICKLES = tuple(bytes((0x80, protocol)) for protocol in range(2, 6))
# What comes first: the pickle; before PyTorch 1.6 the version; in a TorchScript archive, which is refused, a storage.
_FIRST_MEMBERS = (b"/data.pkl", b"/version", b"/data/0")


def is_pytorch(first: bytes) -> bool:
    """Return whether these are the first bytes of a file that torch.save, or at least Python's pickle, wrote."""
    if first.startswith(_ZIP):
        return first[30 : 30 + int.from_bytes(first[26:28], "little")].endswith(_FIRST_MEMBERS)
    return first.startswith(_PICKLES) or _is_tar(first)


def open_pytorch(path: Path) -> dict[str, StoredTensor]:
    """Return the tensors of the file at `path` by name, but for masks, which are never read. Raises CheckpointError."""
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


def _refuse_shared_bytes(tensors: Iterable[StoredTensor], size: int, source: str) -> None:
    """Refuse a small file that stands for a large model, all of whose tensors are views of the same numbers."""
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
