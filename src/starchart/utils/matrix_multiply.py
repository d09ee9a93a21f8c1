"""Matrix products, each number the correctly rounded sum of its rounded products.

Every product of GPT-2 is rows against rows: a row of activations against a column of weights, a query against a key. So
`multiply_transposed` is the one that the engine runs; `matrix_multiply` is the textbook form over it.
"""

from operator import mul

from starchart.utils.exact_sum import exact_sum
from starchart.utils.matrix import Matrix, Vector
from starchart.utils.transpose_matrix import transpose_matrix


def dot_product(a: Vector, b: Vector) -> float:  # [C], [C] -> scalar
    """Return sum_i a_i b_i.

    The error is at most 2^-52 S, S = sum_i |a_i b_i|, and n 2^-1074 more if n of the products are below 2^-1022, where
    floats have fewer bits. Proof: let u = 2^-53 and v = u/(1 + u). A rounded number differs from t by at most v |t|
    (Knuth, The Art of Computer Programming, volume 2, 4.2.2), or by 2^-1075 if it is below 2^-1022. So the rounded
    products p_i are off by v S + n 2^-1075 together, and their exact sum is at most sum|p_i| <= (1 + v) S + n 2^-1075
    in size. `exact_sum` rounds it once, by v of it, or not at all below 2^-1022, since floats are multiples of 2^-1074.
    In all v (2 + v) S + (1 + v) n 2^-1075, where v (2 + v) = u (2 + 3u)/(1 + u)^2 <= 2u and (1 + v)/2 < 1.

    The order of the terms does not matter, which is why cached and uncached attention agree to the bit.

    >>> dot_product([1e16, 1.0, -1e16], [1.0, 3.0, 1.0])
    3.0
    """
    return exact_sum(map(mul, a, b))


def multiply_transposed(a: Matrix, b: Matrix) -> list[list[float]]:  # [T][C], [N][C] -> [T][N]
    """Return a b^T: entry [t][n] is row t of `a` times row n of `b`.

    >>> multiply_transposed([[1.0, 2.0]], [[3.0, 4.0], [5.0, 6.0], [7.0, 8.0]])
    [[11.0, 17.0, 23.0]]
    """
    return [[dot_product(row, other) for other in b] for row in a]


def matrix_multiply(a: Matrix, b: Matrix) -> list[list[float]]:  # [T][C], [C][N] -> [T][N]
    """Return a b.

    >>> matrix_multiply([[1.0, 2.0]], [[3.0, 4.0], [5.0, 6.0]])
    [[13.0, 16.0]]
    """
    return multiply_transposed(a, transpose_matrix(b))
