"""Weights: named tensors become GPTModelWeights.

The head follows transformers 5.23. A tied model without `lm_head.weight` uses wte, and so does one whose lm_head equals
wte; if the two differ, the file is believed and not tie_word_embeddings. A tied model with an lm_head and no wte uses
that for both. A model that is not tied needs both.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from starchart.checkpoints.fit import refuse_differences, refuse_other_model
from starchart.checkpoints.stored_tensor import StoredTensor, read_rows, read_vector
from starchart.checkpoints.weight_tree import Shape, axis_sizes, fill_tree
from starchart.model.config import GPT2Config
from starchart.model.gpt_model import GPTModelWeights
from starchart.utils.matrix import Vector

_ROWS_AT_ONCE = 1024


def build_weights(tensors: Mapping[str, StoredTensor], config: GPT2Config, source: str) -> GPTModelWeights:
    """Return the weights read from `tensors`, which have our names. `source` names the checkpoint in errors.

    Vectors are read, matrices are left as StoredTensors. Raises CheckpointError where the tensors and the
    configuration do not fit, before any of them is read, and for numbers that cannot be weights.
    """
    tied = config.tie_word_embeddings
    if tied and "wte.weight" not in tensors and "lm_head.weight" in tensors:
        tensors = {"wte.weight" if name == "lm_head.weight" else name: tensor for name, tensor in tensors.items()}
    sizes = axis_sizes(config)
    refuse_other_model(tensors, config, source)
    optional = () if tied and "lm_head.weight" not in tensors else ("lm_head",)
    shapes: dict[str, Shape] = {}
    fill_tree(GPTModelWeights, sizes, optional, shapes.setdefault)
    refuse_differences(tensors, shapes, source)
    weights: GPTModelWeights = fill_tree(GPTModelWeights, sizes, optional, lambda name, _: _leaf(tensors[name]))
    head = weights.lm_head
    if tied and head and _are_equal(head.weight, weights.wte.weight, config.vocab_size):
        return replace(weights, lm_head=None)
    return weights


def _leaf(tensor: StoredTensor) -> Vector | StoredTensor:
    return read_vector(tensor) if len(tensor.shape) == 1 else tensor


def _are_equal(a: Any, b: Any, rows: int) -> bool:  # two StoredTensors [rows][C]
    pairs = ((start, min(start + _ROWS_AT_ONCE, rows)) for start in range(0, rows, _ROWS_AT_ONCE))
    return all(read_rows(a, *pair) == read_rows(b, *pair) for pair in pairs)
