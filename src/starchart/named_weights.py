"""The weights of a model by their names in the checkpoint, as lists of floats, whatever the engine."""

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Any

from starchart.checkpoints.stored_tensor import rows_of
from starchart.checkpoints.weights import tensor_shapes
from starchart.model.config import GPT2Config
from starchart.model.gpt_model import GPTModelWeights


class NamedWeights(Mapping[str, Any]):
    """Every weight under its name, `h.0.attn.c_attn.weight`: a matrix [rows][columns] or a vector, new lists each time.

    The order and the shapes are those of docs/NAMES.md; `lm_head.weight` is there only where the head is not tied.
    A matrix is read from the checkpoint when it is asked for, and not kept: a float in a list takes 32 bytes, so the
    `wte.weight` of the smallest GPT-2 takes 1.2 GB. Vectors were read when the model was opened.

    Raises KeyError for a name that the model does not have. Raises CheckpointError for a matrix whose file was changed
    or removed after the model was opened; the model itself goes on with the weights that it has.
    """

    def __init__(self, weights: GPTModelWeights, config: GPT2Config) -> None:
        self._weights = weights
        self.shapes = tensor_shapes(config, untied=weights.lm_head is not None)

    def __getitem__(self, name: str) -> Any:
        """Return the weight called `name` as lists of floats. Changing them does not change the model."""
        value = self._stored(name)
        if len(self.shapes[name]) == 1:
            return list(map(float, value))
        return [list(map(float, row)) for row in rows_of(value)]

    def row(self, name: str, number: int) -> list[float]:  # -> [columns]
        """Return one row of the matrix called `name`: the embedding of one token, without reading the whole table."""
        return list(map(float, rows_of(self._stored(name), number, number + 1)[0]))

    def __contains__(self, name: object) -> bool:
        return name in self.shapes

    def __iter__(self) -> Iterator[str]:
        return iter(self.shapes)

    def __len__(self) -> int:
        return len(self.shapes)

    def __repr__(self) -> str:
        first = ", ".join(f"{name} {list(shape)}" for name, shape in [*self.shapes.items()][:2])
        return f"NamedWeights({len(self)} tensors: {first}, ...)"

    def _stored(self, name: str) -> Any:
        if name not in self.shapes:
            near = get_close_matches(str(name), self.shapes, 1)
            hint = f"did you mean {near[0]!r}? " if near else ""
            raise KeyError(f"no weight is called {name!r}; {hint}docs/NAMES.md lists the names")
        value: Any = self._weights
        for part in name.split("."):
            value = value[int(part)] if part.isdigit() else getattr(value, part)
        return value
