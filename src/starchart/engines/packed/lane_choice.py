"""How wide the lanes of a matrix are: chosen from its weights when it is packed.

The scale of a column comes from its largest weight. With p the largest weight divided by the root mean square of the
column, the error of a product by rounding the weights is p / (2^(b-1) sqrt(12)) of its size. A normal distribution has
p^2 = 11 for 768 rows; heavy tails have 100 and more, and get wider lanes with more bits. So do matrices of few rows,
where the error of float32, with which ours is compared, is smaller.
"""

from collections.abc import Mapping, Sequence
from math import inf
from operator import mul
from typing import Any

from starchart.checkpoints.stored_tensor import StoredTensor, rows_of
from starchart.engines.packed.arithmetic.lanes import Lanes
from starchart.engines.packed.slices import OUTPUT_PROJECTION
from starchart.utils.exact_sum import exact_sum
from starchart.utils.matrix import Matrix, Vector

FEW_ROWS = 512
HEAVY_TAILS = 20.0  # mean of p^2
_SAMPLE = 64  # columns


def lanes_by_name(
    layers: Mapping[str, Any], vocabulary: Any, choices: Sequence[Lanes]
) -> dict[str, Lanes]:  # [in][out] each, [V][C]
    """Return the lanes of every matrix of a model: the second of `choices` where the first one has too few bits."""
    chosen = {name: _choice(_some_columns(matrix), choices) for name, matrix in layers.items()}
    return {**chosen, OUTPUT_PROJECTION.name: _choice(_some_rows(vocabulary), choices)}


def _choice(columns: Sequence[Vector], choices: Sequence[Lanes]) -> Lanes:
    narrow, *wider = choices
    return wider[0] if wider and (len(columns[0]) < FEW_ROWS or spread(columns) > HEAVY_TAILS) else narrow


def spread(columns: Sequence[Vector]) -> float:
    """Return the mean of p^2 over some columns; a column of zeros counts as 0.0. NaN and infinity are refused later."""
    found = []
    for column in columns:
        largest = max(map(abs, column))
        if 0.0 < largest < inf:
            parts = [value / largest for value in column]
            found.append(len(parts) / exact_sum(map(mul, parts, parts)))
    return exact_sum(found) / len(columns)


def _some_columns(matrix: Matrix) -> list[Vector]:  # [in][out] -> [64][in]
    """Return columns at equal distances."""
    rows = [row[:: max(1, len(row) // _SAMPLE)] for row in rows_of(matrix)]
    return list(zip(*rows, strict=True))


def _some_rows(table: Any) -> list[Vector]:  # [V][C] -> [64][C]
    """Return rows at equal distances."""
    count = table.shape[0] if isinstance(table, StoredTensor) else len(table)
    return [row for n in range(0, count, max(1, count // _SAMPLE)) for row in rows_of(table, n, n + 1)]
