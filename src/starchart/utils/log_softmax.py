"""The logarithm of one of softmax's results, accurate for a probability that would round to 0.

ln softmax(s)_i = s_i - m - ln sum_j exp(s_j - m),    m = max_j s_j
"""

from starchart.utils.elementary.exp import exp
from starchart.utils.elementary.log import log
from starchart.utils.exact_sum import exact_sum
from starchart.utils.matrix import Vector


def log_probability(logits: Vector, index: int) -> float:  # [V] -> one number, at most 0
    """Return the natural logarithm of softmax(logits)[index]; not finite where the logits are not.

    Error, in ulps of the row's largest output L: below 1.52 + (2.1 + ln V)/|L|; proof in docs/BOUNDS.md#log_softmax.

    >>> log_probability([0.0, 0.0], 1)
    -0.6931471805599453
    """
    largest = max(logits)
    total = exact_sum(exp(logit - largest) for logit in logits)
    return logits[index] - largest - log(total)
