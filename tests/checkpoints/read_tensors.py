"""Reads all tensors of an open file, for the fuzzers."""

from collections.abc import Mapping

from starchart.checkpoints.stored_tensor import StoredTensor, read_rows, read_vector


def read_tensors(tensors: Mapping[str, StoredTensor]) -> None:
    """Read every tensor of one or two axes. Raises CheckpointError."""
    for tensor in tensors.values():
        if len(tensor.shape) == 1:
            read_vector(tensor)
        elif len(tensor.shape) == 2:
            read_rows(tensor)
