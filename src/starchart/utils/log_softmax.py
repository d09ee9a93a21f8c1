"""The logarithm of one of softmax's results, without the loss of a small probability to rounding.

ln p_i = s_i - m - ln sum_j exp(s_j - m),    m = max_j s_j
"""

from starchart.utils.exact_sum import exact_sum
from starchart.utils.exp import exp
from starchart.utils.log import log
from starchart.utils.matrix import Vector


def log_probability(logits: Vector, index: int) -> float:  # [V] -> one number, at most 0
    """Return the natural logarithm of softmax(logits)[index]; not finite where the logits are not.

    >>> log_probability([0.0, 0.0], 1)
    -0.6931471805599453
    """
    largest = max(logits)
    return logits[index] - largest - log(exact_sum(exp(logit - largest) for logit in logits))
