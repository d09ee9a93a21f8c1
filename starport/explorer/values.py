"""The answer to `values`: a value, a weight or a derived value, whole or in part."""

from typing import Any

from starchart.errors import RequestError
from starchart.files.json_file import shown
from starport.explorer.plain_data import count_of, plain_numbers
from starport.explorer.question import Question

MOST_NUMBERS = 2_000_000  # in one answer


def values_answer(question: Question) -> dict[str, Any]:
    """Return a value, or the part of it that `at` names."""
    request, weights = question.request, question.model.weights
    name = request.text("name")
    if name in weights.tensors:
        shape, values = weights.tensors[name].shape, weights[name]
    else:
        trace = question.trace
        if name not in trace.values:
            raise RequestError(f"no value is called {shown(name)}; docs/NAMES.md lists the names")
        shape, values = trace.values[name].shape, trace.values[name]
    at = request.index("at", shape, [], whole=False)
    if count_of(shape[len(at) :]) > MOST_NUMBERS:
        raise RequestError(f"{name} has {count_of(shape)} numbers; at most {MOST_NUMBERS} are given at once: use at")
    for place in at:
        values = values[place]
    return {"name": name, "shape": list(shape), "at": list(at), "values": plain_numbers(values)}
