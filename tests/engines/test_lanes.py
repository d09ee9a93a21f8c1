"""Lanes: packing and unpacking give the same numbers, for every width, number of lanes and byte order."""

from array import array

import pytest
from hypothesis import given
from hypothesis import strategies as st

from starchart.engines.packed.arithmetic import lanes
from starchart.engines.packed.arithmetic.lanes import lanes_to_bytes, ones, pair_bytes, unpack_lanes, word_bits
from tests.engines.big_endian import pretend_big_endian

WIDTHS = range(16, 65, 4)
COUNTS = [0, 1, 2, 3, 8, 17]


def most_bits(width):
    """Return the bits that lanes_to_bytes takes: whole bytes below the next lane."""
    return min(28, 8 * (width // 8))


def integer_of(values, width):
    return sum(value << (width * j) for j, value in enumerate(values))


def with_lanes_of_twice_the_width(values, width):
    """Return the two integers that `unpack_lanes` takes."""
    half = 1 << (word_bits(width) - 1)
    return tuple(integer_of([value + half for value in values[lane::2]], 2 * width) for lane in range(2))


def check_packing(values, width, bits):
    raw = lanes_to_bytes(array("I", values), width, bits)
    assert len(raw) == (len(values) + 1) // 2 * width // 4
    assert int.from_bytes(raw, "little") == integer_of(values, width)


def check_unpacking(values, width):
    words = unpack_lanes(*with_lanes_of_twice_the_width(values, width), width, len(values))
    assert words.tolist() == values
    assert 8 * words.itemsize == word_bits(width)


@pytest.mark.parametrize("width", WIDTHS)
@given(data=st.data())
def test_packing_is_the_sum_of_shifted_lanes(width, data):
    bits = data.draw(st.integers(1, most_bits(width)))
    check_packing(data.draw(st.lists(st.integers(0, (1 << bits) - 1), max_size=19)), width, bits)


@pytest.mark.parametrize("count", COUNTS)
@pytest.mark.parametrize("width", WIDTHS)
def test_packing_the_largest_numbers(width, count):
    for bits in range(1, most_bits(width) + 1):
        check_packing([(1 << bits) - 1] * count, width, bits)


@pytest.mark.parametrize("width", WIDTHS)
@given(data=st.data())
def test_unpacking_finds_every_signed_number(width, data):
    half = 1 << (word_bits(width) - 1)
    check_unpacking(data.draw(st.lists(st.integers(-half, half - 1), max_size=19)), width)


@pytest.mark.parametrize("count", COUNTS)
@pytest.mark.parametrize("width", WIDTHS)
def test_unpacking_the_largest_and_the_smallest_numbers(width, count):
    half = 1 << (word_bits(width) - 1)
    for value in (half - 1, -half, -1, 0, 1):
        check_unpacking([value] * count, width)


@pytest.mark.parametrize("width", WIDTHS)
def test_on_a_big_endian_machine(width, monkeypatch):
    bits = most_bits(width)
    half = 1 << (word_bits(width) - 1)
    small, large = [(n * 0x9E3779B9) % (1 << bits) for n in range(9)], [half - 1, -half, -1, 0, 2, 0x1234567]
    packed = [lanes_to_bytes(array("I", small[:count]), width, bits) for count in (8, 9)]
    pretend_big_endian(monkeypatch, lanes)
    assert [lanes_to_bytes(lanes.array("I", small[:count]), width, bits) for count in (8, 9)] == packed
    for count in (5, 6):
        check_unpacking(large[:count], width)


@pytest.mark.parametrize(("width", "count"), [(1, 1), (32, 5), (104, 2), (4, 100), (20, 0)])
def test_ones(width, count):
    assert ones(width, count) == integer_of([1] * count, width)


def test_sizes():
    assert [(pair_bytes(width), word_bits(width)) for width in (16, 20, 28, 32, 52, 64)] == [
        (4, 32),
        (5, 32),
        (7, 32),
        (8, 64),
        (13, 64),
        (16, 64),
    ]
