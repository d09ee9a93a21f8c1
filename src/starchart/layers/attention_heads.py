"""Heads: C channels seen as H groups of D, each of which attends by itself.

Head h owns channels h D to (h + 1) D - 1. Source: Vaswani et al. 2017, section 3.2.2.
"""

from collections.abc import Sequence

from starchart.utils.matrix import Matrix


def split_heads(x: Matrix, n_head: int) -> list[list[list[float]]]:  # [T][C] -> [H][T][D]
    """Return the channels of every head.

    >>> split_heads([[1.0, 2.0, 3.0, 4.0]], 2)
    [[[1.0, 2.0]], [[3.0, 4.0]]]
    """
    size = len(x[0]) // n_head
    return [[list(row[start : start + size]) for row in x] for start in range(0, n_head * size, size)]


def join_heads(heads: Sequence[Matrix]) -> list[list[float]]:  # [H][T][D] -> [T][C]
    """Return the channels side by side again.

    >>> join_heads([[[1.0, 2.0]], [[3.0, 4.0]]])
    [[1.0, 2.0, 3.0, 4.0]]
    """
    return [[value for part in parts for value in part] for parts in zip(*heads, strict=True)]
