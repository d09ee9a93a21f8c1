"""The score of documents: the log-likelihood that a model gives them, in total, per token and per byte.

    log-likelihood   L = sum of ln p(token | the tokens before it in its window)
    perplexity       exp(-L / tokens)
    bits per byte    -L / ln 2 / bytes

Perplexity depends on the vocabulary; bits per byte do not, so they can compare models with different vocabularies.
Source: Radford et al. 2019, sections 2.1 and 3.1.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import fsum, isfinite
from typing import TypeAlias

from starchart import Tokenizer
from starchart.errors import ScoringError
from starchart.utils.elementary.exp import exp
from starchart.utils.elementary.log import log
from starport.scoring.windows import Recipe, windows

# [T] -> [T-1]: the natural logarithm of the probability of each id but the first, given those before it.
LogProbabilities: TypeAlias = Callable[[Sequence[int]], Iterable[float]]
Progress: TypeAlias = Callable[[int, int], None]


def _no_progress(done: int, total: int) -> None:
    pass


@dataclass(frozen=True)
class Score:
    """The log-likelihood of documents, in nats (natural logarithms), and their sizes; `bytes` counts UTF-8."""

    documents: int
    bytes: int
    tokens: int
    log_likelihood: float

    @property
    def perplexity(self) -> float:
        """Per token: exp(-log_likelihood / tokens); inf if it is too large for a float."""
        return exp(-self.log_likelihood / self.tokens)

    @property
    def bits_per_byte(self) -> float:
        """-log_likelihood / ln 2 / bytes."""
        return -self.log_likelihood / log(2.0) / self.bytes


def score(
    documents: Sequence[str],
    tokenizer: Tokenizer,
    log_probabilities: LogProbabilities,
    recipe: Recipe,
    progress: Progress = _no_progress,
) -> Score:
    """Return the score of one or more documents. None of them may be empty.

    `log_probabilities` is the model: for ids [T] it gives the T - 1 natural logarithms of the probabilities of
    ids[1:], each given the ids before it. `progress` gets the number of predicted tokens and of all tokens.
    """
    encoded = [[recipe.prefix, *tokenizer.encode(document)] for document in documents]
    tokens = sum(map(len, encoded)) - len(encoded)
    values = []
    for ids in encoded:
        for value in _predicted(ids, log_probabilities, recipe):
            values.append(value)
            progress(len(values), tokens)
    return Score(len(documents), sum(len(document.encode()) for document in documents), tokens, fsum(values))


def _predicted(ids: Sequence[int], log_probabilities: LogProbabilities, recipe: Recipe) -> Iterator[float]:
    """Yield the log probability of each of `ids` but the first, in order: [T] -> [T-1]."""
    for window in windows(len(ids), recipe):
        positions = range(window.start + 1, window.end)
        found = log_probabilities(ids[window.start : window.end])
        for at, value in zip(positions, found, strict=True):
            if not isfinite(value):
                raise ScoringError(
                    f"the log-probability of token {ids[at]} is {value}; look for huge weights in the model"
                )
            if at >= window.first:
                yield value


def total(scores: Sequence[Score]) -> Score:
    """Return the score of all documents together."""
    return Score(
        sum(score.documents for score in scores),
        sum(score.bytes for score in scores),
        sum(score.tokens for score in scores),
        fsum(score.log_likelihood for score in scores),
    )
