"""The rounding of the packed engine, without its arithmetic: the error of a precision if nothing is wrong.

Weights are rounded to integers of a number of bits, with a scale per column. Vectors are rounded to integers with the
largest scale at which no sum over 64 rows can overflow its lane, the few large elements of a vector with a scale of
their own. All else is float64. The widths are arguments here, not imported from the engine: so a wrong width in the
engine is found.
"""

from collections.abc import Sequence
from math import sqrt

import torch
from torch import Tensor
from torch.nn import functional

from starport.engines.torch_engine import TorchEngine

_GROUP = 64  # rows
_FEW_ROWS, _HEAVY_TAILS = 512, 20.0  # a matrix with fewer, or with heavier tails, has wider lanes

Width = tuple[int, int]  # bits of a lane, bits of a weight


class RoundingEngine(TorchEngine):
    """PyTorch in float64 with rounded weights and vectors. `widths`: one, or the usual one and a wider one."""

    def __init__(self, *widths: Width) -> None:
        super().__init__("cpu", "float64")
        self._widths = widths

    def linear(self, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:  # [B][T][in], [in][out], [out] -> [B][T][out]
        """Return x W + bias of the rounded x and W."""
        return self._product(x, weight) + bias

    def output_projection(self, x: Tensor, table: Tensor, last_only: bool) -> Tensor:  # [B][T][C], [V][C] -> [B][T][V]
        """Return the logits of the rounded x and table; with `last_only` those of the last token."""
        return self._product(x[..., -1:, :] if last_only else x, table.t())

    def _product(self, x: Tensor, weight: Tensor) -> Tensor:  # [B][T][in], [in][out] -> [B][T][out]
        lane, bits = width_for(weight, self._widths)
        rounded, bound = rounded_weight(weight, bits)
        product: Tensor = rounded_vector(x, bound, lane) @ rounded
        return product


def width_for(weight: Tensor, widths: Sequence[Width]) -> Width:  # [in][out]
    """Return the wider width, if there is one, for few rows and for columns with heavy tails."""
    peaks = weight.abs().amax(0).square() / weight.square().mean(0)  # [out], NaN for a column of zeros
    needs_more = len(weight) < _FEW_ROWS or bool(peaks.nanmean() > _HEAVY_TAILS)
    return widths[-1] if needs_more else widths[0]


def rounded_weight(weight: Tensor, bits: int) -> tuple[Tensor, float]:  # [in][out] -> [in][out]
    """Return a weight whose columns are whole numbers of `bits` bits times a scale, and a bound on their norms."""
    largest = (1 << (bits - 1)) - 1
    steps = weight.abs().amax(0) / largest  # [out]
    whole = (weight / torch.where(steps > 0, steps, 1.0)).round()
    return whole * steps, max(float(_norms(whole.t()).max()), largest + 1)


def rounded_vector(x: Tensor, bound: float, lane: int) -> Tensor:  # [...][in] -> [...][in]
    """Return vectors in whole numbers times a scale, for lanes of `lane` bits and columns of norm `bound`.

    In a group whose norm is above twice the median, the elements above an eighth of that have a scale of their own.
    """
    room = 2.0 ** (lane - 1) / (bound + 1.0) - sqrt(_GROUP) / 2
    norms = _norms(x)  # [...][groups]
    limits = torch.minimum(2 * norms.median(-1, keepdim=True).values, norms.amax(-1, keepdim=True))  # [...][1]
    of_groups = norms.repeat_interleave(_GROUP, -1)[..., : x.shape[-1]]
    is_large = (of_groups > limits) & (x.abs() > limits / _GROUP**0.5)
    small = _whole(torch.where(is_large, 0.0, x), room / _positive(limits))
    large = _whole(torch.where(is_large, x, 0.0), room / _positive(norms.amax(-1, keepdim=True)))
    return small + large


def _whole(x: Tensor, scale: Tensor) -> Tensor:
    return (x * scale).round() / scale


def _positive(norms: Tensor) -> Tensor:
    return torch.where(norms > 0, norms, 1.0)


def _norms(rows: Tensor) -> Tensor:  # [...][in] -> [...][groups]
    """Return the norms of each row's groups of 64 numbers."""
    padded = functional.pad(rows, (0, -rows.shape[-1] % _GROUP))
    norms: Tensor = torch.linalg.vector_norm(padded.reshape(*rows.shape[:-1], -1, _GROUP), dim=-1)
    return norms
