"""Temperature, top-k and top-p: what may still be drawn from one row of logits, as transformers decides it.

The order is fixed: temperature, then top-k, then top-p. A filter returns the ids of the tokens that stay, smallest id
first; transformers sets the others to -inf, which has the same effect. Logits are float32 numbers here, as there,
so that ties and cuts agree. Left out: the other processors of transformers (repetition penalty, typical, min-p, ...).

Sources: temperature, Ackley, Hinton & Sejnowski 1985, "A Learning Algorithm for Boltzmann Machines"; top-k, Fan,
Lewis & Dauphin 2018, "Hierarchical Neural Story Generation", section 5; top-p, Holtzman et al. 2020, "The Curious
Case of Neural Text Degeneration", section 3.1; rounding and ties, transformers 5 (`generation/logits_process.py`).
"""

from collections.abc import Sequence
from heapq import nlargest
from math import fsum

from starchart.generation.float32 import float32, float32_row
from starchart.utils.elementary.exp import exp


def divide_by_temperature(logits: Sequence[float], temperature: float) -> list[float]:  # [V] -> [V]
    """Return logits / temperature in float32: below 1 their differences grow, above 1 they shrink.

    >>> divide_by_temperature([1.0, -3.0], 0.5)
    [2.0, -6.0]
    """
    divisor = float32(temperature)
    return float32_row([logit / divisor for logit in logits])


def top_k(logits: Sequence[float], k: int) -> list[int]:  # [V] -> ids of the tokens kept
    """Keep the k tokens with the largest logits, and all that tie with the k-th. k must be at least 1.

    >>> top_k([1.0, 5.0, 3.0, 3.0, 0.0], 2)
    [1, 2, 3]
    """
    smallest_kept = nlargest(k, logits)[-1]
    return [token for token, logit in enumerate(logits) if logit >= smallest_kept]


def top_p(logits: Sequence[float], tokens: Sequence[int], p: float) -> list[int]:  # [V], ids -> ids of the tokens kept
    """Keep as few of `tokens` as possible, the most probable first, so that their probabilities reach p, 0 < p < 1.

    transformers starts from the least probable token, and removes tokens as long as their cumulative probability is at
    most 1 - p, in float32; the most probable token always stays. This function starts from the most probable token and
    stops before the first one that transformers removes. If equal logits are on both sides of the cut, the tokens with
    the larger ids stay, as with a stable sort; torch's sort is not stable and may keep others of them.

    Probabilities 0.5, 0.3, 0.2, and p = 0.6: the first two are needed.

    >>> top_p([-1.6094379, -0.6931472, -1.2039728], [0, 1, 2], 0.6)
    [1, 2]
    """
    largest = max(logits)
    weights = {token: exp(logits[token] - largest) for token in tokens}
    total = fsum(weights.values())
    removed = float32(1.0 - p)
    left = total
    kept = []
    for token in reversed(_heavy_tokens(logits, weights, (1.0 - p) * total)):
        kept.append(token)
        left -= weights[token]
        if float32(left / total) <= removed:
            break
    return sorted(kept)


def _heavy_tokens(logits: Sequence[float], weights: dict[int, float], removed_weight: float) -> list[int]:
    """Return the tokens that top-p might keep, the smallest logit first, equal logits by id.

    n tokens of weight <= removed_weight / n weigh at most removed_weight together, so they are all removed and need no
    sorting. The factor 0.999 leaves room for every rounding.
    """
    lightest = 0.999 * removed_weight / len(weights)
    return sorted((token for token, weight in weights.items() if weight > lightest), key=logits.__getitem__)
