"""Writes a NumPy archive (.npz): a zip file without compression, with a NumPy array for every tensor.

Sources: NumPy's documentation, numpy.lib.format, "Format Version 1.0", and numpy.savez.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import IO, BinaryIO
from zipfile import ZIP_STORED, ZipFile, ZipInfo

from starchart.checkpoints.names import name_in_file
from starchart.checkpoints.npz.reader import FLOATS, MAGIC
from starchart.checkpoints.stored_tensor import StoredTensor, tensor_bytes
from starchart.checkpoints.weights import in_model_order
from starchart.model.config import GPT2Config

DESCRIPTIONS = {dtype: name for name, dtype in FLOATS.items()}  # NumPy has no BF16
_ALIGNMENT = 64  # of the numbers in a file


def write_npz(file: BinaryIO, config: GPT2Config, tensors: Mapping[str, StoredTensor], dtype: str) -> None:
    """Write the tensors of a model, which have our names, to an open file. Raises CheckpointError, OSError."""
    with ZipFile(file, "w", ZIP_STORED) as archive:
        for name, tensor in in_model_order(tensors, config).items():
            with new_array(archive, name_in_file(name), tensor.shape, dtype) as array_file:
                for part in tensor_bytes(tensor, dtype):
                    array_file.write(part)


@contextmanager
def new_array(archive: ZipFile, name: str, shape: tuple[int, ...], dtype: str) -> Iterator[IO[bytes]]:
    """Yield a file in an archive to which the numbers of one array are written; its header is written already."""
    entry = ZipInfo(f"{name}.npy")  # without a date: the same numbers give the same bytes
    with archive.open(entry, "w", force_zip64=True) as file:
        file.write(write_array_header(shape, dtype))
        yield file


def write_array_header(shape: tuple[int, ...], dtype: str) -> bytes:
    """Return the header of an array whose numbers are row by row, of a type in DESCRIPTIONS.

    >>> header = write_array_header((2, 3), "F32")
    >>> len(header), header[10:].split()[:2]
    (128, [b"{'descr':", b"'<f4',"])
    """
    described = f"{{'descr': '{DESCRIPTIONS[dtype]}', 'fortran_order': False, 'shape': {shape}, }}"
    text = described.encode("ascii")
    text += b" " * (-(len(text) + 11) % _ALIGNMENT) + b"\n"  # 10 bytes before it, and the line feed
    return MAGIC + b"\1\0" + len(text).to_bytes(2, "little") + text
