"""Lanes: what goes in comes out, whatever the width and the number."""

from array import array

import pytest
from hypothesis import given
from hypothesis import strategies as st

from starchart.engines.packed.lanes import ones, pack_lanes, unpack_lanes

WIDTHS = [20, 22, 24, 26, 30, 32, 45, 48, 56, 60, 64]


@pytest.mark.parametrize("width", WIDTHS)
@given(data=st.data())
def test_packing_is_the_sum_of_shifted_lanes(width, data):
    values = data.draw(st.lists(st.integers(0, (1 << min(width, 32)) - 1), max_size=19))
    assert pack_lanes(array("I", values), width) == sum(value << (width * j) for j, value in enumerate(values))


@pytest.mark.parametrize("width", WIDTHS)
@given(data=st.data())
def test_unpacking_finds_every_signed_value(width, data):
    half = 1 << (width - 1)
    values = data.draw(st.lists(st.integers(-half, half - 1), min_size=1, max_size=19))
    packed = sum((value + half) << (width * j) for j, value in enumerate(values))
    assert unpack_lanes(packed, width, len(values)).tolist() == values
    assert unpack_lanes(packed, width, len(values) - 1).tolist() == values[:-1]  # lanes above are left alone


@pytest.mark.parametrize(("width", "count"), [(1, 1), (30, 5), (60, 1), (7, 100)])
def test_ones(width, count):
    assert ones(width, count) == sum(1 << (width * j) for j in range(count))
