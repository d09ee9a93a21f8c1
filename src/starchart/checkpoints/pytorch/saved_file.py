"""The two formats of torch.save: a pickle, and the storages that its tensors refer to by key.

Since PyTorch 1.6, a zip archive with one folder of any name:

    NAME/data.pkl       the pickle
    NAME/data/KEY       the numbers of a storage
    NAME/byteorder      "little", in newer files
    NAME/version, ...   not read

Before that, five pickles, then the storages:

    pickle    119547037146038801333356, the magic number
    pickle    1001, the version of the format
    pickle    {"protocol_version": 1001, "little_endian": True, ...}
    pickle    what was saved
    pickle    [key, ...], all storages in the order in which they follow
    storages  each 8 bytes, the count of its numbers, little-endian, then the numbers

Source: torch/serialization.py of PyTorch 2.13, `_save`, `_load`, `_legacy_save` and `_legacy_load`.
"""

from typing import Any, BinaryIO

from starchart.checkpoints.numbers.number_types import item_bytes
from starchart.checkpoints.pytorch.machine import MAX_PICKLE_BYTES
from starchart.checkpoints.pytorch.symbols import Storage
from starchart.checkpoints.pytorch.unpickler import unpickle
from starchart.errors import CheckpointError
from starchart.files.json_file import shown
from starchart.files.zip.directory import read_zip_directory
from starchart.files.zip.member import ZipMember

_PICKLE, _STORAGES, _BYTE_ORDER = "data.pkl", "data/", "byteorder"
_MAGIC = 0x1950A86A20F9469CFC6C
_VERSION = 1001


def read_archive(file: BinaryIO, size: int, source: str) -> tuple[Any, dict[str, tuple[int, int]]]:
    """Return the value in an open file of `size` bytes, and the first byte and the size of each storage, by key.

    Raises CheckpointError, in which `source` names the file.
    """
    members = _in_one_folder(read_zip_directory(file, size, source), source)
    if _PICKLE not in members:
        raise CheckpointError(f"{source}: is a zip archive, but holds no data.pkl as those of torch.save do")
    order = members.get(_BYTE_ORDER)
    if order and (order.size != 6 or _read(file, order) != b"little"):
        raise CheckpointError(f"{source}: is not little-endian; save it again on a machine that is")
    pickle = members[_PICKLE]
    if pickle.size > MAX_PICKLE_BYTES:
        raise CheckpointError(f"{source}: its pickle is {pickle.size} bytes long; the limit is {MAX_PICKLE_BYTES}")
    value, _, end = unpickle(_read(file, pickle), 0, source)
    if end != pickle.size:
        raise CheckpointError(f"{source}: its pickle ends after {end} bytes of {pickle.size}")
    storages = {name: member for name, member in members.items() if name.startswith(_STORAGES)}
    return value, {name.removeprefix(_STORAGES): (member.start, member.size) for name, member in storages.items()}


def read_legacy(file: BinaryIO, size: int, source: str) -> tuple[Any, dict[str, tuple[int, int]]]:
    """Return the value in an open file of `size` bytes, and the first byte and the size of each storage, by key.

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


def _in_one_folder(members: dict[str, ZipMember], source: str) -> dict[str, ZipMember]:
    """Return the members by their names in the one folder that must hold them all."""
    for name, member in members.items():
        # No name is ever used as a path, but torch does not write a name that could lead elsewhere.
        if {"", ".", ".."} & {*name.split("/")} or {"\\", ":", "\0"} & {*name}:
            raise CheckpointError(f"{source}: has a member named {shown(name)}, which torch.save never writes")
        if member.deflated:
            raise CheckpointError(
                f"{source}: member {shown(name)} is compressed; torch.save, unlike torch.jit.save, stores all as it is"
            )
    folders = {name.partition("/")[0] for name in members}
    if len(folders) > 1:
        raise CheckpointError(f"{source}: has more than one folder: {shown(sorted(folders))}")
    return {name.partition("/")[2]: member for name, member in members.items()}


def _read(file: BinaryIO, member: ZipMember) -> bytes:
    file.seek(member.start)
    return file.read(member.size)


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
