"""The tree of weights: what the dataclasses of the model say about names and shapes.

The path of fields is the name of a tensor (`h.3.attn.c_attn.weight`), and the annotations are its shape in letters, so
there is no second list of names. Upper-case letters are sizes of the configuration, and a number before a letter
multiplies it ("3C"). Lower-case axes ("in", "out") belong to one kind of layer and get their dims, in order, from the
field that holds the layer.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import is_dataclass
from functools import cache
from types import UnionType
from typing import Annotated, Any, TypeAlias, get_args, get_origin, get_type_hints

from starchart.model.config import GPT2Config

Shape: TypeAlias = tuple[int, ...]
Leaf: TypeAlias = Callable[[str, Shape], Any]  # the name and shape of a tensor -> what the tree holds there


def axis_sizes(config: GPT2Config) -> dict[str, int]:
    """Return the size for each letter of the annotations."""
    return {
        "V": config.vocab_size,
        "P": config.n_positions,
        "C": config.n_embd,
        "F": config.feed_forward_width,
        "L": config.n_layer,
    }


def fill_tree(kind: Any, sizes: Mapping[str, int], optional: Collection[str], leaf: Leaf, prefix: str = "") -> Any:
    """Return an instance of the dataclass `kind` with leaf(name, shape) in the place of every tensor.

    Fields that can be None are filled if their names are in `optional`. Names begin with `prefix`.

    >>> from starchart.layers.linear_layer import LinearWeights
    >>> fill_tree(LinearWeights, {"in": 2, "out": 3}, (), lambda name, shape: (name, shape), "c_fc.")
    LinearWeights(weight=('c_fc.weight', (2, 3)), bias=('c_fc.bias', (3,)))
    """
    values: dict[str, Any] = {}
    for field, inner, axes in _fields(kind):
        name = prefix + field
        dims = tuple(_dim(axis, sizes) for axis in axes)
        if get_origin(inner) is tuple:
            block = get_args(inner)[0]
            values[field] = tuple(fill_tree(block, sizes, optional, leaf, f"{name}.{n}.") for n in range(dims[0]))
        elif get_origin(inner) is UnionType and field not in optional:
            values[field] = None
        elif layer := _dataclass_in(inner):
            local = dict(zip(_local_axes(layer), dims, strict=True))
            values[field] = fill_tree(layer, {**sizes, **local}, optional, leaf, f"{name}.")
        else:
            values[field] = leaf(name, dims)
    return kind(**values)


@cache  # get_type_hints is slow, and every layer of every block has the same fields
def _fields(kind: Any) -> list[tuple[str, Any, tuple[str, ...]]]:
    """Return name, type and axes of every field of a dataclass."""
    fields: list[tuple[str, Any, tuple[str, ...]]] = []
    for field, hint in get_type_hints(kind, include_extras=True).items():
        if get_origin(hint) is Annotated:
            inner, *axes = get_args(hint)
            fields.append((field, inner, tuple(axes)))
        else:
            fields.append((field, hint, ()))
    return fields


def _dataclass_in(kind: Any) -> Any:
    """Return X if `kind` is the dataclass X or `X | None`, else None."""
    choices = get_args(kind) if get_origin(kind) is UnionType else (kind,)
    return next((choice for choice in choices if is_dataclass(choice)), None)


def _local_axes(kind: Any) -> list[str]:
    """Return the lower-case axes of a dataclass, each once, in order of appearance."""
    return list(dict.fromkeys(axis for _, _, axes in _fields(kind) for axis in axes if axis.islower()))


def _dim(axis: str, sizes: Mapping[str, int]) -> int:
    return sizes[axis] if axis in sizes else int(axis[:-1]) * sizes[axis[-1]]
