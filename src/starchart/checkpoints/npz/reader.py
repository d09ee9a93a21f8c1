"""NumPy's .npz files, from `savez` and `savez_compressed`: open one, and find its tensors.

A member NAME.npy is the tensor NAME, under Hugging Face's names. Of each only the header is read. The numbers of stored
members lie in the file as they are, and are read without their checksum being checked; deflated ones are unpacked when
they are read, and theirs is. Source: NumPy, `numpy.savez`.
"""

from pathlib import Path
from typing import BinaryIO

from starchart.checkpoints.most_tensors import refuse_too_many
from starchart.checkpoints.npz.array_header import read_array_header
from starchart.checkpoints.stored_tensor import Stamp, StoredTensor, opened, stamp_of
from starchart.errors import CheckpointError
from starchart.files.json_file import shown
from starchart.files.zip.directory import read_zip_directory
from starchart.files.zip.member import ZipMember, read_member

_SUFFIX = ".npy"


def is_npz(first: bytes) -> bool:
    """Return whether the first bytes of a file are those of a zip whose first member is an array of NumPy."""
    name = first[30 : 30 + int.from_bytes(first[26:28], "little")]
    return first.startswith(b"PK\3\4") and name.endswith(_SUFFIX.encode())


def open_npz(path: Path) -> dict[str, StoredTensor]:
    """Return the tensors of the file at `path` by name. Raises CheckpointError."""
    with opened(path) as file:
        stamp = stamp_of(file)
        members = read_zip_directory(file, stamp[0], str(path))
        refuse_too_many(len(members), str(path))
        return {name.removesuffix(_SUFFIX): _tensor(file, member, path, stamp) for name, member in members.items()}


def _tensor(file: BinaryIO, member: ZipMember, path: Path, stamp: Stamp) -> StoredTensor:
    source = f"{path}: member {shown(member.name)}"
    if not member.name.endswith(_SUFFIX):
        raise CheckpointError(f"{source}: is no {_SUFFIX} array, which all members of an .npz are")

    def read(start: int, count: int) -> bytes:
        return read_member(file, (path, stamp), member, start, count, source)

    header = read_array_header(read, member.size, source)
    name = member.name.removesuffix(_SUFFIX)
    if member.deflated:
        return StoredTensor(name, header.dtype, header.shape, path, header.start, stamp, header.transposed, member)
    return StoredTensor(name, header.dtype, header.shape, path, member.start + header.start, stamp, header.transposed)
