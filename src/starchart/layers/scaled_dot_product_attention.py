"""Scaled dot-product attention: every token asks, every token seen so far answers.

    Attention(Q, K, V) = softmax(mask(scale Q K^T)) V

Row t of the pattern says how much token t takes from each token before it and from itself. Attention is the only
layer that carries anything from one token to another. Source: Vaswani et al. 2017, section 3.2.1, equation 1.
"""

from collections.abc import Sequence

from starchart.tap import Tap
from starchart.utils.masked_softmax import masked_softmax
from starchart.utils.matrix import Matrix
from starchart.utils.matrix_multiply import multiply_transposed


def scaled_dot_product_attention(
    queries: Sequence[Matrix], keys: Sequence[Matrix], values: Sequence[Matrix], scale: float, tap: Tap
) -> list[Matrix]:  # [H][T][D], [H][S][D], [H][D][S] -> [H][T][D]
    """Return what each of T new tokens takes from S tokens, for every head. Values come by channel, transposed.

    >>> from starchart.tap import no_tap
    >>> scaled_dot_product_attention([[[1.0]]], [[[2.0], [2.0]]], [[[10.0, 30.0]]], 0.5, no_tap)
    [[[20.0]]]
    """
    scores = tap("scores", [attention_scores(q, k, scale) for q, k in zip(queries, keys, strict=True)])
    pattern = tap("pattern", [masked_softmax(head) for head in scores])
    return [multiply_transposed(weights, head) for weights, head in zip(pattern, values, strict=True)]


def attention_scores(queries: Matrix, keys: Matrix, scale: float) -> list[list[float]]:  # [T][D], [S][D] -> [T][S]
    """Return scale Q K^T, before the mask."""
    return [[scale * product for product in row] for row in multiply_transposed(queries, keys)]
