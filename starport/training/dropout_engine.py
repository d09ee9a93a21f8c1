"""The torch engine with GPT-2's dropout: after the embeddings, on the attention pattern, and at the end of a branch."""

from torch import Tensor
from torch.nn import functional

from starport.engines.torch_engine import TorchEngine


class DropoutEngine(TorchEngine):
    """Zeroes a share of numbers at random, and scales the others up. Source: Radford et al. 2018, section 4.1."""

    def __init__(self, dropout: float, device: str = "cpu") -> None:
        super().__init__(device, "float32")
        self.dropout = dropout

    def add(self, a: Tensor, b: Tensor) -> Tensor:  # [B][T][C], [B][T][C] or [T][C] -> [B][T][C]
        """Return the stream `a` plus the branch `b` with dropout.

        Positions, which have no batch axis, are not a branch: the sum of the embeddings is dropped as a whole.
        """
        if not self.dropout:
            return a + b
        if b.dim() < a.dim():
            return functional.dropout(a + b, self.dropout)
        return a + functional.dropout(b, self.dropout)
