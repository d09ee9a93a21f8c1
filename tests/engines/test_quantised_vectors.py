"""Vectors as whole numbers: the scale leaves every lane room, and nothing but half a step is lost."""

from array import array
from fractions import Fraction
from math import inf, isqrt, nan, sqrt

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from starchart.engines.packed.arithmetic.packed_matrix import group_sizes, in_groups
from starchart.engines.packed.arithmetic.quantisation import fits, largest_norm, round_for, round_vector, scale_for
from starchart.errors import GenerationError
from tests.engines.packed_numbers import LANES, exact_product, gaussian, most, pack_weights, product, seeded

EVERY = pytest.mark.parametrize("lanes", LANES.values(), ids=str)
BOTH = pytest.mark.parametrize("lanes", [LANES["full"], LANES["fast"]], ids=str)


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
        norm, truth = Fraction(largest_norm(x, group_sizes(size), "layer")), square_norm(x)
        # Squares, their sum and the root are rounded once each: 2^-53 (1/2 + 1/2 + 1) of the norm, within 1e-15.
        error = Fraction(1, 1 << 52) * (1 + Fraction(1, 1 << 40))
        assert (1 - error) ** 2 * truth <= norm**2 <= (1 + error) ** 2 * truth


@pytest.mark.parametrize("scale", [5e-324, 1e-310, 1e-250, 1e-200, 1e-140, 1e140, 1e200, 1e299])
def test_norms_at_the_ends_are_never_too_small(scale):
    rng = seeded(scale)
    for size in (1, 64, 70):
        x = [0.0, *[scale * rng.uniform(-1, 1) for _ in range(size - 1)], scale]
        norm = Fraction(largest_norm(x, group_sizes(len(x)), "layer"))
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
@given(x=st.lists(st.floats(-1e300, 1e300), min_size=1, max_size=150))
def test_every_number_is_the_nearest(lanes, x):
    bound = 64 * most(lanes) ** 2
    numbers, unit = round_for(x, bound, lanes, "layer")
    for value, number in zip(x, numbers, strict=True):
        a = number - lanes.offset
        # 1/s and x s are rounded to 53 bits.
        assert abs(Fraction(value) / Fraction(unit) - a) <= Fraction(1, 2) + Fraction(abs(a) + 1, 1 << 51)
        assert abs(a) < lanes.offset


@EVERY
def test_numbers_that_all_round_up_leave_room(lanes):
    """64 numbers that are rounded up by 1/2 make the vector longer by 4: the scale must have taken that off."""
    rng, least, limit = seeded(lanes), most(lanes), 1 << (lanes.width - 1)
    for _ in range(3000):
        bound = rng.randint(least + 1, 8 * least) ** 2 - 1  # the largest that has this root
        for x in ([1.0] * 64, [-1.0] * 64):
            scale = scale_for(8.0, bound, lanes)
            norm = sum((number - lanes.offset) ** 2 for number in round_vector(x, scale, lanes.offset))
            assert norm * bound < limit * limit


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
def test_a_scale_that_is_one_percent_too_large_is_found(lanes):
    bound = 64 * most(lanes) ** 2  # a group of constant columns
    limit = (1 << (lanes.width - 1)) / isqrt(bound)
    for factor, expected in ((0.99, True), (1.01, False)):
        numbers = round_vector([1.0] * 64, factor * limit / 8, lanes.offset).tolist()
        assert fits([numbers], lanes.offset, bound, lanes) is expected
        assert fits([[lanes.offset], numbers], lanes.offset, bound, lanes) is expected


@EVERY
def test_zeros(lanes):
    numbers, unit = round_for([0.0, -0.0] * 40, 1 << 20, lanes, "layer")
    assert numbers.tolist() == [lanes.offset] * 80
    assert unit == 1.0
    assert fits([], lanes.offset, 1 << 20, lanes)


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
            largest_norm(x, [len(x)], "layer")


def test_groups_are_cut_in_order():
    assert in_groups([1, 2, 3, 4, 5], [2, 2, 1]) == [[1, 2], [3, 4], [5]]
