"""One operation on one named set of inputs: ours, NumPy and PyTorch beside the truth, and the check made of several."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from starport.verify.check import Check, Value
from starport.verify.truth import Floats, Truth

COMPONENT = "utils"
_PEERS = {"numpy": "NumPy", "torch64": "PyTorch", "torch32": "float32"}


@dataclass(frozen=True)
class Comparison:
    """Results of one operation on one set. PyTorch's float32 gets the inputs rounded to float32, as models do."""

    inputs: str  # the name of the set
    truth: Truth
    unit: Floats  # what errors are measured in: an ulp of the result, or of the row's largest one
    bar: Floats  # the largest error that is allowed, in that unit
    ours: Floats
    peers: Mapping[str, Floats]  # "numpy" (where it has the operation), "torch64", "torch32" (as doubles)

    def measured(self) -> dict[str, float]:
        """Return the worst error of each, our share of the bar, and the shares of equal numbers."""
        distance = self.truth.distance(self.ours, self.unit)
        with np.errstate(all="ignore"):
            share = np.where(self.bar > 0, distance / self.bar, np.where(distance > 0, np.inf, 0.0))
        found = {"ours": float(distance.max()), "of_the_bar": float(share.max())}
        found |= {peer: float(self.truth.distance(values, self.unit).max()) for peer, values in self.peers.items()}
        found["correctly_rounded"] = float(np.mean(self.ours == self.truth.nearest))
        for peer, values in self.peers.items():
            found[f"same_as_{peer}"] = float(np.mean(_same_bits(self._as(peer), values)))
        return found

    def _as(self, peer: str) -> Floats:
        """Return our results in the precision of a peer."""
        with np.errstate(all="ignore"):
            return self.ours.astype(np.float32).astype(np.float64) if peer == "torch32" else self.ours


def _same_bits(a: Floats, b: Floats) -> NDArray[np.bool_]:
    return np.equal(np.ascontiguousarray(a).view(np.uint64), np.ascontiguousarray(b).view(np.uint64))


def check_of(name: str, unit: str, comparisons: Iterable[Comparison]) -> Check:
    """Return one check of an operation over all its sets: within its bar, and on no set further off than PyTorch.

    Further off: our worst error on the set is larger than that of PyTorch in float64.
    """
    found = {comparison.inputs: comparison.measured() for comparison in comparisons}
    over = [name for name, measured in found.items() if not measured["of_the_bar"] <= 1.0]
    beaten = [name for name, measured in found.items() if not measured["ours"] <= measured["torch64"]]
    worst = max(found, key=lambda name: found[name]["ours"])
    if over:
        finding = "; ".join(_over(name, found[name]) for name in over)
    elif beaten:
        finding = "; ".join(_beaten(name, found[name]) for name in beaten)
    else:
        finding = f"{_line(found, worst, unit)}; {_percent(found, 'correctly_rounded')} correctly rounded"
    values: dict[str, Value] = {"unit": unit, "worst": worst, "of_the_bar": _largest(found, "of_the_bar")}
    values |= {f"{name}: {key}": value for name, measured in found.items() for key, value in measured.items()}
    return Check(COMPONENT, name, not over and not beaten, finding, values)


def _line(found: Mapping[str, Mapping[str, float]], worst: str, unit: str) -> str:
    peers = ", ".join(f"{told} {found[worst][peer]:.3g}" for peer, told in _PEERS.items() if peer in found[worst])
    return f"{found[worst]['ours']:.3g} {unit} at worst ({worst}; {peers})"


def _over(inputs: str, measured: Mapping[str, float]) -> str:
    return f"{inputs}: error {measured['ours']:.4g}, up to {measured['of_the_bar']:.4g} of the bar"


def _beaten(inputs: str, measured: Mapping[str, float]) -> str:
    return f"{inputs}: error {measured['ours']:.6g}, PyTorch's {measured['torch64']:.6g}"


def _percent(found: Mapping[str, Mapping[str, float]], key: str) -> str:
    share = sum(measured[key] for measured in found.values()) / len(found)
    return f"{100 * share:.1f} %"


def _largest(found: Mapping[str, Mapping[str, float]], key: str) -> float:
    return max(measured[key] for measured in found.values())
