"""How far values are from the truth."""

from math import inf, nan

import mpmath
import numpy as np
import pytest

from starport.verify.distance import distance, distances, first_beyond, same_bits, worst_by_peer


def test_in_parts_of_the_largest_number():
    assert distance([[1.0, -8.0]], [[1.5, -8.0]]) == 0.5 / 8
    assert distance(np.float32([3.0]), np.float64([4.0])) == 0.25


def test_in_numbers_of_any_length():
    truth = np.array([mpmath.mpf(1) / 2], dtype=object)
    assert distance([0.5], truth) == 0.0
    assert distance([0.75], truth) == 0.5


@pytest.mark.parametrize("value", [[[1.0]], [1.0], [1.0, 2.0, 3.0], [nan, 2.0], [1.0, inf]], ids=str)
def test_another_shape_or_no_number_is_infinitely_far(value):
    assert distance(value, [1.0, 2.0]) == inf


def test_zeros():
    assert distance([0.0], [0.0]) == 0.0
    assert distance([1e-300], [0.0]) == inf


def test_a_missing_value_is_infinitely_far():
    assert distances({"a": [1.0]}, {"a": [1.0], "b": [1.0]}) == {"a": 0.0, "b": inf}


def test_the_first_in_order_and_not_the_farthest():
    assert first_beyond({"a": 1e-13, "b": 1e-3, "c": 1.0}, 1e-12) == "b"
    assert first_beyond({"a": 1e-13, "b": nan}, 1e-12) == "b"
    assert first_beyond({"a": 1e-13}, 1e-12) is None


def test_bits():
    assert same_bits([[1.0, -0.0]], np.array([[1.0, -0.0]]))
    assert not same_bits([0.0], [-0.0])
    assert not same_bits([[1.0, 2.0]], [1.0, 2.0])


def test_the_worst_of_all_cases():
    assert worst_by_peer([{"a": 1.0, "b": 0.0}, {"a": 0.5, "b": 2.0}]) == {"a": 1.0, "b": 2.0}
