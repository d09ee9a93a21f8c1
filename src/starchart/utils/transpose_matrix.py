"""Rows become columns."""

from array import array

from starchart.utils.matrix import Matrix, Vector


def transpose_matrix(matrix: Matrix) -> list[list[float]]:  # [T][C] -> [C][T]
    """Return the transpose.

    >>> transpose_matrix([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    [[1.0, 4.0], [2.0, 5.0], [3.0, 6.0]]
    """
    return [list(column) for column in zip(*matrix, strict=True)]


def transpose_weights(weight: Matrix) -> list[Vector]:  # [in][out] -> [out][in]
    """Return the transpose as arrays of the same number type, without making a Python object for every number.

    A matrix of 124 million float objects would take 4 GB; arrays of C floats take 0.5 GB and are cut by slices.
    """
    flat = array(getattr(weight[0], "typecode", "d"))
    for row in weight:
        flat.extend(row)
    width = len(weight[0])
    return [flat[column::width] for column in range(width)]
