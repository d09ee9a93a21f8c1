"""Turns a tree of weights, in memory or on disk, into the same tree of tensors."""

from array import array
from collections.abc import Callable, Iterator
from dataclasses import fields, is_dataclass, replace
from typing import Any

import torch
from torch import Tensor

from starchart.checkpoints.stored_tensor import StoredTensor, rows_of
from starchart.errors import EngineError

DTYPES = {"float64": torch.float64, "float32": torch.float32, "bfloat16": torch.bfloat16}
_TYPECODES = {"f": torch.float32, "d": torch.float64}


def default_device() -> str:
    """Return the name of a GPU if there is one, else of the CPU."""
    return "cuda" if torch.cuda.is_available() else "cpu"


def checked_device(name: str) -> torch.device:
    """Return the device called `name` ("cpu", "cuda", "cuda:1"), or raise EngineError if it is not here."""
    try:
        device = torch.device(name)
        if device.type not in ("cpu", "cuda"):
            raise RuntimeError
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError):
        here = ", ".join(["cpu", *(f"cuda:{n}" for n in range(torch.cuda.device_count()))])
        raise EngineError(f"there is no device {name!r} here; there is {here}") from None
    return device


def map_leaves(tree: Any, change: Callable[[Any], Any]) -> Any:
    """Return the tree with every vector and matrix replaced by `change` of it. None stays None."""
    if is_dataclass(tree) and not isinstance(tree, (StoredTensor, type)):
        return replace(tree, **{field.name: map_leaves(getattr(tree, field.name), change) for field in fields(tree)})
    if isinstance(tree, tuple):
        return tuple(map_leaves(block, change) for block in tree)
    return None if tree is None else change(tree)


def named_leaves(tree: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Yield every vector and matrix with its name in the checkpoint: `h.3.attn.c_attn.weight`."""
    if is_dataclass(tree):
        parts = [(field.name, getattr(tree, field.name)) for field in fields(tree)]
    elif isinstance(tree, tuple):
        parts = [(str(n), block) for n, block in enumerate(tree)]
    else:
        parts = []
        if tree is not None:
            yield name, tree
    for part, subtree in parts:
        yield from named_leaves(subtree, f"{name}.{part}" if name else part)


def to_tensor(values: Any) -> Tensor:  # [in][out] or [C]
    """Return a vector or matrix, in memory or on disk, as a tensor of its own dtype. Raises CheckpointError."""
    if isinstance(values, Tensor):
        return values
    if isinstance(values, StoredTensor):
        return torch.stack([to_tensor(row) for row in rows_of(values)])
    if isinstance(values, array):
        return torch.frombuffer(values, dtype=_TYPECODES[values.typecode])
    return torch.tensor(values, dtype=torch.float64)
