"""The answer to `values`: a value, a weight or a derived value, whole or in part."""

from typing import Any

from starchart.errors import RequestError
from starport.explorer.names import part_of, shape_of
from starport.explorer.plain_data import count_of, plain_numbers
from starport.explorer.question import Question

MOST_NUMBERS = 2_000_000  # in one answer
_MOST_DERIVED = 4096  # contributions: each takes a millisecond


def values_answer(question: Question) -> dict[str, Any]:
    """Return a value, or the part of it that `at` names."""
    name = question.request.text("name")
    shape = shape_of(question, name)
    at = question.request.index("at", shape, [], whole=False)
    most = _MOST_DERIVED if name.startswith("contribution.") else MOST_NUMBERS
    if (count := count_of(shape[len(at) :])) > most:
        raise RequestError(f"{name} has {count} numbers here; at most {most} are given at once: use at")
    return {"name": name, "shape": list(shape), "at": list(at), "values": plain_numbers(part_of(question, name, at))}
