"""What each step of the training reads: windows of a long row of tokens.

The documents stand in one row, each after an end-of-text token. An epoch cuts the row into windows, from another place
every time, and shuffles them. What step n reads follows from the seed and n alone, so a run that was stopped goes on
with what it would have read.
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
    """Windows [T+1] of a row of tokens [N]: T inputs, and the T targets, which stand one further on."""

    def __init__(self, row: Tensor, context: int, seed: int) -> None:
        """Raise TrainingError if the row is shorter than one window."""
        if len(row) <= context:
            raise TrainingError(
                f"the texts make {len(row)} tokens, and a window of {context} needs {context + 1}: give more text, or a"
                " smaller --context"
            )
        self._row = row
        self._context = context
        self.per_epoch = max(1, (len(row) - 1) // context - 1)  # an epoch may begin up to a window late
        self._order = lru_cache(maxsize=2)(lambda epoch: self._shuffled(seed, epoch))

    def batch(self, first: int, count: int) -> tuple[Tensor, Tensor]:  # -> [B][T], [B][T]
        """Return inputs and targets of the B = `count` windows from number `first` on, counted over all epochs."""
        starts = [self._start(number) for number in range(first, first + count)]
        windows = torch.stack([self._row[start : start + self._context + 1] for start in starts])
        return windows[:, :-1], windows[:, 1:]

    def _start(self, number: int) -> int:
        epoch, index = divmod(number, self.per_epoch)
        late, order = self._order(epoch)
        return late + order[index] * self._context

    def _shuffled(self, seed: int, epoch: int) -> tuple[int, list[int]]:
        """Return how late an epoch begins, and the order of its windows."""
        random = torch.Generator().manual_seed((seed << 20) + epoch)
        room = len(self._row) - 1 - self.per_epoch * self._context  # so that the last window ends in the row
        late = int(torch.randint(min(room, self._context - 1) + 1, (1,), generator=random))
        order: list[int] = torch.randperm(self.per_epoch, generator=random).tolist()
        return late, order
