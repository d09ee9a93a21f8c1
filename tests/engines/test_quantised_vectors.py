"""Vectors as whole numbers: the scale leaves every lane room, and nothing but half a step is lost."""

from array import array
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from math import exp, inf, isqrt, nan, sqrt

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from starchart.engines.packed.arithmetic.packed_matrix import group_sizes, in_groups
from starchart.engines.packed.arithmetic.packed_product import apply, multiply, products
from starchart.engines.packed.arithmetic.quantised_vectors import (
    VectorScales,
    fits,
    group_norms,
    round_for,
    round_vector,
    scale_for,
    vector_scales,
)
from starchart.errors import GenerationError
from tests.engines.packed_numbers import (
    LANES,
    exact_product,
    gaussian,
    large_numbers,
    most,
    pack_weights,
    product,
    seeded,
)

EVERY = pytest.mark.parametrize("lanes", LANES.values(), ids=str)
BOTH = pytest.mark.parametrize("lanes", [LANES["full"], LANES["fast"]], ids=str)


def cut_rows(matrix, start, stop):
    """Return the blocks of a matrix with some of its groups alone."""
    return [replace(block, groups=block.groups[start // 64 : stop // 64]) for block in matrix.blocks]


def square_norm(x):
    """Return the largest sum of squares of a group."""
    squares = [Fraction(value) ** 2 for value in x]
    return max(sum(squares[start : start + 64]) for start in range(0, len(x), 64))


@pytest.mark.parametrize("size", [1, 2, 63, 64, 65, 128, 300])
@pytest.mark.parametrize("scale", [1.0, 1e-30, 1e30, 1e-120, 1e120])
def test_the_norm_is_that_of_the_largest_group(size, scale):
    rng = seeded(size, scale)
    for _ in range(20):
        x = [scale * rng.gauss(0, 1) * rng.choice((1, 1, 1e-9, 100)) for _ in range(size)]
        norm, truth = Fraction(max(group_norms(x, group_sizes(size), "layer"))), square_norm(x)
        # Squares, their sum and the root are rounded once each: 2^-53 (1/2 + 1/2 + 1) of the norm, within 1e-15.
        error = Fraction(1, 1 << 52) * (1 + Fraction(1, 1 << 40))
        assert (1 - error) ** 2 * truth <= norm**2 <= (1 + error) ** 2 * truth


@pytest.mark.parametrize("scale", [5e-324, 1e-310, 1e-250, 1e-200, 1e-140, 1e140, 1e200, 1e299])
def test_norms_at_the_ends_are_never_too_small(scale):
    rng = seeded(scale)
    for size in (1, 64, 70):
        x = [0.0, *[scale * rng.uniform(-1, 1) for _ in range(size - 1)], scale]
        norm = Fraction(max(group_norms(x, group_sizes(len(x)), "layer")))
        assert square_norm(x) <= norm**2 <= 64 * square_norm(x)


@BOTH
@pytest.mark.parametrize("scale", [1e-260, 1e-200, 1e-137, 1e-135, 1e135, 1e137, 1e200, 1e250])
def test_products_of_tiny_and_huge_vectors(scale, lanes):
    """Also of vectors with a part that is tiny, or huge, and others that are not."""
    rng = seeded(scale)
    weight = gaussian(rng, 70, 5)
    matrix, bound, _ = pack_weights(weight, lanes)
    for shape in ([scale] * 70, [scale] * 64 + [1.0] * 6, [1.0] * 69 + [scale]):
        x = [rng.gauss(0, 1) * factor for factor in shape]
        result, _ = product(x, matrix, bound)
        length = Fraction(sqrt(square_norm([Fraction(value) / Fraction(max(shape)) for value in x]))) * max(shape)
        for found, truth, column in zip(result, exact_product(x, weight), zip(*weight, strict=True), strict=True):
            size = Fraction(sqrt(sum(value * value for value in column))) * length
            # |x| |w_j| times a step: at most 2^-(L-1-b) for x, 8 times as much at the ends, and about 2^-b for w_j.
            steps = Fraction(16 * 8, 1 << (lanes.width - 1 - lanes.weight_bits)) + Fraction(16, 1 << lanes.weight_bits)
            assert abs(Fraction(found) - truth) <= steps * size


@BOTH
@pytest.mark.parametrize("scale", [5e-324, 1e-310, 1e-290, 1e-272])
def test_the_tiniest_vectors_lose_less_than_a_step_of_two_to_minus_900(scale, lanes):
    weight = gaussian(seeded(scale), 9, 3)
    matrix, bound, _ = pack_weights(weight, lanes)
    x = [scale * n for n in range(9)]
    for found, truth, column in zip(
        product(x, matrix, bound)[0], exact_product(x, weight), zip(*weight, strict=True), strict=True
    ):
        assert abs(Fraction(found) - truth) <= Fraction(4 * sum(map(abs, column))) / (1 << 900)


@EVERY
@given(x=st.lists(st.floats(-1e300, 1e300), min_size=1, max_size=300))
def test_every_number_is_the_nearest(lanes, x):
    vector = round_for(x, 64 * most(lanes) ** 2, lanes, "layer")
    large = large_numbers(vector)
    for place, (value, number) in enumerate(zip(x, vector.numbers, strict=True)):
        a, unit = number - lanes.offset, vector.unit
        if place in large:
            assert a == 0
            a, unit = large[place], vector.large.unit
        # 1/s and x s are rounded to 53 bits.
        assert abs(Fraction(value) / Fraction(unit) - a) <= Fraction(1, 2) + Fraction(abs(a) + 1, 1 << 51)
        assert abs(a) < lanes.offset


@EVERY
def test_numbers_that_all_round_up_leave_room(lanes):
    """64 numbers that are rounded up by 1/2 make the vector longer by 4: the scale must have taken that off."""
    rng, least = seeded(lanes), 1 << (lanes.weight_bits - 1)
    for _ in range(3000):
        bound = rng.randint(least, 8 * least) ** 2 - 1  # the largest that has this root
        for sign in (1.0, -1.0):
            round_vector([sign] * 64, [64], [8.0], VectorScales(8.0, scale_for(8.0, bound, lanes)), bound, lanes)
            scales = VectorScales(1.0, 1.0, scale_for(8.0, bound, lanes))
            round_vector([sign] * 64, [64], [8.0], scales, bound, lanes)


@EVERY
@given(data=st.data())
def test_fits_is_exact(lanes, data):
    number = st.one_of(st.just(1 - lanes.offset), st.integers(1 - lanes.offset, lanes.offset - 1))
    groups = data.draw(st.lists(st.lists(number, min_size=1, max_size=9), min_size=1, max_size=3))
    largest, limit = max(sum(a * a for a in group) for group in groups), 1 << (2 * lanes.width - 2)
    assume(largest)
    words = [[a + lanes.offset for a in group] for group in groups]
    exact = (limit - 1) // largest  # the largest bound that fits
    assert fits(words, lanes.offset, exact, lanes)
    assert not fits(words, lanes.offset, exact + 1, lanes)


@EVERY
def test_a_scale_that_is_a_little_too_large_is_found(lanes):
    bound = 64 * most(lanes) ** 2  # a group of constant columns
    scale = (1 << (lanes.width - 1)) / isqrt(bound) / 8
    for rest in ([], [0.0] * 64):
        x, sizes, norms = [1.0] * 64 + rest, group_sizes(64 + len(rest)), [8.0] + [0.0] * (len(rest) > 0)
        percent = 0.01 if lanes.width > 20 else 0.04  # the narrowest lanes have whole numbers of some 30 here
        for scales in ((8.0, (1 - percent) * scale), (1.0, 1.0, (1 - percent) * scale)):
            round_vector(x, sizes, norms, VectorScales(*scales), bound, lanes)
        for scales in ((8.0, (1 + percent) * scale), (1.0, 1.0, (1 + percent) * scale)):
            with pytest.raises(AssertionError):
                round_vector(x, sizes, norms, VectorScales(*scales), bound, lanes)


@EVERY
def test_zeros(lanes):
    vector = round_for([0.0, -0.0] * 40, 1 << 20, lanes, "layer")
    assert vector.numbers.tolist() == [lanes.offset] * 80
    assert (vector.unit, vector.large) == (1.0, None)
    assert fits([], lanes.offset, 1 << 20, lanes)


@EVERY
@pytest.mark.parametrize("outlier", [30.0, 1e6, 1e300])
@pytest.mark.parametrize("groups", [2, 3, 12])
def test_outliers_take_no_bits_from_the_others(lanes, groups, outlier):
    """At most half of the groups have one: the steps of the other elements become no more than twice as large."""
    rng, bound = seeded(lanes, groups), 30 * most(lanes) ** 2
    x = [rng.gauss(0, 1) for _ in range(64 * groups)]
    plain = round_for(x, bound, lanes, "layer")
    for group in range(groups // 2):
        x[64 * group + 7 * group] = outlier * (-1) ** group
    vector = round_for(x, bound, lanes, "layer")
    assert vector.unit < 2.05 * plain.unit
    assert {64 * group + 7 * group for group in range(groups // 2)} <= large_numbers(vector).keys()
    assert [number for number, _, _ in vector.large.groups] == list(range(groups // 2))
    # With them go only elements above 2: a quarter of the usual norm of a group, 8.
    assert all(abs(x[place]) > 1.9 for place in large_numbers(vector))


@EVERY
def test_groups_alike_lose_no_element(lanes):
    rng = seeded(lanes)
    assert round_for([rng.gauss(0, 1) for _ in range(768)], 30 * most(lanes) ** 2, lanes, "layer").large is None


@EVERY
@pytest.mark.parametrize("kind", ["outliers", "heavy tails", "one column", "tiny groups", "half zeros"])
@pytest.mark.parametrize("rows", [65, 130, 400])
def test_products_with_large_elements(lanes, kind, rows):
    """By exact fractions: the error is at most half a step of every element, and half a step of every weight."""
    rng = seeded(lanes, kind, rows)
    x = [rng.gauss(0, 1) for _ in range(rows)]
    weight = gaussian(rng, rows, 5, "d")
    if kind == "outliers":
        for place in rng.sample(range(rows), 4):
            x[place] *= 1e6
    elif kind == "heavy tails":
        x = [value * exp(rng.gauss(0, 3)) for value in x]
        weight = [array("d", [value * exp(rng.gauss(0, 2)) for value in row]) for row in weight]
    elif kind == "one column":
        weight = [
            array("d", [value * (n == 70 % rows), 0.0, value, -value, 1.0]) for n, (value, *_) in enumerate(weight)
        ]
        x[70 % rows] = -1e6
    elif kind == "tiny groups":
        x = [value * 10.0 ** (-40 * (n // 64)) for n, value in enumerate(x)]
    elif kind == "half zeros":
        x = [value * (n // 64 % 2) for n, value in enumerate(x)]
    matrix, bound, q = pack_weights(weight, lanes)
    vector = round_for(x, bound, lanes, "layer")
    (found,) = apply(matrix, [vector], [0.0] * 5)
    large = large_numbers(vector)
    units = [Fraction(vector.large.unit if place in large else vector.unit) for place in range(rows)]
    for j, (y, truth) in enumerate(zip(found, exact_product(x, weight), strict=True)):
        step = Fraction(matrix.scales[j])
        of_x = sum(unit * abs(row[j]) for unit, row in zip(units, q, strict=True)) * step / 2
        of_weights = sum(map(abs, map(Fraction, x))) * step / 2
        # Floats: x s and 1/s to 53 bits, the two products and their sum too.
        floats = sum(abs(Fraction(value) * row[j]) for value, row in zip(x, q, strict=True)) * step / (1 << 49)
        assert abs(Fraction(y) - truth) <= of_x + of_weights + floats


@EVERY
def test_shards_change_no_bit_of_large_elements(lanes):
    """The norms of all groups make the scales; then each shard rounds and multiplies its own rows."""
    rng = seeded(lanes)
    x = [rng.gauss(0, 1) for _ in range(320)]
    x[10], x[70], x[200] = 1e4, -30.0, 2e3
    weight = gaussian(rng, 320, 7)
    matrix, bound, _ = pack_weights(weight, lanes)
    vector = round_for(x, bound, lanes, "layer")
    (expected,) = apply(matrix, [vector], [1.0] * 7)
    assert vector.large
    norms = group_norms(x, matrix.sizes, "layer")
    scales = vector_scales(norms, bound, lanes)
    for cuts in ([0, 64, 320], [0, 128, 192, 256, 320]):
        total = None
        for start, stop in pairwise(cuts):
            own = replace(matrix, sizes=matrix.sizes[start // 64 : stop // 64], blocks=cut_rows(matrix, start, stop))
            rounded = round_vector(x[start:stop], own.sizes, norms[start // 64 : stop // 64], scales, bound, lanes)
            (sums,) = multiply([rounded], own)
            total = sums if total is None else total.plus(sums)
        assert products(total, matrix, scales.unit, scales.large_unit, [1.0] * 7) == expected


@pytest.mark.parametrize("bad", [inf, -inf, nan, 1.7e308])
@pytest.mark.parametrize("place", [0, 1, 63, 64, 65, 99])
def test_numbers_that_are_none_are_refused(place, bad):
    for code in ("list", "array"):
        for others in (1.0, 0.0, 1e-300, 1e200):
            x = [others] * 100
            x[place] = bad
            with pytest.raises(GenerationError, match=r"^h\.3\.attn\.c_attn: its input is infinite, NaN or too large"):
                round_for(x if code == "list" else array("d", x), 1 << 60, LANES["full"], "h.3.attn.c_attn")


def test_infinities_that_cancel_are_refused():
    for x in ([inf, -inf], [inf, nan], [1.7e308, 1.7e308], [1e300, 1e300, nan]):
        with pytest.raises(GenerationError):
            group_norms(x, [len(x)], "layer")


def test_groups_are_cut_in_order():
    assert in_groups([1, 2, 3, 4, 5], [2, 2, 1]) == [[1, 2], [3, 4], [5]]
