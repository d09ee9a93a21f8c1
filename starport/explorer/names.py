"""From a name to its shape and its numbers, whether it is a weight, a value of the run or a derived value."""

from collections.abc import Sequence
from typing import Any

from starchart.errors import RequestError
from starchart.files.json_file import shown
from starport.explorer.question import Question
from starport.terminal.suggestions import did_you_mean


def shape_of(question: Question, name: str) -> tuple[int, ...]:
    """Return the shape of what has this name. Raises RequestError for an unknown name."""
    model = question.model
    if name in model.weights.tensors:
        return model.weights.tensors[name].shape
    if name not in model.graph and name not in model.derived:
        known = (*model.graph, *model.derived, *model.weights)
        raise RequestError(f"nothing is called {shown(name)}; {did_you_mean(name, known) or 'docs/NAMES.md has names'}")
    return model.shape(name, len(question.trace.ids))


def part_of(question: Question, name: str, at: Sequence[int]) -> Any:
    """Return the part of a weight, a value or a derived value that `at`, the beginning of an index, names."""
    weights = question.model.weights
    return place(weights[name] if name in weights.tensors else question.trace.derived[name], at)


def place(values: Any, at: Sequence[int]) -> Any:
    """Return the part of nested sequences at an index."""
    for number in at:
        values = values[number]
    return values
