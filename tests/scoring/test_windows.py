"""Every token is predicted once, in the first window that holds it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from starchart.errors import ScoringError
from starport.scoring.windows import Recipe, windows


@st.composite
def recipes(draw):
    context = draw(st.integers(2, 40))
    return Recipe(context, draw(st.integers(1, context - 1)), 0)


@given(recipes(), st.integers(1, 200))
def test_each_token_but_the_first_is_predicted_once(recipe, count):
    every = list(windows(count, recipe))
    assert [at for w in every for at in range(w.first, w.end)] == list(range(1, count))


@given(recipes(), st.integers(2, 200))
def test_windows_are_those_of_the_recipe(recipe, count):
    every = list(windows(count, recipe))
    assert [w.start for w in every] == [number * recipe.stride for number in range(len(every))]
    assert [w.end for w in every] == [min(w.start + recipe.context, count) for w in every]
    assert [w.end == count for w in every] == [False] * (len(every) - 1) + [True]
    for window in every:
        assert window.start < window.first < window.end
        # The first window that it is in: none before holds it.
        assert all(earlier.end <= window.first for earlier in every if earlier.start < window.start)
    assert all(w.first - w.start >= recipe.context - recipe.stride for w in every[1:])


@pytest.mark.parametrize(
    ("count", "expected"),
    [
        (1, []),
        (2, [(0, 2, 1)]),
        (512, [(0, 512, 1)]),
        (513, [(0, 512, 1), (511, 513, 512)]),
        (1023, [(0, 512, 1), (511, 1023, 512)]),
        (1024, [(0, 512, 1), (511, 1023, 512), (1022, 1024, 1023)]),
    ],
)
def test_the_usual_recipe_overlaps_by_one_token(count, expected):
    recipe = Recipe.for_model(512, 0, None, None)
    assert (recipe.context, recipe.stride) == (512, 511)
    assert [(w.start, w.end, w.first) for w in windows(count, recipe)] == expected


@pytest.mark.parametrize(
    ("context", "stride", "expected"),
    [(None, None, (16, 15)), (9, None, (9, 8)), (None, 4, (16, 4)), (2, 1, (2, 1)), (16, 15, (16, 15))],
)
def test_for_model(context, stride, expected):
    recipe = Recipe.for_model(16, 260, context, stride)
    assert (recipe.context, recipe.stride, recipe.prefix) == (*expected, 260)


@pytest.mark.parametrize(
    ("positions", "context", "stride", "words"),
    [
        (16, 17, None, "--context 17: it must be at most 16, what this model reads at once"),
        (16, 1, None, "--context 1: it must be at least 2"),
        (16, 0, 1, "--context 0: it must be at least 2"),
        (16, -3, None, "--context -3: it"),
        (1, None, None, "--context 1: it must be at least 2"),
        (16, None, 16, "--stride 16: it must be from 1 to 15"),
        (16, 8, 8, "--stride 8: it must be from 1 to 7"),
        (16, 8, 0, "--stride 0: it must be from 1 to 7"),
        (16, None, -1, "--stride -1: it"),
    ],
)
def test_refused(positions, context, stride, words):
    with pytest.raises(ScoringError, match=words):
        Recipe.for_model(positions, 0, context, stride)
