"""Safetensors files: open one, and find its tensors. Nothing but the header is read."""

from pathlib import Path

from starchart.checkpoints.safetensors.header import WHITE_SPACE, read_header
from starchart.checkpoints.stored_tensor import StoredTensor, opened, stamp_of


def is_safetensors(first: bytes) -> bool:
    """Return whether these are the first bytes of a safetensors file: the length of the header, then the header.

    The header is an object, which may begin after white space, perhaps more of it than these bytes.
    """
    header = first[8:].lstrip(WHITE_SPACE)
    is_object = header.startswith(b"{") or (len(first) > 8 and not header)
    return is_object and not any(first[4:8])  # a header of 4 GB and more is none: these are other bytes


def open_safetensors(path: Path) -> dict[str, StoredTensor]:
    """Return the tensors of the file at `path` by name. Raises CheckpointError."""
    with opened(path) as file:
        stamp = stamp_of(file)
        entries = read_header(file, stamp[0], str(path))
    return {
        name: StoredTensor(name, entry.dtype, entry.shape, path, entry.start, stamp) for name, entry in entries.items()
    }
