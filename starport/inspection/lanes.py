"""How wide the lanes of a model's matrices are on the packed engine: read from its pack, or chosen from its weights."""

from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from starchart.checkpoints.names import is_layer_matrix
from starchart.checkpoints.stored_tensor import StoredTensor
from starchart.engines.packed.arithmetic.lanes import FAST, FULL, Precision, with_wider
from starchart.engines.packed.filling import ModelToPack, describe
from starchart.engines.packed.lane_choice import lanes_by_name
from starchart.engines.packed.pack_cache import user_cache
from starchart.errors import CheckpointError, EngineError
from starchart.layers.linear_layer import LinearWeights
from starchart.model.config import GPT2Config

Lanes = dict[str, int]  # bits of a lane of every matrix, by name


def lanes_chosen(config: GPT2Config, tensors: Mapping[str, StoredTensor]) -> dict[str, Lanes | None]:
    """Return the lanes in each precision; None where they are chosen when the model is packed for the first time."""
    layers = {
        name.removesuffix(".weight"): tensor
        for name, tensor in tensors.items()
        if is_layer_matrix(name) and name.endswith(".weight")
    }
    vocabulary = tensors.get("lm_head.weight", tensors["wte.weight"])
    return {
        f"packed, {precision.name} precision": _from_pack(config, layers, vocabulary, precision)
        or (None if precision.wider else _from_weights(layers, vocabulary, precision))
        for precision in (FULL, FAST)
    }


def lanes_text(lanes: Lanes | None) -> str:
    """Return how many matrices have lanes of which width.

    >>> lanes_text({"h.0.attn.c_attn": 52, "lm_head": 56, "h.0.mlp.c_fc": 52}), lanes_text(None)
    ('52 bits (2 matrices), 56 bits (1 matrix)', 'chosen when it is packed')
    """
    if lanes is None:
        return "chosen when it is packed"
    counts = sorted(Counter(lanes.values()).items())
    return ", ".join(f"{width} bits ({count} matri{'x' if count == 1 else 'ces'})" for width, count in counts)


def _from_weights(layers: Mapping[str, StoredTensor], vocabulary: StoredTensor, precision: Precision) -> Lanes | None:
    try:
        chosen = lanes_by_name(layers, vocabulary, precision.weights)
    except CheckpointError:  # a damaged file: its faults are reported elsewhere
        return None
    return {name: lanes.width for name, lanes in chosen.items()}


def _from_pack(
    config: GPT2Config, layers: Mapping[str, Any], vocabulary: StoredTensor, precision: Precision
) -> Lanes | None:
    """Return the lanes of the packed model on disk, if there is one."""
    linear = {name: LinearWeights(tensor, []) for name, tensor in layers.items()}
    with suppress(EngineError):
        if cache := user_cache():
            for one in with_wider(precision):
                description = describe(ModelToPack(linear, vocabulary, config, one))
                if description and (entry := cache.find(description)):
                    return {name: width for name, (width, _) in entry.contents.lanes.items()}
    return None
