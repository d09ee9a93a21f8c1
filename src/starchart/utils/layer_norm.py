"""Layer normalisation: every token's channels are shifted to mean 0 and scaled to variance 1, then to a learned size.

    y_c = weight_c (x_c - mean) / sqrt(variance + epsilon) + bias_c

The variance is the biased one (divided by C, not C - 1). Source: Ba, Kiros and Hinton 2016, equations 3 and 4; the
position before each sub-layer is GPT-2's (Radford et al. 2019, section 2.3).

Error, in ulps of the row's largest output Y: below 1 + max_c |w_c| (9 |z_c| + 1 + 4u |mean| / d) / |Y|, with d the
deviation, z_c = (x_c - mean) / d, u = 2^-53. Taking the mean out rounds x_c - mean twice, by 2u |z_c| d; that the mean
of the roundings goes out with the second mean leaves at most u d more, and what both means got wrong themselves is
(2u)^2 |mean|. In the variance the roundings of the differences weigh 4u, its squares, sum and quotient 3u, C epsilon
u; the square root halves these 8u and rounds by u: 5u. The quotient and the product with w_c round by u each.
2 + 5 + 2 = 9. The sum with the bias rounds by u |Y| at most, and u |Y| is less than an ulp of Y. (To first order: the
products of small errors are below 10^-14 of it.)

What the root rounds by shifts a whole row, so it is measured (r of it) and taken off with the bias. b - r y is a float
near b, and b is one too: where it is rounded, no more is lost than r y, as without it.
"""

from dataclasses import dataclass
from itertools import chain
from math import inf, sqrt
from operator import mul
from typing import Annotated

from starchart.utils.exact_sum import exact_sum
from starchart.utils.matrix import Matrix, Vector


@dataclass(frozen=True)
class LayerNormWeights:
    """The learned size and shift of every channel."""

    weight: Annotated[Vector, "C"]  # gamma in the paper
    bias: Annotated[Vector, "C"]  # beta


def layer_norm(x: Matrix, weight: Vector, bias: Vector, epsilon: float) -> list[list[float]]:  # [T][C] -> [T][C]
    """Return each row of `x` normalised, then scaled by `weight` [C] and shifted by `bias` [C].

    >>> layer_norm([[1.0, 3.0]], [10.0, 10.0], [0.5, 0.5], 0.0)
    [[-9.5, 10.5]]
    """
    return [_normalise(row, weight, bias, epsilon) for row in x]


def _normalise(row: Vector, weight: Vector, bias: Vector, epsilon: float) -> list[float]:  # [C] -> [C]
    centred = _remove_mean(_remove_mean(row))
    squares = chain(map(mul, centred, centred), (len(centred) * epsilon,))
    variance = exact_sum(squares) / len(centred)  # epsilon is in it
    deviation = sqrt(variance)
    r = _error_of_root(deviation, variance)
    return [(y := value / deviation * w) + (b - r * y) for value, w, b in zip(centred, weight, bias, strict=True)]


def _error_of_root(root: float, square: float) -> float:
    """Return by which part of it `root` lies below the square root of `square`: 2^-53 at most; 0 where that underflows.

    square - root^2 is found without rounding: `root` is cut into two halves, whose products are exact (Dekker 1971).
    """
    if not 1e-270 < square < inf:
        return 0.0
    cut = root * (2**27 + 1)
    high = cut - (cut - root)
    low = root - high
    return ((square - high * high) - 2.0 * high * low - low * low) / (2.0 * square)


def _remove_mean(row: Vector) -> list[float]:  # [C] -> [C]
    # Twice: the first mean is rounded, and with a mean of 1e6 that rounding would be all that is left of a small row.
    mean = exact_sum(row) / len(row)
    return [value - mean for value in row]
