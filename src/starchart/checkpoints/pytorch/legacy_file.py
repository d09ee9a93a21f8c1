"""The older format of torch.save, that of PyTorch before 1.6: five pickles, then the storages.

    pickle    119547037146038801333356, the magic number
    pickle    1001, the version of the format
    pickle    {"protocol_version": 1001, "little_endian": True, ...}
    pickle    what was saved; its tensors refer to storages by key
    pickle    [key, ...], all storages in the order in which they follow
    storages  each 8 bytes, the count of its numbers, little-endian, then the numbers

Source: torch/serialization.py of PyTorch 2.13, `_legacy_save` and `_legacy_load`.
"""

from typing import Any, BinaryIO

from starchart.checkpoints.numbers.dtypes import item_bytes
from starchart.checkpoints.pytorch.machine import MAX_PICKLE_BYTES
from starchart.checkpoints.pytorch.symbols import Storage
from starchart.checkpoints.pytorch.unpickler import unpickle
from starchart.errors import CheckpointError
from starchart.files.json_file import shown

_MAGIC = 0x1950A86A20F9469CFC6C
_VERSION = 1001


def read_legacy(file: BinaryIO, size: int, source: str) -> tuple[Any, dict[str, tuple[int, int]]]:
    """Return what an open file of `size` bytes holds, and the first byte and the size of each storage, by key.

    Raises CheckpointError, in which `source` names the file.
    """
    file.seek(0)
    data = file.read(min(size, MAX_PICKLE_BYTES))
    magic, _, at = unpickle(data, 0, source)
    if magic != _MAGIC or type(magic) is not int:
        raise CheckpointError(f"{source}: is a pickle, but not of torch.save: it begins with {shown(magic)}")
    version, _, at = unpickle(data, at, source)
    if version != _VERSION or type(version) is not int:
        raise CheckpointError(
            f"{source}: is of version {shown(version)} of the older format of torch.save, not {_VERSION}"
        )
    system, _, at = unpickle(data, at, source)
    if not isinstance(system, dict) or system.get("little_endian") is not True:
        raise CheckpointError(f"{source}: does not say that it is little-endian, but {shown(system)}")
    value, storages, at = unpickle(data, at, source)
    keys, _, at = unpickle(data, at, source)
    return value, _places(file, size, at, _listed(keys, storages, source), source)


def _listed(keys: Any, storages: dict[str, Storage], source: str) -> list[Storage]:
    """Return the storages in the order of the list of keys, which must be all of them."""
    if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys):
        raise CheckpointError(f"{source}: its list of storages is no list of keys: {shown(keys)}")
    if len(set(keys)) < len(keys):
        raise CheckpointError(f"{source}: its list of storages has a key twice")
    unequal = set(keys) ^ storages.keys()
    if unequal:
        key = min(unequal)
        place = "is not in its list of storages" if key in storages else "belongs to no tensor"
        raise CheckpointError(f"{source}: storage {shown(key)} {place}")
    return [storages[key] for key in keys]


def _places(file: BinaryIO, size: int, at: int, storages: list[Storage], source: str) -> dict[str, tuple[int, int]]:
    places = {}
    for storage in storages:
        file.seek(at)
        count = int.from_bytes(file.read(8), "little")
        at += 8
        length = storage.count * item_bytes(storage.dtype)
        if at <= size and count != storage.count:
            what = f"{source}: storage {shown(storage.key)}"
            raise CheckpointError(f"{what}: has {count} numbers, not {shown(storage.count)}")
        if at + length > size:
            what = f"{source}: storage {shown(storage.key)}"
            raise CheckpointError(f"{what}: reaches past the end of the file, {size}; fetch it again")
        places[storage.key] = at, length
        at += length
    if at != size:
        raise CheckpointError(f"{source}: {size - at} bytes after the last storage belong to nothing")
    return places
