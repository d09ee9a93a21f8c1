"""The packed product against exact rational arithmetic, at the bound that its roundings allow."""

from array import array
from fractions import Fraction
from math import inf, nan

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from starchart.engines.packed.packed_engine import FAST, FULL
from starchart.engines.packed.packed_matrix import Lanes, multiply, pack_matrix, quantise, quantise_weights, scale_of
from starchart.errors import GenerationError

ALL_LANES = [FULL, FAST, Lanes(64, 27), Lanes(48, 19), Lanes(22, 8)]
magnitudes = st.floats(1e-30, 1e30).flatmap(lambda size: st.sampled_from([size, -size, 0.0, -0.0, size / 3]))


def exact_product(x, weight):
    return [
        sum(Fraction(a) * Fraction(row[j]) for a, row in zip(x, weight, strict=True)) for j in range(len(weight[0]))
    ]


def bound(x, weight, lanes, j):
    """Return how far the roundings may lead: half a step for every weight and every number of the vector.

    A step of column j is c_j = max_i |w_ij| / (2^(b-1) - 1), one of the vector 2^-e; and the result is rounded thrice.
    """
    _, exponent = quantise(x, lanes)
    step_x = Fraction(1, 1 << exponent) if exponent >= 0 else Fraction(1 << -exponent)
    largest = max(abs(Fraction(row[j])) for row in weight)
    step_w = largest / ((1 << (lanes.weight_bits - 1)) - 1)
    total_x = sum(abs(Fraction(a)) for a in x) + len(x) * step_x / 2
    rounding = Fraction(4, 1 << 52) * (total_x * largest + step_x)
    return total_x * step_w * Fraction(501, 1000) + len(x) * step_x / 2 * largest + rounding


@pytest.mark.parametrize("lanes", ALL_LANES, ids=str)
@settings(deadline=None, max_examples=60)
@given(data=st.data())
def test_products_stay_within_the_bound(lanes, data):
    rows, columns = data.draw(st.integers(1, 9)), data.draw(st.integers(1, 7))
    numbers = data.draw(st.sampled_from([magnitudes, st.floats(-1, 1, width=32), st.sampled_from([0.0, 1e-30, 1e30])]))
    x = data.draw(st.lists(numbers, min_size=rows, max_size=rows))
    weight = [array("d", data.draw(st.lists(numbers, min_size=columns, max_size=columns))) for _ in range(rows)]
    result = multiply(x, pack_matrix(weight, lanes, block_size=3))
    for j, truth in enumerate(exact_product(x, weight)):
        assert abs(Fraction(result[j]) - truth) <= bound(x, weight, lanes, j)


@pytest.mark.parametrize("lanes", [FULL, FAST], ids=str)
def test_blocks_change_no_bit(lanes):
    weight = [array("f", [((i * 37 + j * 101) % 97) / 97 - 0.4 for j in range(50)]) for i in range(33)]
    x = [((i * 53) % 31) / 31 - 0.5 for i in range(33)]
    assert len({tuple(multiply(x, pack_matrix(weight, lanes, size))) for size in (1, 2, 7, 49, 50, 51, 1536)}) == 1


@pytest.mark.parametrize("lanes", ALL_LANES, ids=str)
@given(x=st.lists(st.floats(-1e30, 1e30), min_size=1, max_size=50))
def test_no_lane_can_overflow(lanes, x):
    a, _ = quantise(x, lanes)
    assert all(abs(number) < 1 << 30 for number in a)  # one digit of CPython's integers
    largest = sum(map(abs, a)) * ((1 << lanes.weight_bits) - 1)  # |T_j| at the worst
    assert largest < 1 << (lanes.width - 1)
    assert (1 << (lanes.width - 1)) + largest < 1 << lanes.width


@pytest.mark.parametrize("lanes", ALL_LANES, ids=str)
@given(row=st.lists(st.floats(-1e30, 1e30), min_size=1, max_size=30))
def test_weights_are_between_zero_and_two_to_the_bits(lanes, row):
    scale = scale_of(max(map(abs, row)), lanes.weight_bits)
    numbers = quantise_weights(row, [1 / scale] * len(row), lanes.weight_bits)
    assert all(0 < u < 1 << lanes.weight_bits for u in numbers)


@pytest.mark.parametrize("lanes", ALL_LANES, ids=str)
@given(x=st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=50), zeros=st.integers(1, 3000))
def test_zeros_change_nothing(lanes, x, zeros):
    a, exponent = quantise(x, lanes)
    assert quantise(x + [0.0] * zeros, lanes) == (a + [0] * zeros, exponent)


@pytest.mark.parametrize("x", [[inf, 1.0], [-inf], [nan, 2.0], [1e308, 1e308]], ids=str)
def test_numbers_that_are_none_are_refused(x):
    with pytest.raises(GenerationError, match="overflow"):
        quantise(x, FULL)
