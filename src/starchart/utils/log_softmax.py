"""The logarithm of one of softmax's results, without the loss of a small probability to rounding.

    ln p_i = s_i - m - ln sum_j exp(s_j - m),    m = max_j s_j

Error, in ulps of the row's largest output L: below 0.52 + (2.1 + ln S)/|L|. With u = 2^-53, a weight exp(s_j - m) is
wrong by (|s_j - m| + 1.02) u of itself, from the rounding of its argument and exp's own. Averaged over the weights,
|s_j - m| is below ln S, so their sum is wrong by (ln S + 2.02) u of itself, its own rounding included, and its
logarithm by (ln S + 2.02) u. The logarithm is added in two parts, wrong by 0.02 ulp, so that all is rounded once, by
half an ulp. u |L| is less than an ulp of L.
"""

from starchart.utils.exact_sum import exact_sum
from starchart.utils.exp import exp
from starchart.utils.log import INFINITY, NAN, log_parts
from starchart.utils.matrix import Vector


def log_probability(logits: Vector, index: int) -> float:  # [V] -> one number, at most 0
    """Return the natural logarithm of softmax(logits)[index]; not finite where the logits are not.

    >>> log_probability([0.0, 0.0], 1)
    -0.6931471805599453
    """
    largest = max(logits)
    total = exact_sum(exp(logit - largest) for logit in logits)
    if not 1.0 <= total < INFINITY:
        return NAN
    log_total, rest = log_parts(total, 0.0)
    return exact_sum((logits[index], -largest, -log_total, -rest))
