"""Packing: scales, magnitudes and bounds that are found for all columns at once, against exact arithmetic."""

import struct
from array import array
from fractions import Fraction
from math import inf, isnan, nan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from starchart.engines.packed.arithmetic import lanes as lanes_module
from starchart.engines.packed.arithmetic import quantised_weights
from starchart.engines.packed.arithmetic.packed_matrix import group_sizes
from starchart.engines.packed.arithmetic.quantised_weights import (
    column_scales,
    fewer_bits,
    largest_magnitudes,
    norm_bound,
    pack_rows,
    quantise_rows,
    scale_of,
    transpose_rows,
)
from starchart.errors import CheckpointError
from tests.engines.big_endian import pretend_big_endian
from tests.engines.packed_numbers import LANES, gaussian, most, seeded, square_norms, whole_numbers

CODES = ["f", "d"]
BITS = [8, 10, 13, 25, 27]


def bits_of(number, code):
    return struct.pack("<" + code, number)


def floats(code):
    subnormal = 1e-42 if code == "f" else 5e-324
    special = st.sampled_from([0.0, -0.0, subnormal, -subnormal, 1.0, -1.0])
    return st.one_of(special, st.floats(allow_nan=False, allow_infinity=False, width=32 if code == "f" else 64))


def matrices(code):
    sizes = st.tuples(st.integers(1, 6), st.integers(0, 5))
    return sizes.flatmap(
        lambda size: st.lists(
            st.lists(floats(code), min_size=size[1], max_size=size[1]), min_size=size[0], max_size=size[0]
        )
    )


@pytest.mark.parametrize("code", CODES)
@given(data=st.data())
def test_largest_magnitudes(code, data):
    rows = data.draw(matrices(code))
    largest = largest_magnitudes([array(code, row) for row in rows])
    assert largest.typecode == code
    # Bit by bit: -0.0 would not do.
    expected = [max(abs(row[j]) for row in rows) for j in range(len(rows[0]))]
    assert [bits_of(number, code) for number in largest] == [bits_of(number, code) for number in expected]


@pytest.mark.parametrize("code", CODES)
@pytest.mark.parametrize("bad", [inf, -inf, nan, -nan])
def test_infinities_and_nan_come_out_and_are_refused(bad, code):
    for place in range(3):
        for other in (0.0, -3e38, inf):
            rows = [array(code, [1.0, other, 2.0]) for _ in range(3)]
            rows[place][1] = bad
            one, found, two = largest_magnitudes(rows)
            assert (one, two) == (1.0, 2.0)
            assert isnan(found) if isnan(bad) else found == inf
            with pytest.raises(CheckpointError, match=r"^h\.0\.mlp\.c_fc: .*infinity or NaN"):
                column_scales(rows, 8, "h.0.mlp.c_fc")


def test_lists_of_floats_are_weights_too():
    assert largest_magnitudes([[1.0, -2.5], [-3.0, 1e-300]]).tolist() == [3.0, 2.5]
    assert transpose_rows([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]) == [array("d", pair) for pair in ([1, 4], [2, 5], [3, 6])]
    assert transpose_rows([array("f", [1.0, 2.0])])[1].typecode == "f"


def test_no_rows_and_no_columns():
    assert len(largest_magnitudes([])) == len(largest_magnitudes([array("f")])) == 0
    assert fewer_bits([], 10, 15) == []
    packed = pack_rows([array("I")] * 3, array("d"), 52, 25)
    assert packed.rows == [b""] * 3
    assert pack_rows([], array("d"), 52, 25).rows == []


@pytest.mark.parametrize("bits", BITS)
@pytest.mark.parametrize("code", CODES)
@given(data=st.data())
def test_quantised_weights_are_the_nearest_whole_numbers(code, bits, data):
    rows = [array(code, row) for row in data.draw(matrices(code))]
    scales = column_scales(rows, bits, "layer")
    limit = (1 << (bits - 1)) - 1
    for row, words in zip(rows, quantise_rows(rows, scales, bits), strict=True):
        for weight, scale, word in zip(row, scales, words, strict=True):
            q = word - (1 << (bits - 1))
            assert abs(q) <= limit
            # 1/c and the product are rounded to 53 bits: at a half, that may decide.
            assert abs(q - Fraction(weight) / Fraction(scale)) <= Fraction(1, 2) + Fraction(limit, 1 << 51)


@pytest.mark.parametrize("bits", BITS)
@pytest.mark.parametrize("largest", [0.0, 5e-324, 1e-300, 1e-30, 1.0, 3e38, 1.7e308])
def test_scales(largest, bits):
    scale = scale_of(largest, bits)
    exact = max(Fraction(largest) / ((1 << (bits - 1)) - 1), Fraction(1, 1 << 1000))
    assert abs(Fraction(scale) - exact) <= exact / (1 << 53)
    assert 0 < 1 / scale < inf


