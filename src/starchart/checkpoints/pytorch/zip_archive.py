"""The format of torch.save since PyTorch 1.6: a zip archive, all in one folder of any name.

    NAME/data.pkl       a pickle; its tensors refer to storages by key
    NAME/data/KEY       the numbers of a storage
    NAME/byteorder      "little", in newer files
    NAME/version, ...   not read

Source: torch/serialization.py of PyTorch 2.13, `_save` and `_load`.
"""

from typing import Any, BinaryIO

from starchart.checkpoints.pytorch.machine import MAX_PICKLE_BYTES
from starchart.checkpoints.pytorch.unpickler import unpickle
from starchart.errors import CheckpointError
from starchart.files.json_file import shown
from starchart.files.zip.directory import read_zip_directory
from starchart.files.zip.member import ZipMember

_PICKLE, _STORAGES, _BYTE_ORDER = "data.pkl", "data/", "byteorder"


def read_archive(file: BinaryIO, size: int, source: str) -> tuple[Any, dict[str, tuple[int, int]]]:
    """Return what an open file of `size` bytes holds, and the first byte and the size of each storage, by key.

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


def _in_one_folder(members: dict[str, ZipMember], source: str) -> dict[str, ZipMember]:
    """Return the members by their names in the folder that holds them all, as torch.save writes them."""
    for name, member in members.items():
        # No name is ever used as a path, but one that could lead elsewhere was not written by torch.
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
