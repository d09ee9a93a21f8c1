"""The distance of values from the true values, relative to the largest number of the tensor."""

from collections.abc import Iterable, Mapping
from math import inf
from typing import Any

import numpy as np

from starport.verify.check import short

# The bound for two implementations of GPT-2 in float64: as large as 9,000 roundings of 2^-53 that add up. A wrong
# digit, axis or constant changes results by 1e-7 or more.
BAR = 1e-12
OF_LARGEST = "of largest"  # the unit of these distances


def distance(value: Any, truth: Any) -> float:
    """Return the largest difference / the largest true number; inf for another shape and for NaN."""
    ours, true = np.asarray(value), np.asarray(truth)
    if ours.shape != true.shape:
        return inf
    largest = float(abs(true).max())
    far = float(abs(ours - true).max())
    return inf if far != far else far / largest if largest else far and inf


def distances(values: Mapping[str, Any], truth: Mapping[str, Any]) -> dict[str, float]:
    """Return the distance of each true value, in the order of `truth`; inf for a value that `values` lacks."""
    return {name: distance(values[name], truth[name]) if name in values else inf for name in truth}


def farthest(found: Mapping[str, float]) -> tuple[str, float]:
    """Return the name and the distance of the value with the largest distance."""
    return max(found.items(), key=lambda item: item[1])


def first_beyond(found: Mapping[str, float], bar: float) -> str | None:
    """Return the name of the first value with a distance above `bar`: the operation that computed it is wrong."""
    return next((name for name, far in found.items() if not far <= bar), None)


def same_bits(a: Any, b: Any) -> bool:
    """Return whether two nested lists or arrays of floats have the same bits: -0.0 differs from 0.0."""
    one, other = (np.asarray(x, dtype=np.float64) for x in (a, b))
    return one.shape == other.shape and one.tobytes() == other.tobytes()


def peers(found: Mapping[str, float]) -> str:
    """Return "NumPy 2.2e-15, PyTorch 3.5e-15" for distances by name."""
    return ", ".join(f"{name} {short(far)}" for name, far in found.items())


def worst_by_peer(cases: Iterable[Mapping[str, float]]) -> dict[str, float]:
    """Return the largest distance of each peer over all cases."""
    worst: dict[str, float] = {}
    for case in cases:
        for name, far in case.items():
            worst[name] = max(worst.get(name, 0.0), far)
    return worst
