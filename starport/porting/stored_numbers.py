"""The numbers of a value as a file holds them, row by row, and what an index says about them."""

from array import array
from collections.abc import Iterator
from hashlib import sha256
from itertools import chain, islice
from math import inf, isnan, nan
from typing import Any

from starchart.checkpoints.numbers.bfloat16 import little_endian
from starchart.utils.exact_sum import exact_sum
from starport.explorer.plain_data import plain_number

DTYPES = {"f64": "F64", "f32": "F32"}  # the choices of --dtype, by the name that safetensors gives them
_LETTERS = {"F64": "d", "F32": "f"}
_FIRST = 8


def stored_rows(value: Any, dtype: str) -> Iterator["array[float]"]:  # [..][n] -> arrays of n numbers
    """Yield the rows of nested lists, in C order. For F32 each number is rounded once; a too large one is infinite.

    >>> list(stored_rows([[[0.5], [0.1]], [[1e300], [2.0]]], "F32"))[1:3]
    [array('f', [0.10000000149011612]), array('f', [inf])]
    """
    if hasattr(value[0], "__len__"):
        for part in value:
            yield from stored_rows(part, dtype)
    else:
        yield array(_LETTERS[dtype], value)


def summary(value: Any, dtype: str) -> dict[str, Any]:
    """Return what identifies the numbers of a value, as they are stored, in a form for JSON.

    `sha256` is that of the bytes, little-endian, in C order. `sum` is the exact sum, rounded once. If a number is NaN,
    `minimum` and `maximum` are NaN too, as in NumPy.

    >>> summary([[2.0, float("inf")], [-1.0, 0.5]], "F64")["sum"]
    'Infinity'
    """
    digest, least, largest, has_nan = sha256(), inf, -inf, False
    for row in stored_rows(value, dtype):
        digest.update(little_endian(row))
        has_nan = has_nan or any(map(isnan, row))
        least, largest = min(least, *row), max(largest, *row)
    return {
        "sha256": digest.hexdigest(),
        "sum": plain_number(exact_sum(_numbers(value, dtype))),
        "minimum": plain_number(nan if has_nan else least),
        "maximum": plain_number(nan if has_nan else largest),
        "first": [plain_number(number) for number in islice(_numbers(value, dtype), _FIRST)],
    }


def _numbers(value: Any, dtype: str) -> Iterator[float]:
    return chain.from_iterable(stored_rows(value, dtype))
