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
from starchart.checkpoints.pytorch.zip_file import Member, read_members
from starchart.errors import CheckpointError
from starchart.json_file import shown

_PICKLE = "/data.pkl"


def read_archive(file: BinaryIO, size: int, source: str) -> tuple[Any, dict[str, tuple[int, int]]]:
    """Return what an open file of `size` bytes holds, and the first byte and the size of each storage, by key.

    Raises CheckpointError, in which `source` names the file.
    """
    members = read_members(file, size, source)
    folder = _folder(members, source)
    order = members.get(folder + "/byteorder")
    if order and (order.size != 6 or _read(file, order) != b"little"):
        raise CheckpointError(f"{source}: is not little-endian; save it again on a machine that is")
    pickle = members[folder + _PICKLE]
    if pickle.size > MAX_PICKLE_BYTES:
        raise CheckpointError(f"{source}: its pickle is {pickle.size} bytes long; the limit is {MAX_PICKLE_BYTES}")
    value, _, end = unpickle(_read(file, pickle), 0, source)
    if end != pickle.size:
        raise CheckpointError(f"{source}: its pickle ends after {end} bytes of {pickle.size}")
    storages = folder + "/data/"
    places = {
        name.removeprefix(storages): (member.start, member.size)
        for name, member in members.items()
        if name.startswith(storages)
    }
    return value, places


def _folder(members: dict[str, Member], source: str) -> str:
    """Return the name of the folder that holds all."""
    folders = {name.partition("/")[0] for name in members}
    if len(folders) > 1:
        raise CheckpointError(f"{source}: has more than one folder: {shown(sorted(folders))}")
    folder = "".join(folders)
    if folder + _PICKLE not in members:
        raise CheckpointError(f"{source}: is a zip archive, but holds no data.pkl as those of torch.save do")
    return folder


def _read(file: BinaryIO, member: Member) -> bytes:
    file.seek(member.start)
    return file.read(member.size)
