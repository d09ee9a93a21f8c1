"""How far values are from the truth, as a part of the largest number of the tensor."""

from collections.abc import Iterable, Mapping
from math import inf
from typing import Any

import numpy as np

from starport.verify.check import short

# The bar of one definition of GPT-2 beside another, both in float64: nine thousand roundings of 2^-53, one on top of
# the other. What a wrong digit, axis or constant does is 1e-7 and more.
BAR = 1e-12
OF_LARGEST = "of largest"  # the unit of these distances


def distance(value: Any, truth: Any) -> float:
    """Return the largest difference over the largest number of the truth; inf for another shape, and for nan."""
    ours, true = np.asarray(value), np.asarray(truth)
    if ours.shape != true.shape:
        return inf
    largest = float(abs(true).max())
    far = float(abs(ours - true).max())
    return inf if far != far else far / largest if largest else far and inf


def distances(values: Mapping[str, Any], truth: Mapping[str, Any]) -> dict[str, float]:
    """Return the distance of each value that the truth has, in its order; inf for one that is missing in `values`."""
    return {name: distance(values[name], truth[name]) if name in values else inf for name in truth}


def farthest(found: Mapping[str, float]) -> tuple[str, float]:
    """Return the name and the distance of the value that is farthest from the truth."""
    return max(found.items(), key=lambda item: item[1])


def first_beyond(found: Mapping[str, float], bar: float) -> str | None:
    """Return the name of the first value that is farther than `bar`: what computed it is what is broken."""
    return next((name for name, far in found.items() if not far <= bar), None)


def same_bits(a: Any, b: Any) -> bool:
    """Return whether two nested lists or arrays of floats are the same bits: -0.0 is not 0.0."""
    one, other = (np.asarray(x, dtype=np.float64) for x in (a, b))
    return one.shape == other.shape and one.tobytes() == other.tobytes()


def peers(found: Mapping[str, float]) -> str:
    """Return "NumPy 2.2e-15, PyTorch 3.5e-15" for distances by name."""
    return ", ".join(f"{name} {short(far)}" for name, far in found.items())


def worst_by_peer(cases: Iterable[Mapping[str, float]]) -> dict[str, float]:
    """Return the largest distance of each over all cases."""
    worst: dict[str, float] = {}
    for case in cases:
        for name, far in case.items():
            worst[name] = max(worst.get(name, 0.0), far)
    return worst
