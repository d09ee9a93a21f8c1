"""The recipe of a score: which windows of a document the model reads, and which tokens each window predicts.

A document of n tokens is the ids [prefix] + tokens. A model reads at most `context` of them at once, so windows slide
over them:

    ids      p a b c d e f g     context 4, stride 2
    window   p a b c             predicts a b c
                 b c d e         predicts d e
                     d e f g     predicts f g

Every token is predicted once, in the first window that contains it, from the tokens before it in that window. With
stride context - 1, windows overlap by one token, the least that the next prediction needs. A smaller stride takes more
time; then each token after the first window has at least context - stride tokens before it.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from starchart.errors import ScoringError


@dataclass(frozen=True)
class Recipe:
    """Windows of at most `context` ids, each `stride` ids after the last; `prefix` is the id before a document.

    Raises ScoringError unless 2 <= context and 1 <= stride < context.
    """

    context: int
    stride: int
    prefix: int

    def __post_init__(self) -> None:
        if self.context < 2:
            raise ScoringError(f"--context {self.context}: it must be at least 2, a token to read and one to predict")
        if not 1 <= self.stride < self.context:
            raise ScoringError(
                f"--stride {self.stride}: it must be from 1 to {self.context - 1}, one less than the context"
            )

    @classmethod
    def for_model(cls, n_positions: int, prefix: int, context: int | None, stride: int | None) -> "Recipe":
        """Return the recipe for a model that reads `n_positions` ids.

        The default context is `n_positions`, the default stride is context - 1. Raises ScoringError for a value that
        is out of range.
        """
        context = n_positions if context is None else context
        if context > n_positions:
            raise ScoringError(f"--context {context}: it must be at most {n_positions}, what this model reads at once")
        return cls(context, context - 1 if stride is None else stride, prefix)


@dataclass(frozen=True)
class Window:
    """The ids in the half-open range `start` to `end`. Those from `first` on are predicted in this window."""

    start: int
    end: int
    first: int


def windows(count: int, recipe: Recipe) -> Iterator[Window]:
    """Yield the windows over `count` ids, the prefix included.

    >>> [(w.start, w.end, w.first) for w in windows(8, Recipe(context=4, stride=2, prefix=0))]
    [(0, 4, 1), (2, 6, 4), (4, 8, 6)]
    """
    start, first = 0, 1
    while first < count:
        end = min(start + recipe.context, count)
        yield Window(start, end, first)
        start, first = start + recipe.stride, end
