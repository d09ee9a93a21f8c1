"""The packed product against exact arithmetic: whole numbers exactly, floats at the bound that the roundings allow."""

from array import array
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from starchart.engines.packed.arithmetic import packed_matrix
from starchart.engines.packed.arithmetic.lanes import word_bits
from starchart.engines.packed.arithmetic.packed_matrix import group_sizes
from starchart.engines.packed.arithmetic.packed_product import multiply
from starchart.engines.packed.arithmetic.quantised_vectors import round_for
from tests.engines.packed_numbers import (
    LANES,
    as_large_as_allowed,
    as_vector,
    cut_sums,
    exact_product,
    exact_sums,
    gaussian,
    lane_numbers,
    large_numbers,
    most,
    pack_numbers,
    pack_weights,
    product,
    seeded,
    whole_numbers,
)

SHAPES = [(1, 1), (1, 7), (5, 1), (64, 3), (65, 4), (130, 9), (7, 130), (200, 33)]
magnitudes = st.floats(1e-30, 1e30).flatmap(lambda size: st.sampled_from([size, -size, 0.0, -0.0, size / 3]))
kinds = st.sampled_from([magnitudes, st.floats(-1, 1, width=32), st.sampled_from([0.0, -0.0, 1e-30, -1e30])])


def check_product(x, weight, lanes):
    """Assert that y = x W, but for half a step a weight, half a step a number of the vector, and float roundings."""
    matrix, bound, _ = pack_weights(weight, lanes)
    result, vector = product(x, matrix, bound)
    large = large_numbers(vector)
    half_steps = [Fraction(vector.large.unit if n in large else vector.unit) / 2 for n in range(len(x))]
    total = sum(abs(Fraction(value)) for value in x)
    assert len(result) == len(weight[0])
    for j, truth in enumerate(exact_product(x, weight)):
        column = [abs(Fraction(row[j])) for row in weight]
        # 1/c_j must be a float: steps of a column are never below 2^-1000.
        step = max(max(column) / ((1 << (lanes.weight_bits - 1)) - 1), Fraction(1, 1 << 1000))
        allowed = total * step / 2 + sum(
            half * (value + step / 2) for half, value in zip(half_steps, column, strict=True)
        )
        # The scales, their inverses, the numbers times a scale, and the result: some roundings of 2^-53 each.
        floats = Fraction(16, 1 << 53) * (total + sum(half_steps)) * (max(column) + step)
        assert abs(Fraction(result[j]) - truth) <= allowed + floats
    return vector, bound


@pytest.mark.parametrize("lanes", [LANES["full"], LANES["fast"]], ids=str)
@settings(deadline=None, max_examples=100)
@given(data=st.data())
def test_products_stay_within_the_bound(lanes, data):
    rows, columns = data.draw(st.integers(1, 9)), data.draw(st.integers(1, 7))
    numbers = data.draw(kinds)
    x = data.draw(st.lists(data.draw(kinds), min_size=rows, max_size=rows))
    weight = [array("d", data.draw(st.lists(numbers, min_size=columns, max_size=columns))) for _ in range(rows)]
    check_product(x, weight, lanes)


