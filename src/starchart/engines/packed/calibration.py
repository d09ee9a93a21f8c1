"""The narrowest lanes that are exact enough for a model, found by a comparison while it is packed.

A fast precision rounds so much that its error is not small on every model. So the model reads 4 texts of 8 fixed tokens
in the widest lanes, then in the narrowest ones and, if need be, in wider ones, until the KL divergence from the widest
is small in the mean and in every text.

One text is not enough: with heavy tails, the error differs by a factor of 100 from text to text. Nor can the error of
wider lanes be computed from that of the narrowest: with heavy tails, most weights are rounded to zero there, and the
error does not shrink with the step.
"""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from math import inf, isfinite
from operator import mul, sub

from starchart.engines.packed.arithmetic.lanes import Precision, with_wider
from starchart.engines.packed.filling import Filled
from starchart.engines.packed.packed_model import PackedModel, Packer
from starchart.utils.exact_sum import exact_sum
from starchart.utils.log_softmax import log_probability
from starchart.utils.matrix import Matrix, Vector
from starchart.utils.softmax import softmax

MOST_NATS = 2.5e-4  # per token, in the mean of the texts; half of what is promised
MOST_IN_A_TEXT = 5e-4
_TEXTS, _TOKENS = 4, 8

Logits = Callable[[PackedModel, Sequence[int]], Matrix]


def open_model(packer: Packer, precision: Precision, logits: Logits) -> PackedModel:
    """Return the model in `precision`, or in a wider one where that is not exact enough.

    It is read from the pack cache if it is there.

    Raises CheckpointError for numbers that cannot be weights, EngineError if a process ends.
    """
    known = with_wider(precision)
    for one in known:
        if found := packer.stored(one):
            return found
    model = _compared(packer, known, logits) if len(known) > 1 else packer.packed(precision)
    try:
        model.filled.keep()
    except BaseException:
        model.close()
        raise
    return model


def _compared(packer: Packer, known: Sequence[Precision], logits: Logits) -> PackedModel:
    """Return the model in the narrowest precision that is exact enough. One packed model is in memory at a time."""
    *narrower, widest = known
    texts = calibration_texts(packer.config.vocab_size, packer.config.n_positions)
    truth, files = _truth(packer, widest, logits, texts)
    try:
        for precision in narrower:
            with ExitStack() as undo:
                model = packer.packed(precision)
                undo.callback(model.close)
                found = [divergence(logits(model, ids), true) for ids, true in zip(texts, truth, strict=True)]
                if is_small(found):
                    undo.pop_all()
                    return model
        files.keep()
    finally:
        files.discard()  # where they were kept, they have another name
    return packer.stored(widest) or packer.packed(widest)


def _truth(
    packer: Packer, precision: Precision, logits: Logits, texts: Sequence[Sequence[int]]
) -> tuple[list[Matrix], Filled]:
    """Return the logits of every text in `precision`, and the files of the model that was packed for them."""
    model = packer.packed(precision)
    try:
        return [logits(model, ids) for ids in texts], model.filled
    except BaseException:
        model.filled.discard()
        raise
    finally:
        model.shards.close()


def calibration_texts(vocabulary: int, positions: int) -> list[list[int]]:
    """Return 4 texts of 8 tokens from all over the vocabulary, of fewer tokens for a model that reads fewer.

    >>> calibration_texts(50257, 2)
    [[7919, 15838], [21014, 28933], [34109, 42028], [47204, 4866]]
    """
    length = min(_TOKENS, positions)
    return [[7919 * (_TOKENS * text + n + 1) % vocabulary for n in range(length)] for text in range(_TEXTS)]


def is_small(nats: Sequence[float]) -> bool:
    """Return whether these divergences, one of each text, are small enough."""
    return exact_sum(nats) / len(nats) <= MOST_NATS and max(nats) <= MOST_IN_A_TEXT


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
