"""Matrix operations against NumPy, exact fractions, and by hand."""

import math
from array import array
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from starchart.utils.add_matrices import add_matrices
from starchart.utils.matrix_multiply import dot_product, matrix_multiply, multiply_transposed
from starchart.utils.transpose_matrix import transpose_matrix

random = np.random.default_rng(8)
SHAPES = [(1, 1, 1), (1, 5, 3), (4, 1, 2), (7, 3, 5)]

numbers = st.floats(-1e150, 1e150, allow_subnormal=False).filter(
    lambda x: x == 0 or abs(x) > 1e-140
)  # products stay normal


def test_a_sum_beyond_the_range_is_nan():
    for a, b in [([1e200, 1.0], [1e200, 1.0]), ([1e308] * 2, [1.0] * 2), ([1e200, -1e200], [1e200, 1e200])]:
        assert not math.isfinite(dot_product(a, b))


@given(st.lists(st.tuples(numbers, numbers), max_size=40))
def test_dot_product_keeps_its_bound(pairs):
    a, b = [x for x, _ in pairs], [y for _, y in pairs]
    exact = sum((Fraction(x) * Fraction(y) for x, y in pairs), Fraction(0))
    size = sum((abs(Fraction(x) * Fraction(y)) for x, y in pairs), Fraction(0))
    assert abs(Fraction(dot_product(a, b)) - exact) <= size / 2**52  # the bound of docs/BOUNDS.md


def test_dot_product_is_no_naive_sum():
    a, b = [1e16, 1.0, -1e16], [1.0, 1.0, 1.0]
    assert dot_product(a, b) == 1.0  # adding from the left gives 0.0


def test_the_order_of_the_terms_changes_no_bit():
    a, b = random.normal(size=200), random.normal(size=200)
    order = random.permutation(200)
    assert dot_product(a.tolist(), b.tolist()) == dot_product(a[order].tolist(), b[order].tolist())


@pytest.mark.parametrize(("t", "c", "n"), SHAPES)
def test_matrix_multiply(t, c, n):
    a, b = random.normal(size=(t, c)), random.normal(size=(c, n))
    # 5 terms of about 1: NumPy errs by less than 5 * 5 * 2^-53.
    np.testing.assert_allclose(matrix_multiply(a.tolist(), b.tolist()), a @ b, rtol=0, atol=1e-14)
    np.testing.assert_allclose(multiply_transposed(a.tolist(), b.T.tolist()), a @ b, rtol=0, atol=1e-14)


@pytest.mark.parametrize(("t", "c", "_"), SHAPES)
def test_transpose_and_add_are_numpys_bits(t, c, _):
    a, b = random.normal(size=(t, c)), random.normal(size=(t, c))
    np.testing.assert_array_equal(transpose_matrix(a.tolist()), a.T)
    np.testing.assert_array_equal(add_matrices(a.tolist(), b.tolist()), a + b)


def test_rows_may_be_arrays():
    weight = [array("f", [1.0, 2.0, 0.5]), array("f", [3.0, 4.0, -2.0])]
    assert matrix_multiply([[1.0, 2.0]], weight) == [[7.0, 10.0, -3.5]]
    assert transpose_matrix(weight) == [[1.0, 3.0], [2.0, 4.0], [0.5, -2.0]]


def test_a_ragged_matrix_has_no_product():
    with pytest.raises(ValueError, match=r"shorter|longer"):
        matrix_multiply([[1.0, 2.0]], [[1.0, 2.0], [3.0]])


@pytest.mark.parametrize("other", [[[1.0]], [[1.0, 2.0, 3.0]], [[1.0, 2.0], [3.0, 4.0]]], ids=str)
def test_nothing_is_broadcast(other):
    with pytest.raises(ValueError, match=r"numbers|argument 2"):
        add_matrices([[1.0, 2.0]], other)


def test_a_ragged_matrix_has_no_transpose():
    with pytest.raises(ValueError, match=r"shorter|longer"):
        transpose_matrix([[1.0, 2.0], [3.0]])


def test_signed_zero_survives_addition():
    assert math.copysign(1, add_matrices([[-0.0]], [[-0.0]])[0][0]) == -1
