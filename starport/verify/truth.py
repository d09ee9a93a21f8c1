"""True values, and the distance of results from them.

True values are computed by mpmath with 60 digits, or with fractions. Each is stored as the nearest float and the rest
in ulps of that float. So the distance of a result is exact to a millionth of an ulp, in floating-point numbers.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from math import inf
from typing import Any, TypeAlias

import mpmath  # type: ignore[import-untyped]
import numpy as np
from numpy.typing import NDArray

DIGITS = 60
Floats: TypeAlias = NDArray[np.float64]
Exact: TypeAlias = Any  # a number of mpmath, which has no types, or a Fraction


@dataclass(frozen=True)
class Truth:
    """True values of any shape: `nearest` + `rest` * `ulp`."""

    nearest: Floats
    rest: Floats  # between -1/2 and 1/2
    ulp: Floats

    def distance(self, results: Floats, unit: Floats) -> Floats:
        """Return |result - truth| in `unit`, for each number; infinite for NaN."""
        with np.errstate(all="ignore"):
            distances = np.abs((results - self.nearest) / unit - self.rest * (self.ulp / unit))
        distances[results == self.nearest] = np.abs(self.rest * (self.ulp / unit))[results == self.nearest]
        return np.nan_to_num(distances, nan=inf, posinf=inf)

    def row_ulp(self) -> Floats:  # [R][C] -> [R][C]
        """Return the ulp of the largest number of each row."""
        largest = np.abs(self.nearest).max(axis=-1, keepdims=True)
        return np.broadcast_to(_ulp(largest), self.nearest.shape)


def truth_of(values: Iterable[Exact], shape: tuple[int, ...]) -> Truth:
    """Return the true values in a given shape."""
    nearest, rest = zip(*map(_parts, values), strict=True)
    heads = np.array(nearest).reshape(shape)
    return Truth(heads, np.array(rest).reshape(shape), _ulp(heads))


def _ulp(values: Floats) -> Floats:
    finite = np.where(np.isfinite(values), np.abs(values), 1.0)
    return np.nextafter(finite, inf) - finite


def _parts(value: Exact) -> tuple[float, float]:
    """Return the float nearest to a number, ties to even, and the rest in ulps of it."""
    fraction = value if isinstance(value, Fraction) else _fraction(value)
    if fraction is None:
        return (inf if value > 0 else -inf), 0.0
    try:
        nearest = float(fraction)  # a division of integers: rounded once, even if subnormal
    except OverflowError:
        return (inf if fraction > 0 else -inf), 0.0
    ulp = float(_ulp(np.array(nearest)))
    return nearest, float((fraction - Fraction(nearest)) / Fraction(ulp))


def _fraction(value: Exact) -> Fraction | None:
    """Return an mpf as a fraction; 0 if it is far below the range of floats, None if it is far above."""
    sign, mantissa, exponent, bits = value._mpf_
    if not mantissa or exponent + bits < -1200:
        return Fraction(0)
    if exponent + bits > 1100:
        return None
    size = int(mantissa) * (1 << exponent) if exponent >= 0 else Fraction(int(mantissa), 1 << -exponent)
    return Fraction(-size if sign else size)


def mpf(value: float) -> Exact:
    """Return a float as a number of mpmath, exactly."""
    return mpmath.mpf(value)
