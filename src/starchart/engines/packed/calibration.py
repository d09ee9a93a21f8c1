"""The narrowest lanes that are exact enough for a model: two precisions are compared while it is packed.

A fast precision rounds so much that its error is not small on every model. So the model reads 32 fixed tokens in the
narrowest lanes and in the next wider ones. The KL divergence between the two is nearly the error of the narrowest
lanes. The error of the wider lanes follows from it: one more bit for the weights and one more for the vectors halve the
error of the logits, and the KL divergence grows with the square of that error.
"""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from math import inf, isfinite, ldexp
from operator import mul, sub

from starchart.engines.packed.arithmetic.lanes import Precision
from starchart.engines.packed.filling import Filled
from starchart.engines.packed.packed_model import PackedModel, Packer
from starchart.utils.exact_sum import exact_sum
from starchart.utils.log_softmax import log_probability
from starchart.utils.matrix import Matrix, Vector
from starchart.utils.softmax import softmax

MOST_NATS = 2.5e-4  # per token, on these tokens; half of what is promised on others
_TOKENS = 32

Logits = Callable[[PackedModel, Sequence[int]], Matrix]


def open_model(packer: Packer, precision: Precision, logits: Logits) -> PackedModel:
    """Return the model in `precision`, or in a wider one where that is not exact enough.

    It is read from the pack cache if it is there.

    Raises CheckpointError for numbers that cannot be weights, EngineError if a process ends.
    """
    for one in with_wider(precision):
        if found := packer.stored(one):
            return found
    model = (
        packer.packed(precision) if precision.wider is None else _compared(packer, precision, precision.wider, logits)
    )
    model.filled.keep()
    return model


def _compared(packer: Packer, precision: Precision, wider: Precision, logits: Logits) -> PackedModel:
    """Return the model in the narrowest precision that is exact enough. One packed model is in memory at a time."""
    ids = calibration_ids(packer.config.vocab_size, packer.config.n_positions)
    with ExitStack() as undo:
        truth, files = _truth(packer, wider, logits, ids)
        undo.callback(files.discard)
        narrow = packer.packed(precision)
        undo.callback(narrow.close)
        chosen = choose(precision, divergence(logits(narrow, ids), truth))
        if chosen is precision:
            undo.pop_all()
            files.discard()
            return narrow
        if chosen is wider:
            files.keep()
    return packer.stored(chosen) or packer.packed(chosen)


def _truth(packer: Packer, precision: Precision, logits: Logits, ids: Sequence[int]) -> tuple[Matrix, Filled]:
    model = packer.packed(precision)
    try:
        return logits(model, ids), model.filled
    except BaseException:
        model.filled.discard()
        raise
    finally:
        model.shards.close()


def with_wider(precision: Precision) -> list[Precision]:
    """Return a precision and the wider ones that may take its place."""
    return [precision, *(with_wider(precision.wider) if precision.wider else [])]


def choose(precision: Precision, nats: float) -> Precision:
    """Return the narrowest precision that is exact enough where `precision` has this KL divergence, or the widest."""
    known = with_wider(precision)
    bits = [one.weights[0].weight_bits for one in known]
    enough = [one for one, own in zip(known, bits, strict=True) if ldexp(nats, 2 * (bits[0] - own)) <= MOST_NATS]
    return enough[0] if enough else known[-1]


def calibration_ids(vocabulary: int, positions: int) -> list[int]:
    """Return 32 tokens from all over the vocabulary, fewer for a model that reads fewer.

    >>> calibration_ids(50257, 3)
    [7919, 15838, 23757]
    """
    return [7919 * (n + 1) % vocabulary for n in range(min(_TOKENS, positions))]


def divergence(logits: Matrix, truth: Matrix) -> float:  # [T][V], [T][V] -> nats per token
    """Return the mean KL divergence from the distributions of `truth`; infinity where a logit is NaN or infinite.

    sum_j p_j ((t_j - ln Z) - (y_j - ln Z')), p = softmax(t), of the logits t of `truth` and y of `logits`.
    """
    found = []
    for own, true in zip(logits, truth, strict=True):
        if not all(map(isfinite, (*own, *true))):
            return inf
        differences = map(mul, softmax(true), map(sub, true, own))
        found.append(exact_sum(differences) + _log_normaliser(own) - _log_normaliser(true))
    return exact_sum(found) / len(found)


def _log_normaliser(logits: Vector) -> float:
    """Return ln Z."""
    return logits[0] - log_probability(logits, 0)
