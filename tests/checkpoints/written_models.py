"""Models to write, with their tensors as transformers has them, to compare with."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file

from starchart.checkpoints.checkpoint import open_tensors
from starchart.checkpoints.stored_tensor import StoredTensor
from starchart.model.config import GPT2Config
from tests.random_gpt2 import write_random_gpt2

TORCH = {"F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}


def random_model(folder: Path, **options: Any) -> tuple[GPT2Config, dict[str, StoredTensor], dict[str, torch.Tensor]]:
    """Let transformers write a model, and return its configuration, its tensors for a writer, and torch's of them."""
    write_random_gpt2(folder, **options)
    state = load_file(folder / "model.safetensors")
    return *open_tensors(folder), {name.removeprefix("transformer."): tensor for name, tensor in state.items()}


def transposed(tensors: Mapping[str, StoredTensor], folder: Path) -> dict[str, StoredTensor]:
    """Return the same tensors from files that have every matrix the other way round."""
    turned = {}
    for name, tensor in tensors.items():
        if len(tensor.shape) == 1:
            turned[name] = tensor
            continue
        size = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2}[tensor.dtype]
        rows, columns = tensor.shape
        raw = tensor.path.read_bytes()[tensor.start : tensor.start + size * rows * columns]
        numbers = [raw[place : place + size] for place in range(0, len(raw), size)]
        path = folder / f"{name}.raw"
        path.write_bytes(b"".join(numbers[row * columns + column] for column in range(columns) for row in range(rows)))
        status = path.stat()
        stamp = (status.st_size, status.st_mtime_ns, status.st_ctime_ns)
        turned[name] = StoredTensor(tensor.name, tensor.dtype, tensor.shape, path, 0, stamp, transposed=True)
    return turned
