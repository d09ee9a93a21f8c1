"""What a check found."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import inf, isfinite
from pathlib import Path
from traceback import extract_tb
from typing import Any, TypeAlias

import starchart

_ENGINE = Path(starchart.__file__).parent
Value: TypeAlias = float | int | str | bool | Mapping[str, "Value"] | None


@dataclass(frozen=True)
class Measure:
    """An error beside the largest that is allowed, its bar, and the largest errors of the peers on the same inputs."""

    ours: float
    bar: float
    unit: str
    peers: Mapping[str, float] = field(default_factory=dict)  # "NumPy", "PyTorch" (float64), "float32", "transformers"
    at: str = ""  # the input, or the value of the model

    @property
    def share(self) -> float:
        """The error in parts of the bar: more than 1 is too much."""
        return self.ours / self.bar if self.bar else inf if self.ours else 0.0


@dataclass(frozen=True)
class Check:
    """One thing that was compared. A component yields its checks one after another."""

    component: str  # what --only names: "utils", "layers", "engines"
    name: str  # what of it, unique in the component: "softmax"
    passed: bool
    finding: str  # for a person, one line; beside a measure what the measure does not say, unless the check failed
    values: Mapping[str, Value] = field(default_factory=dict)  # for a program, in full
    measure: Measure | None = None
    note: str = ""  # more for a person, below
    # Of our results: "right", correctly rounded, and "=NumPy", the same bits as that peer's. Parts of 1.
    shares: Mapping[str, float] = field(default_factory=dict)
    run: bool = True  # False: there was nothing to run it on, as the finding says


def short(number: float) -> str:
    """Return an error as a person reads it.

    >>> short(3.4567e-16), short(0.5144), short(2.0), short(1937.4), short(8.29e15), short(0.0)
    ('3.5e-16', '0.514', '2', '1937', '8.3e15', '0')
    """
    if not number or not isfinite(number):
        return f"{number:g}"
    if 0.01 <= number < 1e5:
        return f"{number:.0f}" if number >= 100 else f"{number:.3g}"
    digits, _, exponent = f"{number:.1e}".partition("e")
    return f"{digits.removesuffix('.0')}e{int(exponent)}"


def attempt(component: str, name: str, check: Callable[..., Check], *arguments: Any) -> Check:
    """Return what `check` finds; where the engine breaks down in it, a failed check of that name that says how."""
    try:
        return check(*arguments)
    except ModuleNotFoundError:
        raise
    except Exception as error:  # whatever it is, the other checks go on
        return Check(component, name, False, told(error), {"error": type(error).__name__})


def told(error: Exception) -> str:
    """Return "breaks down in linear_layer.py, add_matrices.py: ..." for an error: the last of the engine's files."""
    while isinstance(error.__cause__, Exception):
        error = error.__cause__
    frames = [Path(frame.filename) for frame in extract_tb(error.__traceback__)]
    files = list(dict.fromkeys(path.name for path in frames if _ENGINE in path.parents))
    place = f" in {', '.join(files[-2:])}" if files else ""
    return f"breaks down{place}: {type(error).__name__}: {' '.join(str(error).split())}".removesuffix(": ")
