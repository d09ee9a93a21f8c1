"""Safetensors files made by hand, valid ones and false ones. Nothing here uses starchart or the safetensors library."""

import json
from pathlib import Path
from typing import Any


def raw_file(header: Any, data: bytes = b"", length: int | None = None) -> bytes:
    """Return the bytes of a file. `header` is the value of its JSON, or its bytes; `length` may be false."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return (len(text) if length is None else length).to_bytes(8, "little") + text + data


def entry(dtype: Any, shape: Any, start: Any, end: Any) -> dict[str, Any]:
    """Return the entry of one tensor in a header."""
    return {"dtype": dtype, "shape": shape, "data_offsets": [start, end]}


def one_tensor(dtype: str, shape: list[int], data: bytes, name: str = "a") -> bytes:
    """Return a valid file with one tensor."""
    return raw_file({name: entry(dtype, shape, 0, len(data))}, data)


def write(folder: Path, data: bytes, name: str = "model.safetensors") -> Path:
    """Write a file and return its path."""
    path = folder / name
    path.write_bytes(data)
    return path
