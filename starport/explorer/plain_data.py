"""Numbers as JSON can hold them: NaN and infinities become texts, everything else stays what it is."""

from collections.abc import Sequence
from math import inf, isfinite, nan
from typing import Any

SPECIAL = {"NaN": nan, "Infinity": inf, "-Infinity": -inf}


def plain_number(value: float) -> float | str:
    """Return a float, or the name of NaN or an infinity.

    >>> plain_number(0.5), plain_number(float("-inf"))
    (0.5, '-Infinity')
    """
    if isfinite(value):
        return value
    return "NaN" if value != value else "Infinity" if value > 0 else "-Infinity"


def plain_numbers(values: Any) -> Any:
    """Return nested sequences of floats as nested lists for JSON."""
    if isinstance(values, float | int):
        return plain_number(values)
    if not len(values) or isinstance(values[0], float | int):
        return list(values) if all(map(isfinite, values)) else [plain_number(value) for value in values]
    return [plain_numbers(part) for part in values]


def count_of(shape: Sequence[int]) -> int:
    """Return how many numbers a value of this shape has."""
    count = 1
    for size in shape:
        count *= size
    return count
