"""Compares one operation with the true results on named sets of inputs, with NumPy and PyTorch beside it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from starport.verify.check import Check, Measure, Value, short, told
from starport.verify.truth import Floats, Truth

COMPONENT = "utils"
SLACK = 1.0  # how much larger than PyTorch's our largest error may be: ours are textbook formulas
_PEERS = {"numpy": "NumPy", "torch64": "PyTorch", "torch32": "float32"}
Measured = Mapping[str, float]


@dataclass(frozen=True)
class Comparison:
    """Results of one operation on one set of inputs. PyTorch in float32 gets the inputs rounded to float32."""

    inputs: str  # the name of the set
    truth: Truth
    unit: Floats  # the unit of errors: an ulp of the result, or of the largest result of its row
    bar: Floats  # the bound: the largest error that is allowed, in that unit
    ours: Floats
    peers: Mapping[str, Floats]  # "numpy" (if it has the operation), "torch64", "torch32" (as doubles)
    arguments: Floats | None = None  # for functions of one number
    unit_name: str = ""  # only if this set has another unit than the others

    def measured(self) -> dict[str, float]:
        """Return the largest errors, our worst ratio of error to bound, and the shares of equal results.

        "ours" is our largest error and "bar" its bound. "nearest" and "nearest_bar" are the error with the worst ratio
        and its bound. The two pairs are equal if all results of a set have the same bound.
        """
        distance = self.truth.distance(self.ours, self.unit)
        with np.errstate(all="ignore"):
            share = np.where(self.bar > 0, distance / self.bar, np.where(distance > 0, np.inf, 0.0))
        largest, nearest = int(distance.argmax()), int(share.argmax())
        found = {"ours": distance.flat[largest], "bar": self.bar.flat[largest], "of_the_bar": share.flat[nearest]}
        found |= {"nearest": distance.flat[nearest], "nearest_bar": self.bar.flat[nearest]}
        if self.arguments is not None:
            found |= {"ours_at": self.arguments.flat[largest], "nearest_at": self.arguments.flat[nearest]}
        found |= {peer: self.truth.distance(values, self.unit).max() for peer, values in self.peers.items()}
        found["correctly_rounded"] = np.mean(self.ours == self.truth.nearest)
        for peer, values in self.peers.items():
            found[f"same_as_{peer}"] = np.mean(_same_bits(self._as(peer), values))
        return {name: float(value) for name, value in found.items()}

    def _as(self, peer: str) -> Floats:
        """Return our results, rounded to the precision of a peer."""
        with np.errstate(all="ignore"):
            return self.ours.astype(np.float32).astype(np.float64) if peer == "torch32" else self.ours


def _same_bits(a: Floats, b: Floats) -> NDArray[np.bool_]:
    return np.equal(np.ascontiguousarray(a).view(np.uint64), np.ascontiguousarray(b).view(np.uint64))


def check_of(name: str, unit: str, compare: Callable[[str], Comparison], sets: Sequence[str], why: str = "") -> Check:
    """Return one check of an operation over all its sets of inputs.

    It passes if every error is within its bound, and if on each set our largest error exceeds that of PyTorch in
    float64 by at most SLACK, in the unit of the errors. If the bound depends on the input, `why` says what makes it
    large.
    """
    found: dict[str, Measured] = {}
    units: dict[str, str] = {}
    wrong: list[str] = []
    for inputs in sets:
        try:
            comparison = compare(inputs)
        except Exception as error:
            wrong.append(f"{inputs}: {told(error)}")
            continue
        found[inputs] = measured = comparison.measured()
        units[inputs] = comparison.unit_name or unit
        if not measured["of_the_bar"] <= 1.0:
            wrong.append(f"{inputs}: {_over(measured, units[inputs])}")
        elif not measured["ours"] <= measured["torch64"] + SLACK:
            wrong.append(f"{inputs}: {_beaten(measured, units[inputs])}")
    if not found:
        return Check(COMPONENT, name, False, "; ".join(wrong))
    nearest = max(found, key=lambda name: found[name]["of_the_bar"])
    best = found[nearest]
    measure = Measure(best["nearest"], best["nearest_bar"], units[nearest], _peers(best), nearest)
    shares = _shares(found)
    values: dict[str, Value] = {name: {"unit": units[name], **measured} for name, measured in found.items()}
    return Check(
        COMPONENT,
        name,
        not wrong,
        "; ".join(wrong),
        {"correctly_rounded": shares["right"], "sets": values},
        measure,
        "" if wrong else _note(found, units, measure, why),
        shares,
    )


def _shares(found: Mapping[str, Measured]) -> dict[str, float]:
    """Return the shares of our results over all sets, which have the same size."""
    kinds = {"correctly_rounded": "right"} | {f"same_as_{peer}": f"={told}" for peer, told in _PEERS.items()}
    first = next(iter(found.values()))
    return {
        told: sum(each[kind] for each in found.values()) / len(found) for kind, told in kinds.items() if kind in first
    }


def _note(found: Mapping[str, Measured], units: Mapping[str, str], measure: Measure, why: str) -> str:
    """Return a line about our largest error, if another one has the worst ratio, and why it is allowed."""
    inputs = max(found, key=lambda name: found[name]["ours"])
    worst = found[inputs]
    if worst["ours"] <= measure.ours:
        return ""
    at = [inputs, f"x = {worst['ours_at']:.4g}"] if "ours_at" in worst else [inputs]
    at += [f"{peer} {short(error)}" for peer, error in _peers(worst).items() if peer != "float32"]
    return f"largest: {short(worst['ours'])} / {short(worst['bar'])} {units[inputs]} ({', '.join(at)}): {why}"


def _peers(measured: Measured) -> dict[str, float]:
    return {told: measured[peer] for peer, told in _PEERS.items() if peer in measured}


def _over(measured: Measured, unit: str) -> str:
    return f"error {measured['nearest']:.4g} {unit}, {measured['nearest_bar']:.4g} are allowed"


def _beaten(measured: Measured, unit: str) -> str:
    return f"error {measured['ours']:.6g} {unit}, PyTorch's {measured['torch64']:.6g}: more than {SLACK:g} behind"
