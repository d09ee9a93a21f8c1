"""Matrix products.

    matrix_multiply(a, b)_tn     = sum_i a_ti b_in     a b: activations times weights, pattern times values
    multiply_transposed(a, b)_tn = sum_i a_ti b_ni     a b^T: queries times keys, the last hidden state times wte

Each number is the correctly rounded sum of its rounded products. So the order of the terms does not matter, and
cached and uncached attention have the same bits.
"""

from operator import mul

from starchart.utils.exact_sum import exact_sum
from starchart.utils.matrix import Matrix, Vector
from starchart.utils.transpose_matrix import transpose_matrix


def matrix_multiply(a: Matrix, b: Matrix) -> list[list[float]]:  # [T][C], [C][N] -> [T][N]
    """Return a b.

    >>> matrix_multiply([[1.0, 2.0]], [[3.0, 4.0], [5.0, 6.0]])
    [[13.0, 16.0]]
    """
    # Column by column: with a list of all columns of a large b, one row would take 1.5 times as long.
    return transpose_matrix([[dot_product(row, column) for row in a] for column in zip(*b, strict=True)])


def multiply_transposed(a: Matrix, b: Matrix) -> list[list[float]]:  # [T][C], [N][C] -> [T][N]
    """Return a b^T: entry [t][n] is row t of `a` times row n of `b`.

    >>> multiply_transposed([[1.0, 2.0]], [[3.0, 4.0], [5.0, 6.0], [7.0, 8.0]])
    [[11.0, 17.0, 23.0]]
    """
    return [[dot_product(row, other) for other in b] for row in a]


def dot_product(a: Vector, b: Vector) -> float:  # [C], [C] -> scalar
    """Return sum_i a_i b_i.

    Error: at most 2^-52 sum_i |a_i b_i|, and 2^-1074 more for each product below 2^-1022; proof in
    docs/BOUNDS.md#dot_product.

    >>> dot_product([1e16, 1.0, -1e16], [1.0, 3.0, 1.0])
    3.0
    """
    return exact_sum(map(mul, a, b))
