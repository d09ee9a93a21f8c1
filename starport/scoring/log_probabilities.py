"""What a model predicts of the tokens that come, on whatever engine it runs.

ln p(token) = s_token - m - ln sum_j exp(s_j - m),    m = max_j s_j,    s the logits
"""

from collections.abc import Iterator, Sequence
from math import isfinite

from starchart import GPT2
from starchart.errors import ScoringError
from starchart.utils.exact_sum import exact_sum
from starchart.utils.exp import exp
from starchart.utils.log import log

# Ids read at a time, as many as GPT2 does: the logits of a window, [T][V], need not all be in memory together.
_CHUNK = 16


def log_probabilities(gpt2: GPT2, ids: Sequence[int]) -> Iterator[float]:  # [T] -> [T-1]
    """Yield the natural logarithm of the probability of each of `ids` but the first, given those before it.

    Raises GenerationError for ids that the model cannot read, ScoringError where the logits are not finite.
    """
    cache = None
    for start in range(0, len(ids) - 1, _CHUNK):
        end = min(start + _CHUNK, len(ids) - 1)  # nothing follows the last id
        logits, cache = gpt2.read(ids[start:end], cache, last_only=False)
        yield from map(log_probability, logits, ids[start + 1 : end + 1])


def log_probability(logits: Sequence[float], token: int) -> float:  # [V] -> one number, at most 0
    """Return the natural logarithm of the probability of `token`. Raises ScoringError if it is not finite.

    >>> log_probability([0.0, 0.0], 1)
    -0.6931471805599453
    """
    largest = max(logits)
    result = logits[token] - largest - log(exact_sum(exp(logit - largest) for logit in logits))
    if not isfinite(result):
        raise ScoringError(
            f"the log-probability of token {token} is {result}; look for NaN, infinite or huge weights in the model"
        )
    return result
