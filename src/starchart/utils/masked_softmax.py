"""Softmax under the causal mask: a token looks at itself and at the tokens before it, never ahead.

    masked_softmax(s)_t = (softmax(s_t0, ..., s_tm), 0, ..., 0),    m = S - T + t

Row t of T new tokens (t from 0) belongs to token m of the S tokens so far, so it sees the columns 0 to m. Other
programs add -inf to the scores after m, whose probabilities become 0; here they are left out, and their results are 0.
Source: Vaswani et al. 2017, section 3.2.3.
"""

from starchart.utils.matrix import Matrix, Vector
from starchart.utils.softmax import softmax


def masked_softmax(scores: Matrix) -> list[list[float]]:  # [T][S] -> [T][S]
    """Return the softmax of each row over its visible part, 0 elsewhere.

    With T = S that is the usual lower triangle; with T = 1 (one new token and a cache) nothing is masked.

    >>> masked_softmax([[5.0, 9.0], [3.0, 3.0]])
    [[1.0, 0.0], [0.5, 0.5]]
    """
    rows = len(scores)
    return [_visible_softmax(row, len(row) - rows + t + 1) for t, row in enumerate(scores)]


def _visible_softmax(row: Vector, visible: int) -> list[float]:  # [S] -> [S]
    return softmax(row[:visible]) + [0.0] * (len(row) - visible)
