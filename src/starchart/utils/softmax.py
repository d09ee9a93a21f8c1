"""Softmax: scores become probabilities.

    softmax(s)_i = exp(s_i - m) / sum_j exp(s_j - m),    m = max_j s_j

Subtracting the largest score changes nothing in exact arithmetic and keeps exp from overflowing.
Source: Bridle 1990; the shift is the common practice.
"""

from starchart.utils.elementary.exp import exp
from starchart.utils.exact_sum import exact_sum
from starchart.utils.matrix import Vector


def softmax(scores: Vector) -> list[float]:  # [S] -> [S]
    """Return numbers of at least 0, proportional to exp(score), whose sum is 1 up to rounding.

    A score of -inf gets exactly 0. The scores must not be empty, NaN or all -inf.
    Error, in ulps of the largest result: below 4.1 + ln S; proof in docs/BOUNDS.md#softmax.

    >>> softmax([2.0, 2.0])
    [0.5, 0.5]
    """
    largest = max(scores)
    weights = [exp(score - largest) for score in scores]
    total = exact_sum(weights)
    return [weight / total for weight in weights]
