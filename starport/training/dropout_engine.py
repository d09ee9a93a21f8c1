"""The torch engine with GPT-2's dropout: after embeddings and attention patterns, and on each residual branch."""

from torch import Tensor
from torch.nn import functional

from starport.engines.torch_engine import TorchEngine


class DropoutEngine(TorchEngine):
    """Sets entries to 0 with probability `dropout`, and divides the others by 1 - dropout.

    Source: Radford et al. 2018, section 4.1.
    """

    def __init__(self, dropout: float, device: str = "cpu") -> None:
        super().__init__(device, "float32")
        self.dropout = dropout

    def add(self, a: Tensor, b: Tensor) -> Tensor:  # [B][T][C], [B][T][C] or [T][C] -> [B][T][C]
        """Return the residual stream `a` plus the branch `b`, with dropout on the branch.

        If `b` has no batch axis it is the position embeddings: then dropout is applied to the sum, as in GPT-2.
        """
        if not self.dropout:
            return a + b
        if b.dim() < a.dim():
            return functional.dropout(a + b, self.dropout)
        return a + functional.dropout(b, self.dropout)
