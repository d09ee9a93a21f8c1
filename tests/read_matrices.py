"""A loaded checkpoint with all its numbers in memory, to compare it with what a file holds."""

from dataclasses import fields, is_dataclass, replace
from typing import Any

from starchart.checkpoints.stored_tensor import StoredTensor, rows_of


def read_matrices(weights: Any) -> Any:
    """Return the tree of weights with every matrix read."""
    if isinstance(weights, StoredTensor):
        return rows_of(weights)
    if is_dataclass(weights):
        return replace(weights, **{f.name: read_matrices(getattr(weights, f.name)) for f in fields(weights)})
    return tuple(map(read_matrices, weights)) if isinstance(weights, tuple) else weights
