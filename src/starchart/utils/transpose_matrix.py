"""Rows become columns.

(m^T)_ct = m_tc
"""

from starchart.utils.matrix import Matrix


def transpose_matrix(matrix: Matrix) -> list[list[float]]:  # [T][C] -> [C][T]
    """Return the transpose. Raises ValueError when rows differ in length.

    >>> transpose_matrix([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    [[1.0, 4.0], [2.0, 5.0], [3.0, 6.0]]
    """
    return [list(column) for column in zip(*matrix, strict=True)]
