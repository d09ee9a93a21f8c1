"""What the packed engine has chosen for a model: the lanes of each matrix. All that is known here of its inside."""

from typing import Any

from starchart import GPT2
from starchart.engines.packed.arithmetic.lanes import Lanes


def matrix_arithmetic(gpt2: GPT2, weight: str) -> tuple[Lanes, int]:
    """Return the lanes of a matrix, by the name of its weight, and K^2, the bound on the norms of its columns."""
    layer: Any = gpt2._weights
    # The engine keeps the table of the output projection as a matrix of its own, under lm_head.
    for part in ["lm_head", "weight"] if weight in ("wte.weight", "lm_head.weight") else weight.split("."):
        layer = layer[int(part)] if part.isdigit() else getattr(layer, part)
    return getattr(layer, "lanes", None) or _precision(gpt2).weights, layer.bound


def attention_arithmetic(gpt2: GPT2) -> Lanes:
    """Return the lanes of keys and values."""
    lanes: Lanes = _precision(gpt2).attention
    return lanes


def _precision(gpt2: GPT2) -> Any:
    engine: Any = gpt2._engine
    return getattr(engine, "_model", engine).precision if hasattr(engine, "_model") else engine._precision
