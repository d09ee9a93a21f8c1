"""Writes a NumPy archive (.npz): a zip file, stored and not compressed, with an array of NumPy for every tensor.

Sources: NumPy's documentation, numpy.lib.format, "Format Version 1.0", and numpy.savez.
"""

from collections.abc import Mapping
from typing import BinaryIO
from zipfile import ZIP_STORED, ZipFile, ZipInfo

from starchart.checkpoints.names import name_in_file
from starchart.checkpoints.npz.array_header import write_array_header
from starchart.checkpoints.stored_tensor import StoredTensor
from starchart.checkpoints.tensor_bytes import tensor_bytes
from starchart.checkpoints.weights import in_model_order
from starchart.model.config import GPT2Config


def write_npz(file: BinaryIO, config: GPT2Config, tensors: Mapping[str, StoredTensor], dtype: str) -> None:
    """Write the tensors of a model, which have our names, to an open file. Raises CheckpointError, OSError."""
    with ZipFile(file, "w", ZIP_STORED) as archive:
        for name, tensor in in_model_order(tensors, config).items():
            entry = ZipInfo(f"{name_in_file(name)}.npy")  # with no time of day: the same model, the same bytes
            with archive.open(entry, "w", force_zip64=True) as array_file:
                array_file.write(write_array_header(tensor.shape, dtype))
                for part in tensor_bytes(tensor, dtype):
                    array_file.write(part)
