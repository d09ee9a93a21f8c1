"""The input of each training step: windows of one long row of tokens.

The row contains all documents, each after an end-of-text token; its end is joined to its start. Each epoch starts at
another random place, cuts the row into windows, and shuffles them. The input of step n depends only on the seed and n,
so a resumed run reads what the run would have read without the stop.
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
    """Windows [T+1] of a row of tokens [N]: T inputs, and T targets, which are the inputs shifted by one.

    An epoch has `per_epoch` windows. Fewer than T tokens of the row are left out, different ones in each epoch. Raises
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
        """Return the start of the first window of an epoch, and the order of its windows."""
        random = torch.Generator().manual_seed((seed << 20) + epoch)
        beginning = int(torch.randint(len(self._row), (1,), generator=random))
        order: list[int] = torch.randperm(self.per_epoch, generator=random).tolist()
        return beginning, order
