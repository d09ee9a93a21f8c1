"""What the packed engine has chosen for a model: the lanes of each matrix. All that is known here of its inside."""

from collections.abc import Sequence
from typing import Any

from starchart import GPT2
from starchart.engines.packed.arithmetic.lanes import Lanes


def matrix_arithmetic(gpt2: GPT2, weight: str) -> tuple[Lanes, int, Sequence[int]]:
    """Return the lanes of a matrix, the bound K^2 on the norms of its columns, and the sizes of its groups of rows.

    `weight` is the name of the matrix in the checkpoint.
    """
    engine: Any = gpt2._engine
    layer: Any = gpt2._weights
    # The engine keeps the table of the output projection as a matrix of its own, under lm_head.
    for part in ["lm_head", "weight"] if weight in ("wte.weight", "lm_head.weight") else weight.split("."):
        layer = layer[int(part)] if part.isdigit() else getattr(layer, part)
    return layer.lanes, layer.bound, engine._packed.slices.group_sizes(layer.layer)


def attention_arithmetic(gpt2: GPT2) -> Lanes:
    """Return the lanes of keys and values."""
    engine: Any = gpt2._engine
    lanes: Lanes = engine._packed.precision.attention
    return lanes
