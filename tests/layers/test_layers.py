"""Layers against NumPy on random data, and by hand."""

import numpy as np
import pytest

from starchart.layers.key_value_cache import new_cache
from starchart.layers.linear_layer import linear_layer
from starchart.layers.scaled_dot_product_attention import (
    attend,
    attention_scores,
    join_heads,
    scaled_dot_product_attention,
    split_heads,
)
from starchart.tap import no_tap

# A float64 product of n terms errs by less than n 2^-53 sum|terms| on either side; here n <= 33, the terms about 1.
TOLERANCE = 1e-13

random = np.random.default_rng(11)


@pytest.mark.parametrize(("t", "inputs", "outputs"), [(1, 1, 1), (1, 7, 3), (5, 3, 11), (4, 33, 2)])
def test_linear_layer(t, inputs, outputs):
    x, w, b = random.normal(size=(t, inputs)), random.normal(size=(inputs, outputs)), random.normal(size=outputs)
    expected = x @ w + b
    np.testing.assert_allclose(linear_layer(x.tolist(), w.tolist(), b.tolist()), expected, rtol=0, atol=TOLERANCE * 10)


def test_linear_layer_refuses_a_bias_of_another_length():
    with pytest.raises(ValueError, match="2 and 3"):
        linear_layer([[1.0]], [[1.0, 2.0]], [1.0, 2.0, 3.0])


@pytest.mark.parametrize(("t", "heads", "size"), [(1, 1, 1), (3, 5, 2), (4, 1, 6), (2, 6, 1)])
def test_heads_are_groups_of_neighbouring_channels(t, heads, size):
    x = random.normal(size=(t, heads * size))
    split = split_heads(x.tolist(), heads)
    np.testing.assert_array_equal(split, x.reshape(t, heads, size).transpose(1, 0, 2))
    np.testing.assert_array_equal(join_heads(split), x)


def numpy_attention(q, k, v, scale):  # [H][T][D], [H][S][D], [H][S][D] -> [H][T][D]
    scores = scale * q @ k.swapaxes(1, 2)
    hidden = ~np.tri(q.shape[1], k.shape[1], k.shape[1] - q.shape[1], dtype=bool)
    weights = np.exp(np.where(hidden, -np.inf, scores))
    return weights / weights.sum(-1, keepdims=True) @ v


@pytest.mark.parametrize(("heads", "t", "s", "size"), [(1, 1, 1, 1), (1, 1, 9, 4), (3, 4, 4, 5), (2, 3, 8, 7)])
def test_scaled_dot_product_attention(heads, t, s, size):
    q, k, v = (random.normal(size=(heads, n, size)) for n in (t, s, s))
    ours = scaled_dot_product_attention(q.tolist(), k.tolist(), v.tolist(), 0.37, no_tap)
    np.testing.assert_allclose(ours, numpy_attention(q, k, v, 0.37), rtol=0, atol=TOLERANCE)


def test_attention_scores_by_hand():
    assert attention_scores([[1.0, 2.0]], [[3.0, 4.0], [5.0, 6.0]], 0.5) == [[5.5, 8.5]]


@pytest.mark.parametrize(("heads", "size", "parts"), [(1, 1, [1]), (3, 2, [4]), (2, 5, [3, 1, 2])])
def test_attend_with_a_growing_cache(heads, size, parts):
    total = sum(parts)
    qkv = random.normal(size=(total, 3 * heads * size))
    q, k, v = qkv.reshape(total, 3, heads, size).transpose(1, 2, 0, 3)
    expected = numpy_attention(q, k, v, 0.8).transpose(1, 0, 2).reshape(total, -1)
    cache, rows, start = new_cache(heads), [], 0
    for count in parts:
        out, cache = attend(qkv[start : start + count].tolist(), cache, heads, 0.8, no_tap)
        rows, start = rows + out, start + count
    np.testing.assert_allclose(rows, expected, rtol=0, atol=TOLERANCE)
