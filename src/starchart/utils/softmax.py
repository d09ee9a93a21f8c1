"""Softmax: scores become probabilities.

    softmax(s)_i = exp(s_i - m) / sum_j exp(s_j - m),    m = max_j s_j

Subtracting the largest score changes nothing in exact arithmetic and keeps exp from overflowing.

Error: below 4.1 + ln S ulp of the largest of the S results. With u = 2^-53 and x = s_j - m: the difference rounds by
u |x|, which exp makes u |x| of its result, and exp adds 1.02 u. So weight j is wrong by e^x (|x| + 1.02) u, at most
1.02 u as t e^-t + 1.02 e^-t falls from t = 0 on. Their sum is wrong by the average of |x_j| + 1.02, and the average
of |x_j| under softmax is its entropy less the logarithm of the sum, at most ln S; it rounds by u, and the quotient by
u. Together (1.02 + 1.02 + ln S + 2) u of the largest result, whose ulp is more than u of it; the rest of 4.1 covers the
products of small errors.
Source: Bridle 1990; the shift is the common practice.
"""

from starchart.utils.exact_sum import exact_sum
from starchart.utils.exp import exp
from starchart.utils.matrix import Vector


def softmax(scores: Vector) -> list[float]:  # [S] -> [S]
    """Return numbers of at least 0 that sum to 1, in the ratio of exp(score).

    A score of -inf gets exactly 0. The scores must not be empty, NaN or all -inf.

    >>> softmax([2.0, 2.0])
    [0.5, 0.5]
    """
    largest = max(scores)
    weights = [exp(score - largest) for score in scores]
    total = exact_sum(weights)
    return [weight / total for weight in weights]
