"""Layer normalisation: every token's channels get mean 0 and variance 1, then a learned scale and shift.

    y_c = weight_c (x_c - mean) / sqrt(variance + epsilon) + bias_c

The variance is the biased one (divided by C, not C - 1). Source: Ba, Kiros and Hinton 2016, equations 3 and 4; the
position before each sub-layer is GPT-2's (Radford et al. 2019, section 2.3).
"""

from dataclasses import dataclass
from math import sqrt
from operator import mul
from typing import Annotated

from starchart.utils.exact_sum import exact_sum
from starchart.utils.matrix import Matrix, Vector


def layer_norm(x: Matrix, weight: Vector, bias: Vector, epsilon: float) -> list[list[float]]:  # [T][C] -> [T][C]
    """Return each row of `x` normalised, then scaled by `weight` [C] and shifted by `bias` [C].

    Error, in ulps of the row's largest output Y: below 1 + max_c |weight_c| (9 |z_c| + 1 + 2^-51 |mean|/d) / |Y|, with
    d = sqrt(variance + epsilon), z_c = (x_c - mean)/d; proof in docs/BOUNDS.md#layer_norm.

    >>> layer_norm([[1.0, 3.0]], [10.0, 10.0], [0.5, 0.5], 0.0)
    [[-9.5, 10.5]]
    """
    return [_normalise(row, weight, bias, epsilon) for row in x]


def _normalise(row: Vector, weight: Vector, bias: Vector, epsilon: float) -> list[float]:  # [C] -> [C]
    centred = _remove_mean(_remove_mean(row))  # twice: the first leaves the rounding error of a large mean
    variance = exact_sum(map(mul, centred, centred)) / len(centred)
    deviation = sqrt(variance + epsilon)
    return [value / deviation * w + b for value, w, b in zip(centred, weight, bias, strict=True)]


def _remove_mean(row: Vector) -> list[float]:  # [C] -> [C]
    mean = exact_sum(row) / len(row)
    return [value - mean for value in row]


@dataclass(frozen=True)
class LayerNormWeights:
    """The learned scale and shift of every channel."""

    weight: Annotated[Vector, "C"]  # gamma in the paper
    bias: Annotated[Vector, "C"]  # beta
