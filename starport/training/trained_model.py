"""The GPT-2 in training, as a PyTorch module."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from starchart.model.cache import new_cache
from starchart.model.config import GPT2Config
from starchart.model.gpt_model import GPTModelWeights, gpt_model
from starport.engines.tensors import map_leaves, named_leaves
from starport.engines.torch_engine import TorchEngine
from starport.training.dropout_engine import DropoutEngine


class TrainedModel(nn.Module):
    """A GPT-2 whose weights are parameters of the module. `gpt_model` computes it."""

    def __init__(self, config: GPT2Config, weights: GPTModelWeights, dropout: float, device: torch.device) -> None:
        super().__init__()
        self.config = config
        self.weights = map_leaves(weights, lambda leaf: nn.Parameter(leaf.to(device)))
        self.named = dict(named_leaves(self.weights))
        self.parameters_in_order = nn.ParameterList(self.named.values())  # nn.Module finds them here
        self._dropping = DropoutEngine(dropout, str(device))
        self._whole = TorchEngine(str(device), "float32")

    def forward(self, inputs: Tensor, targets: Tensor) -> Tensor:  # [B][T], [B][T] -> []
        """Return the mean of -log P(target), in nats per token."""
        logits = self._logits(inputs.t(), self._dropping)
        return functional.cross_entropy(logits.float().flatten(0, 1), targets.flatten())

    @torch.no_grad()
    def log_probabilities(self, ids: Sequence[int]) -> list[float]:  # [T] -> [T-1]
        """Return log P of each token except the first, given the tokens before it, without dropout."""
        return self._whole.log_probabilities(self._logits(ids[:-1], self._whole), ids[1:])

    def _logits(self, ids: Sequence[int] | Tensor, engine: TorchEngine) -> Tensor:  # [T] or [T][B] -> [B][T][V]
        cache = new_cache(self.config, engine)
        logits: Tensor = gpt_model(ids, self.weights, cache, self.config, engine)[0]  # type: ignore[arg-type]
        return logits
