"""Weights: named tensors become GPTModelWeights, if they fit the configuration; one error lists all that do not fit.

The head is chosen as in transformers 5.23. A tied model uses wte if the file has no `lm_head.weight`, or one that
equals wte; if the two differ, the file's lm_head is used. A tied model with an lm_head and no wte uses
that for both. A model that is not tied needs both.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from operator import eq

from starchart.checkpoints.stored_tensor import StoredTensor, read_parts, read_rows, read_vector
from starchart.checkpoints.weight_tree import Shape, axis_sizes, fill_tree
from starchart.errors import CheckpointError
from starchart.files.json_file import shown
from starchart.model.config import GPT2Config
from starchart.model.gpt_model import GPTModelWeights
from starchart.utils.matrix import Vector

_TABLE, _HEAD = "wte.weight", "lm_head.weight"
_ROWS_AT_ONCE = 1024
_BLOCK = re.compile(r"h\.([0-9]+)\.")
_TENSORS_OF_A_BLOCK = 12
_NAMED = 5  # an error names at most 5 tensors of a kind
# Sizes of the configuration that the shape of a tensor shows: key, letter, tensor, axis.
_TELLTALES = (
    ("vocab_size", "V", "wte.weight", 0),
    ("n_embd", "C", "wte.weight", 1),
    ("n_positions", "P", "wpe.weight", 0),
    ("n_inner", "F", "h.0.mlp.c_fc.weight", 1),
)


def build_weights(tensors: Mapping[str, StoredTensor], config: GPT2Config, source: str) -> GPTModelWeights:
    """Return the weights read from `tensors`, which have our names. `source` names the checkpoint in errors.

    Vectors are read, matrices stay StoredTensors. Raises CheckpointError if the tensors and the configuration do not
    fit, before any tensor is read, and for numbers that cannot be weights.
    """
    used = used_tensors(tensors, config, source)
    optional = ("lm_head",) if _HEAD in used else ()
    weights: GPTModelWeights = fill_tree(
        GPTModelWeights, axis_sizes(config), optional, lambda name, _: _leaf(used[name])
    )
    return weights


def used_tensors(tensors: Mapping[str, StoredTensor], config: GPT2Config, source: str) -> dict[str, StoredTensor]:
    """Return the tensors that the model uses, in its own order; lm_head is one of them if the head is not wte.

    Raises CheckpointError if the tensors and the configuration do not fit; see `build_weights`.
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
    """Return the name and shape of every tensor of a model, in its order. An `untied` model has an lm_head too."""
    shapes: dict[str, Shape] = {}
    fill_tree(GPTModelWeights, axis_sizes(config), ("lm_head",) if untied else (), shapes.setdefault)
    return shapes


def in_model_order(tensors: Mapping[str, StoredTensor], config: GPT2Config) -> dict[str, StoredTensor]:
    """Return the tensors in the order of the model, whatever their order was, so that one model gives one file."""
    return {name: tensors[name] for name in tensor_shapes(config, untied=_HEAD in tensors)}


def _leaf(tensor: StoredTensor) -> Vector | StoredTensor:
    return read_vector(tensor) if len(tensor.shape) == 1 else tensor


def _are_equal(a: StoredTensor, b: StoredTensor) -> bool:
    """Return whether two matrices of equal shape hold the same numbers. Each is read at most once."""
    if replace(a, name=b.name) == b:  # the same bytes under two names
        return True
    if a.transposed == b.transposed:
        return all(map(eq, read_parts(a), read_parts(b)))
    by_row, by_column = (b, a) if a.transposed else (a, b)
    rows = read_rows(by_column)  # all at once: each part would need all of the file again
    starts = range(0, len(rows), _ROWS_AT_ONCE)
    return all(rows[i : i + _ROWS_AT_ONCE] == read_rows(by_row, i, min(i + _ROWS_AT_ONCE, len(rows))) for i in starts)


def refuse_other_model(tensors: Mapping[str, StoredTensor], config: GPT2Config, source: str) -> None:
    """Raise CheckpointError if the configuration is that of another model, with the number that differs.

    A message with this number is clearer than one with the hundred wrong shapes that follow from it. This check comes
    before any loop over n_layer, which can be any number in an untrusted file. A file with too few tensors for its
    blocks is refused here too, because later checks take time for every block.
    """
    if not any(map(_BLOCK.match, tensors)):
        held = _listed([shown(name) for name in tensors]) if tensors else "no tensors at all"
        raise CheckpointError(f"{source}: holds no blocks of a GPT-2 (h.0.ln_1.weight and so on), but {held}")
    contradictions = list(_contradictions(tensors, config))
    if contradictions:
        raise CheckpointError(f"{source}: is not the model of its configuration: {'; '.join(contradictions)}")
    if len(tensors) < _TENSORS_OF_A_BLOCK * config.n_layer:
        held = _listed([shown(name) for name in tensors])
        raise CheckpointError(
            f"{source}: has {config.n_layer} blocks of a GPT-2, each of {_TENSORS_OF_A_BLOCK} tensors, but"
            f" {len(tensors)} tensors in all: {held}"
        )


def refuse_differences(tensors: Mapping[str, StoredTensor], shapes: Mapping[str, Shape], source: str) -> None:
    """Raise CheckpointError that lists all tensors whose name is missing or unknown, or whose shape is wrong."""
    missing = [name for name in shapes if name not in tensors]
    unknown = [shown(tensor.name) for name, tensor in tensors.items() if name not in shapes]
    wrong = [
        f"{name} is {shown(list(tensors[name].shape))}, not {shown(list(shape))}"
        for name, shape in shapes.items()
        if name in tensors and tensors[name].shape != shape
    ]
    kinds = {"missing": missing, "unknown": unknown, "of the wrong shape": wrong}
    lists = [f"{len(names)} {kind}: {_listed(names)}" for kind, names in kinds.items() if names]
    if lists:
        raise CheckpointError(
            f"{source}: its tensors are not those of a GPT-2 with its configuration: {'; '.join(lists)}"
        )


def _contradictions(tensors: Mapping[str, StoredTensor], config: GPT2Config) -> Iterator[str]:
    sizes = axis_sizes(config)
    blocks = len({match[1] for match in map(_BLOCK.match, tensors) if match})
    if blocks != sizes["L"]:
        yield f"n_layer is {shown(sizes['L'])}, but the file has {blocks} blocks"
    for key, letter, name, axis in _TELLTALES:
        shape = tensors[name].shape if name in tensors else ()
        if len(shape) > axis and shape[axis] != sizes[letter]:
            said = "n_inner (4 n_embd)" if key == "n_inner" and config.n_inner is None else key
            yield f"{said} is {shown(sizes[letter])}, but {name} is {shown(list(shape))}"


def _listed(names: Sequence[str]) -> str:
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more} more" if more > 0 else "")