@pytest.mark.parametrize("outlier", [1.0, 1e4, 1e30])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("lanes", [LANES["full"], LANES["fast"]], ids=str)
def test_products_of_many_shapes_with_an_outlier(lanes, shape, outlier, monkeypatch):
    monkeypatch.setattr(packed_matrix, "_BLOCK_DIGITS", 20)  # several blocks
    rng = seeded(shape, outlier)
    weight, x = gaussian(rng, *shape), [rng.gauss(0, 1) for _ in range(shape[0])]
    weight[shape[0] // 2][shape[1] // 2] *= outlier
    x[-1] *= outlier
    vector, bound = check_product(x, weight, lanes)
    # The lanes are used: a step is no larger than |x| K / 2^(L-1), but for what the roundings need (5 of 500 at least).
    squares = sorted(sum(Fraction(value) ** 2 for value in x[start : start + 64]) for start in range(0, len(x), 64))
    steps = [(vector.unit, min(squares[-1], 4 * squares[(len(squares) - 1) // 2]))]
    steps += [(vector.large.unit, squares[-1])] if vector.large else []
    for unit, square in steps:
        assert Fraction(unit) ** 2 <= Fraction(103, 100) ** 2 * square * bound / (1 << (2 * lanes.width - 2))


@pytest.mark.parametrize("lanes", [LANES["full"], LANES["fast"]], ids=str)
def test_a_matrix_of_zeros_gives_zeros(lanes):
    for x in ([1.0, -2.0, 3e20], [-1.0, 0.0, 0.0], [0.0, -0.0, 0.0], [1e-250] * 3):
        check_product(x, [array("f", [0.0, -0.0])] * 3, lanes)
        check_product(x, [array("f", [0.0, 1.0])] * 3, lanes)


@pytest.mark.parametrize("lanes", LANES.values(), ids=str)
@settings(deadline=None, max_examples=50)
@given(data=st.data())
def test_whole_numbers_are_multiplied_exactly(lanes, data):
    rows, columns = data.draw(st.integers(1, 140)), data.draw(st.integers(1, 9))
    rng = seeded(data.draw(st.integers(0, 1 << 40)))
    limit = data.draw(st.sampled_from([1, 3, most(lanes)]))
    q = whole_numbers(rng, rows, columns, limit)
    a = as_large_as_allowed([rng.randint(-1000, 1000) for _ in range(rows)], q, lanes)
    assert lane_numbers(a, pack_numbers(q, lanes)) == exact_sums(a, q)


def hard_matrices(lanes, rows):
    """Give matrices whose columns are parallel to each other, as long as they can be, of all kinds of signs."""
    largest, rng = most(lanes), seeded(rows)
    random_signs = [rng.choice((-1, 1)) for _ in range(rows)]
    ramp = [largest * (n % 64 + 1) // 64 for n in range(rows)]
    for column in ([largest] * rows, [largest * sign for sign in random_signs], ramp):
        for signs in ([1, 1, 1, 1], [-1, -1, -1, -1], [1, -1, 1, -1], [-1, 1, 1], [-1], [1]):
            yield [[number * sign for sign in signs] for number in column]
    yield [[largest * (n == rows // 2), 0, -largest * (n == rows - 1), 0] for n in range(rows)]


@pytest.mark.parametrize("rows", [1, 63, 64, 65, 192])
@pytest.mark.parametrize("lanes", LANES.values(), ids=str)
def test_no_lane_runs_over_where_cauchy_and_schwarz_is_nearly_met(lanes, rows):
    limit, nearest = 1 << (lanes.width - 1), 0
    for q in hard_matrices(lanes, rows):
        matrix = pack_numbers(q, lanes)
        for sign in (1, -1):
            a = as_large_as_allowed([sign * row[0] for row in q], q, lanes)
            sums = exact_sums(a, q)
            groups = [exact_sums(a[n : n + 64], q[n : n + 64]) for n in range(0, rows, 64)]
            nearest = max(nearest, *(abs(number) for group in groups for number in group))
            assert lane_numbers(a, matrix) == sums
    # The lanes of 20 bits hold numbers of a few dozen, so that rounding them down to whole ones loses more.
    assert limit * 0.9 < nearest < limit


@pytest.mark.parametrize("kind", ["equal", "negative", "one", "constant", "alternating"])
@pytest.mark.parametrize("rows", [1, 64, 100])
@pytest.mark.parametrize("lanes", [LANES["full"], LANES["fast"]], ids=str)
def test_no_lane_runs_over_from_floats(lanes, rows, kind):
    """The vector is parallel to every column, so that T_j is as large as the scales allow. `round_for` asserts too."""
    rng = seeded(rows, kind)
    column = {
        "equal": [rng.uniform(0.5, 1) for _ in range(rows)],
        "negative": [-rng.uniform(0.5, 1) for _ in range(rows)],
        "one": [float(n == rows // 2) for n in range(rows)],
        "constant": [1.0] * rows,
        "alternating": [(-1.0) ** n for n in range(rows)],
    }[kind]
    weight = [array("d", [value, -value, value, -value, value]) for value in column]
    matrix, bound, q = pack_weights(weight, lanes)
    for factor in (1.0, -1.0, 1e-30, 3e20):
        vector = round_for([factor * value for value in column], bound, lanes, "layer")
        large = large_numbers(vector)  # the one element where all others are zero
        numbers = [number - lanes.offset + large.get(n, 0) for n, number in enumerate(vector.numbers)]
        assert lane_numbers(numbers, matrix) == exact_sums(numbers, q)
        groups = [exact_sums(numbers[n : n + 64], q[n : n + 64]) for n in range(0, rows, 64)]
        largest = max(abs(number) for group in groups for number in group)
        # The bound counts a step of 65 for a zero too: it is 1.25 times too large for 63 zeros.
        assert 0.85 * (1 << (lanes.width - 1)) < largest < 1 << (lanes.width - 1)
        assert max(map(abs, numbers)) < lanes.offset


@pytest.mark.parametrize("lanes", LANES.values(), ids=str)
def test_blocks_change_no_number(lanes, monkeypatch):
    rng = seeded(lanes)
    q = whole_numbers(rng, 70, 51, most(lanes))
    a = as_large_as_allowed([rng.randint(-1000, 1000) for _ in range(70)], q, lanes)
    counts = set()
    for digits in (1, 2, 3, 5, 17, 1536):
        monkeypatch.setattr(packed_matrix, "_BLOCK_DIGITS", digits)
        matrix = pack_numbers(q, lanes)
        counts.add(len(matrix.blocks))
        assert sum(block.count for block in matrix.blocks) == 52
        assert lane_numbers(a, matrix) == exact_sums(a, q)
    assert {1, 26} <= counts


@pytest.mark.parametrize("lanes", LANES.values(), ids=str)
def test_shards_change_no_number(lanes, monkeypatch):
    monkeypatch.setattr(packed_matrix, "_BLOCK_DIGITS", 20)
    rng = seeded(lanes)
    q = whole_numbers(rng, 150, 21, most(lanes))
    a = as_large_as_allowed([rng.randint(-1000, 1000) for _ in range(150)], q, lanes)
    for cuts in ([], [1], [64], [75], [149], [10, 20, 84], list(range(1, 150))):
        assert cut_sums(a, q, lanes, cuts) == exact_sums(a, q)


@pytest.mark.parametrize("lanes", LANES.values(), ids=str)
def test_sums_never_become_negative(lanes):
    """A guard above the lanes keeps what is added up positive, whatever the numbers."""
    for sign in (1, -1):
        matrix = pack_numbers([[sign * most(lanes)] * 6 for _ in range(64)], lanes)
        for block in matrix.blocks:
            assert all(group.start > 0 and min(group.rows) > 0 for group in block.groups)


@pytest.mark.parametrize("lanes", LANES.values(), ids=str)
@pytest.mark.parametrize("rows", [1, 64, 70, 150])
def test_nothing_is_left_above_the_lanes(lanes, rows):
    q = whole_numbers(seeded(rows), rows, 6, most(lanes))
    a, matrix = as_large_as_allowed([1 - 2 * (n % 3) for n in range(rows)], q, lanes), pack_numbers(q, lanes)
    sums = multiply([as_vector(a, lanes)], matrix)[0].usual[0]
    shift = len(matrix.sizes) << (lanes.width - 1)
    expected = [(number + shift) << (lanes.width * j) for j, number in enumerate(exact_sums(a, q))]
    assert (sums.total, sums.even) == (sum(expected), sum(expected[::2]))


@pytest.mark.parametrize(
    ("lanes", "room"), [(LANES["full"], 4096), (LANES["fast"], 4096), (LANES["pruning"], 256)], ids=str
)
def test_sums_of_more_groups_than_a_word_has_room_for(lanes, room, monkeypatch):
    """Groups of one row, each with sums as large as a lane allows."""
    monkeypatch.setattr(packed_matrix, "GROUP", 1)
    word, largest = 1 << (word_bits(lanes.width) - 1), most(lanes)
    number = ((1 << (lanes.width - 1)) - 1) // largest
    for groups in (room, room + 1, room + 700):
        a, q = [number] * groups, [[largest, -largest, n % 3 - 1, largest - n % 2] for n in range(groups)]
        sums = exact_sums(a, q)
        assert lane_numbers(a, pack_numbers(q, lanes)) == sums
        assert (max(sums) < word) == (groups == room)


@pytest.mark.parametrize("rows", [1, 63, 64, 65, 128, 200])
def test_groups(rows):
    sizes = group_sizes(rows)
    assert sum(sizes) == rows
    assert set(sizes[:-1]) <= {64}
    assert 1 <= sizes[-1] <= 64
