"""Embedding lookup: an id picks a row of a table.

    x_t = table[id_t]

GPT-2 has two tables: wte, a row for every token, and wpe, a row for every position. Source: Radford et al. 2018,
section 3.1, W_e and W_p.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from starchart.utils.matrix import Matrix


def embed(ids: Sequence[int], table: Matrix) -> list[list[float]]:  # [T], [rows][C] -> [T][C]
    """Return row ids[t] of `table` for every t, with the same bits.

    >>> embed([2, 0], [[0.1, 0.2], [0.3, 0.4], [0.5, 0.6]])
    [[0.5, 0.6], [0.1, 0.2]]
    """
    return [list(table[index]) for index in ids]


@dataclass(frozen=True)
class EmbeddingWeights:
    """A table of rows: one for every token (wte, lm_head) or every position (wpe)."""

    weight: Annotated[Matrix, "rows", "C"]
