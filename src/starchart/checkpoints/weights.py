"""Weights: named tensors become GPTModelWeights.

The head follows transformers 5.23. A tied model without `lm_head.weight` uses wte, and so does one whose lm_head equals
wte; if the two differ, the file is believed and not tie_word_embeddings. A tied model with an lm_head and no wte uses
that for both. A model that is not tied needs both.
"""

from collections.abc import Mapping
from dataclasses import replace
from operator import eq

from starchart.checkpoints.fit import refuse_differences, refuse_other_model
from starchart.checkpoints.stored_tensor import StoredTensor, read_parts, read_rows, read_vector
from starchart.checkpoints.weight_tree import Shape, axis_sizes, fill_tree
from starchart.model.config import GPT2Config
from starchart.model.gpt_model import GPTModelWeights
from starchart.utils.matrix import Vector

_TABLE, _HEAD = "wte.weight", "lm_head.weight"
_ROWS_AT_ONCE = 1024


def build_weights(tensors: Mapping[str, StoredTensor], config: GPT2Config, source: str) -> GPTModelWeights:
    """Return the weights read from `tensors`, which have our names. `source` names the checkpoint in errors.

    Vectors are read, matrices are left as StoredTensors. Raises CheckpointError where the tensors and the
    configuration do not fit, before any of them is read, and for numbers that cannot be weights.
    """
    used = used_tensors(tensors, config, source)
    optional = ("lm_head",) if _HEAD in used else ()
    weights: GPTModelWeights = fill_tree(
        GPTModelWeights, axis_sizes(config), optional, lambda name, _: _leaf(used[name])
    )
    return weights


def used_tensors(tensors: Mapping[str, StoredTensor], config: GPT2Config, source: str) -> dict[str, StoredTensor]:
    """Return the tensors that the model is made of, in its own order; lm_head is one of them where the head is not wte.

    Raises CheckpointError where the tensors and the configuration do not fit; see `build_weights`.
    """
    tied = config.tie_word_embeddings
    if tied and _TABLE not in tensors and _HEAD in tensors:
        tensors = {_TABLE if name == _HEAD else name: tensor for name, tensor in tensors.items()}
    refuse_other_model(tensors, config, source)
    shapes = tensor_shapes(config, untied=not tied or _HEAD in tensors)
    refuse_differences(tensors, shapes, source)
    used = {name: tensors[name] for name in shapes}
    if tied and _HEAD in used and _are_equal(used[_HEAD], used[_TABLE]):
        del used[_HEAD]
    return used


def tensor_shapes(config: GPT2Config, untied: bool) -> dict[str, Shape]:
    """Return the name and shape of every tensor of a model, in its order; `untied`: with a head of its own."""
    shapes: dict[str, Shape] = {}
    fill_tree(GPTModelWeights, axis_sizes(config), ("lm_head",) if untied else (), shapes.setdefault)
    return shapes


def in_model_order(tensors: Mapping[str, StoredTensor], config: GPT2Config) -> dict[str, StoredTensor]:
    """Return the tensors of a model in its own order, whatever order they came in: a file is to be the same."""
    return {name: tensors[name] for name in tensor_shapes(config, untied=_HEAD in tensors)}


def _leaf(tensor: StoredTensor) -> Vector | StoredTensor:
    return read_vector(tensor) if len(tensor.shape) == 1 else tensor


def _are_equal(a: StoredTensor, b: StoredTensor) -> bool:
    """Return whether two matrices of one shape hold the same numbers; each is read once, or not at all."""
    if replace(a, name=b.name) == b:  # one place in the file under two names
        return True
    if a.transposed == b.transposed:
        return all(map(eq, read_parts(a), read_parts(b)))
    by_row, by_column = (b, a) if a.transposed else (a, b)
    rows = read_rows(by_column)  # whole: in parts it would be read from the beginning for each
    starts = range(0, len(rows), _ROWS_AT_ONCE)
    return all(rows[i : i + _ROWS_AT_ONCE] == read_rows(by_row, i, min(i + _ROWS_AT_ONCE, len(rows))) for i in starts)
