"""Changes of a run: a head or a network switched off, a number set, a position patched from another run."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

from starchart.errors import RequestError
from starchart.value_graph.operation import Value
from starport.explorer.kept_value import KeptValue
from starport.explorer.request import Request

Change: TypeAlias = Callable[[Any], Any]
KINDS = ("ablate_head", "ablate_mlp", "set", "patch")
_MOST = 1000


def changes_of(
    listed: Sequence[Any],
    shapes: Mapping[str, tuple[int, ...]],
    letters: Mapping[str, int],
    other: Callable[[str], Mapping[str, KeptValue]],
    graph: Mapping[str, Value],
) -> dict[str, list[Change]]:
    """Return the functions that change values, by name. `other` returns the values of another trace by its key.

    Raises RequestError for a change that is not one, or does not fit the run.
    """
    if len(listed) > _MOST:
        raise RequestError(f"there are {len(listed)} changes; at most {_MOST} are made at once")
    changes: dict[str, list[Change]] = {}
    for fields in listed:
        name, change = _change(Request(fields), shapes, letters, other, graph)
        changes.setdefault(name, []).append(change)
    return changes


def _change(
    request: Request,
    shapes: Mapping[str, tuple[int, ...]],
    letters: Mapping[str, int],
    other: Callable[[str], Mapping[str, KeptValue]],
    graph: Mapping[str, Value],
) -> tuple[str, Change]:
    kind = request.choice("kind", KINDS)
    if kind == "ablate_head":
        head = request.whole("head", letters["H"])
        return f"h.{request.whole('layer', letters['L'])}.attn.z", lambda value: _with_head_off(value, head)
    if kind == "ablate_mlp":
        return f"h.{request.whole('layer', letters['L'])}.mlp.c_proj", _zeros
    name = request.choice("name", list(shapes))
    if kind == "set":
        index, number = request.index("index", shapes[name]), float(request.number("value"))
        return name, lambda value: _with_number(value, index, number)
    axis = graph[name].shape.index("T")
    to = request.whole("position", shapes[name][axis])
    values = other(request.text("from"))[name]
    source = request.whole("from_position", values.shape[axis], to)
    if values.shape[axis + 1 :] != shapes[name][axis + 1 :]:
        raise RequestError(
            f"patch {name}: it is {list(values.shape)} in the one run and {list(shapes[name])} in the other; the"
            " prompts must have equally many tokens"
        )
    return name, lambda value: _with_position(value, values, axis, to, source)


def _zeros(value: Any) -> Any:
    return [_zeros(part) for part in value] if hasattr(value, "__len__") else 0.0


def _with_head_off(value: Sequence[Any], head: int) -> list[Any]:
    return [_zeros(part) if number == head else part for number, part in enumerate(value)]


def _with_number(value: Any, index: Sequence[int], number: float) -> Any:
    if not index:
        return number
    return [_with_number(part, index[1:], number) if i == index[0] else part for i, part in enumerate(value)]


def _with_position(value: Any, source: Any, axis: int, to: int, place: int) -> list[Any]:
    if axis:
        return [_with_position(a, b, axis - 1, to, place) for a, b in zip(value, source, strict=True)]
    return [list(source[place]) if number == to else row for number, row in enumerate(value)]
