"""Softmax under the causal mask: a token looks at itself and at the tokens before it, never ahead.

    masked_softmax(s)_t = softmax(s_t1, ..., s_tn), then zeros,    n = S - T + t for the t-th of the last T of S tokens

Adding -inf to a hidden score gives it probability 0. So hidden scores are left out and get 0.
Source: Vaswani et al. 2017, section 3.2.3.
"""

from starchart.utils.matrix import Matrix, Vector
from starchart.utils.softmax import softmax


def masked_softmax(scores: Matrix) -> list[list[float]]:  # [T][S] -> [T][S]
    """Return the softmax of each row over its visible part, 0 elsewhere.

    The T rows belong to the last T of S tokens, so row t (from 0) sees the first S - T + t + 1 columns. With T = S this
    is the usual lower triangle; with T = 1 (one new token and a cache) nothing is hidden.

    >>> masked_softmax([[5.0, 9.0], [3.0, 3.0]])
    [[1.0, 0.0], [0.5, 0.5]]
    """
    rows = len(scores)
    return [_visible_softmax(row, len(row) - rows + t + 1) for t, row in enumerate(scores)]


def _visible_softmax(row: Vector, visible: int) -> list[float]:  # [S] -> [S]
    return softmax(row[:visible]) + [0.0] * (len(row) - visible)
