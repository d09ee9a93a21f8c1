"""Which of the values in a PyTorch file are the weights."""

from typing import Any

from starchart.checkpoints.most_tensors import refuse_too_many
from starchart.checkpoints.pytorch.symbols import Tensor
from starchart.errors import CheckpointError
from starchart.files.json_file import shown

_INSIDE = ("state_dict", "model_state_dict", "model")  # of Lightning, of PyTorch's tutorials, of many scripts


def tensors_of(value: Any, source: str) -> dict[str, Tensor]:
    """Return the tensors of a state dict by name. Raises CheckpointError.

    A checkpoint of a training holds the state dict under one of the names above, with the state of the optimizer beside
    it; then the rest is left out. So is what is no tensor: a number of steps, a learning rate.
    """
    if not isinstance(value, dict):
        raise CheckpointError(f"{source}: holds {shown(type(value).__name__)}, not a dict of tensors (a state_dict)")
    inside = [name for name in _INSIDE if isinstance(value.get(name), dict)]
    if len(inside) > 1:
        raise CheckpointError(f"{source}: holds more than one dict of tensors: {shown(inside)}")
    if inside:
        value = value[inside[0]]
    tensors = {name: item for name, item in value.items() if isinstance(item, Tensor)}
    refuse_too_many(len(tensors), source)
    unnamed = [name for name in tensors if not isinstance(name, str)]
    if unnamed:
        raise CheckpointError(f"{source}: holds a tensor under {shown(unnamed[0])}, which is no name")
    if not tensors:
        raise CheckpointError(f"{source}: holds no tensors, but {shown(list(value))}")
    return tensors
