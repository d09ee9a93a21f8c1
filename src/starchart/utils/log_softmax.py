"""The logarithm of one of softmax's results, without the loss of a small probability to rounding.

    ln p_i = s_i - m - ln sum_j exp(s_j - m),    m = max_j s_j

Error, in ulps of the row's largest output L: below 1.6 + (2.1 + ln S)/|L|. With u = 2^-53, a weight exp(s_j - m) is
wrong by (|s_j - m| + 1.02) u of itself, from the rounding of its argument and exp's own. Averaged over the weights,
|s_j - m| is below ln S, so their sum is wrong by (ln S + 2.02) u of itself, its own rounding included. Its logarithm is
wrong by that, and by log's own 1.04 u |L| (ln of the sum is at most |ln p_i|). s_i - m - ln sum is rounded once, by
half an ulp, and u |L| is less than an ulp of L.
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
    return exact_sum((logits[index], -largest, -log(exact_sum(exp(logit - largest) for logit in logits))))
