"""What each step of the training reads: windows of a long row of tokens.

The documents stand in one row, each after an end-of-text token. An epoch cuts the row, whose end is joined to its
beginning, into windows, from another place every time, and shuffles them. What step n reads follows from the seed and n
alone, so a run that was stopped goes on with what it would have read.
"""

from collections.abc import Iterable
from functools import lru_cache

import torch
from torch import Tensor

from starchart import Tokenizer
from starchart.errors import TrainingError


def token_row(documents: Iterable[str], tokenizer: Tokenizer, end_of_text: int) -> Tensor:  # -> [N]
    """Return the tokens of all documents, each after an end-of-text token."""
    return torch.tensor([token for text in documents for token in (end_of_text, *tokenizer.encode(text))])


class TokenWindows:
    """Windows [T+1] of a row of tokens [N]: T inputs, and the T targets, which stand one further on.

    An epoch has `per_epoch` of them; fewer than T tokens of the row are in none, other ones in every epoch. Raises
    TrainingError if the row is shorter than one window.
    """

    def __init__(self, row: Tensor, context: int, seed: int) -> None:
        if len(row) <= context:
            raise TrainingError(
                f"the texts make {len(row)} tokens, and a window of {context} needs {context + 1}: give more text, or a"
                " smaller --context"
            )
        self._row = row
        self.context = context
        self.per_epoch = len(row) // context
        self._order = lru_cache(maxsize=2)(lambda epoch: self._shuffled(seed, epoch))

    def batch(self, first: int, count: int) -> tuple[Tensor, Tensor]:  # -> [B][T], [B][T]
        """Return inputs and targets of the B = `count` windows from number `first` on, counted over all epochs."""
        starts = torch.tensor([self._start(number) for number in range(first, first + count)])
        windows = self._row[(starts[:, None] + torch.arange(self.context + 1)) % len(self._row)]
        return windows[:, :-1], windows[:, 1:]

    def _start(self, number: int) -> int:
        epoch, index = divmod(number, self.per_epoch)
        beginning, order = self._order(epoch)
        return beginning + order[index] * self.context

    def _shuffled(self, seed: int, epoch: int) -> tuple[int, list[int]]:
        """Return where an epoch begins to cut, and the order of its windows."""
        random = torch.Generator().manual_seed((seed << 20) + epoch)
        beginning = int(torch.randint(len(self._row), (1,), generator=random))
        order: list[int] = torch.randperm(self.per_epoch, generator=random).tolist()
        return beginning, order
