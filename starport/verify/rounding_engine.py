"""The rounding of the packed engine, without its arithmetic: the error of a precision if nothing is wrong.

Weights are rounded to integers of a number of bits, with a scale per column. Vectors are rounded to integers with the
largest scale at which no sum over 64 rows can overflow its lane. All else is float64. The widths are arguments here,
not imported from the engine: so a wrong width in the engine is found.
"""

from math import sqrt

import torch
from torch import Tensor
from torch.nn import functional

from starport.engines.torch_engine import TorchEngine

_GROUP = 64  # rows


class RoundingEngine(TorchEngine):
    """PyTorch in float64, with weights rounded to `bits` bits and vectors rounded for lanes of `lane` bits."""

    def __init__(self, lane: int, bits: int) -> None:
        super().__init__("cpu", "float64")
        self._lane = lane
        self._bits = bits

    def linear(self, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:  # [B][T][in], [in][out], [out] -> [B][T][out]
        """Return x W + bias of the rounded x and W."""
        return self._product(x, weight) + bias

    def output_projection(self, x: Tensor, table: Tensor, last_only: bool) -> Tensor:  # [B][T][C], [V][C] -> [B][T][V]
        """Return the logits of the rounded x and table; with `last_only` those of the last token."""
        return self._product(x[..., -1:, :] if last_only else x, table.t())

    def _product(self, x: Tensor, weight: Tensor) -> Tensor:  # [B][T][in], [in][out] -> [B][T][out]
        rounded, bound = rounded_weight(weight, self._bits)
        product: Tensor = rounded_vector(x, bound, self._lane) @ rounded
        return product


def rounded_weight(weight: Tensor, bits: int) -> tuple[Tensor, float]:  # [in][out] -> [in][out]
    """Return a weight whose columns are whole numbers of so many bits times a scale, and a bound on their norms."""
    largest = (1 << (bits - 1)) - 1
    steps = weight.abs().amax(0) / largest  # [out]
    whole = (weight / torch.where(steps > 0, steps, 1.0)).round()
    return whole * steps, max(float(_norms(whole.t()).max()), largest)


def rounded_vector(x: Tensor, bound: float, lane: int) -> Tensor:  # [...][in] -> [...][in]
    """Return vectors in whole numbers times a scale, for lanes of `lane` bits and columns of norm `bound`."""
    room = 2.0 ** (lane - 1) / (bound + 1.0) - sqrt(_GROUP) / 2
    norms = _norms(x).amax(-1, keepdim=True)  # [...][1]
    scales = room / torch.where(norms > 0, norms, 1.0)
    return (x * scales).round() / scales


def _norms(rows: Tensor) -> Tensor:  # [...][in] -> [...][groups]
    """Return the norms of each row's groups of 64 numbers."""
    padded = functional.pad(rows, (0, -rows.shape[-1] % _GROUP))
    norms: Tensor = torch.linalg.vector_norm(padded.reshape(*rows.shape[:-1], -1, _GROUP), dim=-1)
    return norms
