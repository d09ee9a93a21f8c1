"""Scaled dot-product attention: each token takes a weighted mean of the values of the tokens so far.

    Attention(Q, K, V) = softmax(mask(scale Q K^T)) V,    for each of H heads

The softmax is called the pattern: entry [t][s] is the weight of the value of token s in the mean for token t. Only
attention moves information from one token to another. Source: Vaswani et al. 2017, section 3.2.1, equation 1, and
3.2.2 (heads).
"""

from collections.abc import Sequence

from starchart.layers.key_value_cache import KeyValueCache
from starchart.tap import Tap
from starchart.utils.masked_softmax import masked_softmax
from starchart.utils.matrix import Matrix
from starchart.utils.matrix_multiply import matrix_multiply, multiply_transposed


def scaled_dot_product_attention(
    queries: Sequence[Matrix], keys: Sequence[Matrix], values: Sequence[Matrix], scale: float, tap: Tap
) -> list[Matrix]:  # [H][T][D], [H][S][D], [H][S][D] -> [H][T][D]
    """Return, for every head and each of T new tokens, the weighted mean of the values of S tokens.

    >>> from starchart.tap import no_tap
    >>> scaled_dot_product_attention([[[1.0]]], [[[2.0], [2.0]]], [[[10.0], [30.0]]], 0.5, no_tap)
    [[[20.0]]]
    """
    scores = tap("scores", [attention_scores(q, k, scale) for q, k in zip(queries, keys, strict=True)])
    pattern = tap("pattern", [masked_softmax(head) for head in scores])
    return [matrix_multiply(weights, v) for weights, v in zip(pattern, values, strict=True)]


def attention_scores(queries: Matrix, keys: Matrix, scale: float) -> list[list[float]]:  # [T][D], [S][D] -> [T][S]
    """Return scale Q K^T, before the mask."""
    return [[scale * product for product in row] for row in multiply_transposed(queries, keys)]


def attend(
    qkv: Matrix, cache: KeyValueCache, n_head: int, scale: float, tap: Tap
) -> tuple[list[list[float]], KeyValueCache]:  # [T][3C] -> [T][C]
    """Return the attention of T new tokens to all S tokens, heads joined, and the cache with the new tokens in it.

    `qkv` has queries, keys and values of every head side by side. This is one operation of an engine, so that a
    compiled engine can fuse it.
    """
    heads = split_heads(qkv, 3 * n_head)
    queries = tap("q", heads[:n_head])
    keys = tap("k", heads[n_head : 2 * n_head])
    values = tap("v", heads[2 * n_head :])
    cache = cache.append(keys, values)
    z = scaled_dot_product_attention(queries, cache.keys, cache.values, scale, tap)
    return join_heads(tap("z", z)), cache


def split_heads(x: Matrix, n_head: int) -> list[list[list[float]]]:  # [T][C] -> [H][T][D]
    """Return the channels of every head: head h has channels h D to (h + 1) D - 1, D = C/H.

    >>> split_heads([[1.0, 2.0, 3.0, 4.0]], 2)
    [[[1.0, 2.0]], [[3.0, 4.0]]]
    """
    size = len(x[0]) // n_head
    return [[list(row[start : start + size]) for row in x] for start in range(0, n_head * size, size)]


def join_heads(heads: Sequence[Matrix]) -> list[list[float]]:  # [H][T][D] -> [T][C]
    """Return the channels of all heads side by side.

    >>> join_heads([[[1.0, 2.0]], [[3.0, 4.0]]])
    [[1.0, 2.0, 3.0, 4.0]]
    """
    return [[value for part in parts for value in part] for parts in zip(*heads, strict=True)]