def words_of(q, bits):
    return [array("I", [number + (1 << (bits - 1)) for number in row]) for row in q]


@pytest.mark.parametrize("bits", [8, 10, 25])
@given(data=st.data())
def test_the_bound_is_not_below_the_norm_of_any_group(bits, data):
    limit = (1 << (bits - 1)) - 1
    number = st.one_of(st.sampled_from([-limit, limit, 0, -1, 1]), st.integers(-limit, limit))
    columns = data.draw(st.integers(1, 5))
    q = data.draw(st.lists(st.lists(number, min_size=columns, max_size=columns), min_size=1, max_size=9))
    q *= data.draw(st.sampled_from([1, 1, 20]))
    assert norm_bound(words_of(q, bits), group_sizes(len(q)), bits) >= max(square_norms(q))


@pytest.mark.parametrize("bits", [8, 10, 25])
def test_the_bound_of_one_number_and_of_64_equal_ones(bits):
    half = 1 << (bits - 1)
    numbers = range(1 - half, half) if bits < 12 else seeded(bits).sample(range(1 - half, half), 1000)
    for number in [*numbers, half - 1, 1 - half, 0]:
        for count in (1, 64):
            bound = norm_bound(words_of([[number]] * count, bits), [count], bits)
            assert bound >= count * number * number
            # Never below the largest weight of a column: |a_i| is held below an offset with it.
            assert bound >= (half - 1) ** 2


@pytest.mark.parametrize("rows", [64, 200, 768])
@pytest.mark.parametrize("bits", [8, 25])
def test_the_bound_is_close_for_gaussian_weights(bits, rows):
    weight = gaussian(seeded(rows), rows, 40)
    words = quantise_rows(weight, column_scales(weight, bits, "layer"), bits)
    truth = max(square_norms([[word - (1 << (bits - 1)) for word in row] for row in words]))
    assert truth <= norm_bound(words, group_sizes(rows), bits) <= 1.1**2 * truth


def test_the_bound_sees_every_column_and_every_group():
    for place in range(7):
        for row in (0, 63, 64, 129):
            q = [[1] * 7 for _ in range(130)]
            q[row][place] = (1 << 24) - 1
            assert norm_bound(words_of(q, 25), group_sizes(130), 25) >= max(square_norms(q))


def rounded_shift(number, dropped):
    """Return number / 2^dropped, halves rounded up."""
    return (2 * number + (1 << dropped)) // (2 << dropped)


@pytest.mark.parametrize(("bits", "dropped"), [(10, 15), (4, 3), (8, 17), (12, 1)])
@given(data=st.data())
def test_numbers_of_fewer_bits_are_rounded(bits, dropped, data):
    half = 1 << (bits + dropped - 1)
    numbers = st.one_of(st.sampled_from([half - 1, 1 - half, 0]), st.integers(1 - half, half - 1))
    halves = st.integers(-(1 << (bits - 1)), (1 << (bits - 1)) - 1).map(lambda n: (2 * n + 1) << (dropped - 1))
    row = data.draw(st.lists(st.one_of(numbers, halves), min_size=1, max_size=9))
    narrow = fewer_bits([array("I", [number + half for number in row])] * 2, bits, dropped)
    expected = [rounded_shift(number, dropped) + (1 << (bits - 1)) for number in row]
    assert [words.tolist() for words in narrow] == [expected] * 2
    assert max(expected) < 2 << bits


@pytest.mark.parametrize("lanes", LANES.values(), ids=str)
@pytest.mark.parametrize("columns", [1, 2, 7])
def test_packed_rows(lanes, columns):
    q = whole_numbers(seeded(columns), 5, columns, most(lanes))
    words = words_of(q, lanes.weight_bits)
    packed = pack_rows(words, array("d", [1.0] * columns), lanes.width, lanes.weight_bits + 1)
    for row, numbers in zip(packed.rows, words, strict=True):
        expected = sum(word << (lanes.width * j) for j, word in enumerate(numbers))
        assert int.from_bytes(row, "little") == expected


def test_on_a_big_endian_machine(monkeypatch):
    weight = gaussian(seeded(0), 70, 9, "d")
    words = quantise_rows(weight, column_scales(weight, 25, "layer"), 25)

    def everything():
        own_words = [quantised_weights.array("I", row) for row in words]
        return [
            list(largest_magnitudes([quantised_weights.array("d", row) for row in weight])),
            norm_bound(own_words, [64, 6], 25),
            [list(row) for row in fewer_bits(own_words, 10, 15)],
            pack_rows(own_words, array("d", [1.0] * 9), 52, 25).rows,
        ]

    expected = everything()
    pretend_big_endian(monkeypatch, quantised_weights, lanes_module)
    assert everything() == expected
