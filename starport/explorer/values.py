"""The answer to `values`: a value, a weight or a derived value, whole or in part."""

from typing import Any

from starchart.errors import RequestError
from starport.explorer.names import part_of, shape_of
from starport.explorer.plain_data import count_of, plain_numbers
from starport.explorer.question import Question

MOST_NUMBERS = 2_000_000  # in one answer
_MOST_LOGITS = 64  # of which contributions are given at once: those of one take up to a second


def values_answer(question: Question) -> dict[str, Any]:
    """Return a value, or the part of it that `at` names."""
    name = question.request.text("name")
    shape = shape_of(question, name)
    at = question.request.index("at", shape, [], whole=False)
    if (count := count_of(shape[len(at) :])) > MOST_NUMBERS:
        raise RequestError(f"{name} has {count} numbers here; at most {MOST_NUMBERS} are given at once: use at")
    if name.startswith("contribution."):
        letters = question.model.derived[name].shape[len(at) :]
        logits = count_of([size for size, letter in zip(shape[len(at) :], letters, strict=True) if letter in "TV"])
        if logits > _MOST_LOGITS:
            raise RequestError(f"{name} is of {logits} logits here; at most {_MOST_LOGITS} are given at once: use at")
    return {"name": name, "shape": list(shape), "at": list(at), "values": plain_numbers(part_of(question, name, at))}
