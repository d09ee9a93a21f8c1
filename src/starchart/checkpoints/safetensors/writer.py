"""Writes a safetensors file, as transformers does: see `reader` for the layout."""

import json
from collections.abc import Mapping, Sequence
from math import prod
from typing import Any, BinaryIO

from starchart.checkpoints.names import name_in_file
from starchart.checkpoints.numbers.number_types import bytes_of
from starchart.checkpoints.stored_tensor import StoredTensor, tensor_bytes
from starchart.checkpoints.weights import in_model_order
from starchart.model.config import GPT2Config

_ALIGNMENT = 8  # spaces fill the header up to this, so that the numbers are aligned when the file is mapped into memory


def write_safetensors(file: BinaryIO, config: GPT2Config, tensors: Mapping[str, StoredTensor], dtype: str) -> None:
    """Write the tensors of a model, which have our names, to an open file. Raises CheckpointError, OSError."""
    ordered = in_model_order(tensors, config)
    file.write(safetensors_header({name_in_file(name): tensor.shape for name, tensor in ordered.items()}, dtype))
    for tensor in ordered.values():
        for part in tensor_bytes(tensor, dtype):
            file.write(part)


def safetensors_header(shapes: Mapping[str, Sequence[int]], dtype: str) -> bytes:
    """Return the beginning of a file whose tensors, all of one type, follow in the order of `shapes` without gaps.

    >>> safetensors_header({"ln_f.bias": (2,)}, "F32")[8:]
    b'{"__metadata__":{"format":"pt"},"ln_f.bias":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}   '
    """
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}  # transformers refuses a file without it
    end = 0
    for name, shape in shapes.items():
        start, end = end, end + bytes_of(prod(shape), dtype)
        header[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [start, end]}
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % _ALIGNMENT)
    return len(text).to_bytes(8, "little") + text
