"""Addition of matrices, entry by entry: the residual connections of the model.

(a + b)_tc = a_tc + b_tc
"""

from operator import add

from starchart.utils.matrix import Matrix, Vector


def add_matrices(a: Matrix, b: Matrix) -> list[list[float]]:  # [T][C], [T][C] -> [T][C]
    """Return a + b.

    Raises ValueError when the shapes differ: nothing is broadcast.

    >>> add_matrices([[1.0, 2.0]], [[10.0, 20.0]])
    [[11.0, 22.0]]
    """
    return [add_vectors(row, other) for row, other in zip(a, b, strict=True)]


def add_vectors(a: Vector, b: Vector) -> list[float]:  # [C], [C] -> [C]
    """Return a + b. Raises ValueError when the lengths differ."""
    if len(a) != len(b):
        raise ValueError(f"cannot add vectors of {len(a)} and {len(b)} numbers")
    return list(map(add, a, b))
