"""The result of a check."""

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
    """Our largest error, its bound (`bar`), and the largest errors of other libraries (`peers`) on the same inputs."""

    ours: float
    bar: float
    unit: str
    peers: Mapping[str, float] = field(default_factory=dict)  # "NumPy", "PyTorch" (float64), "float32", "transformers"
    at: str = ""  # where: the set of inputs, or the name of a value of the model

    @property
    def share(self) -> float:
        """The ratio of error to bound; above 1 the check fails."""
        return self.ours / self.bar if self.bar else inf if self.ours else 0.0


@dataclass(frozen=True)
class Check:
    """One comparison and its result. A component yields its checks one after another."""

    component: str  # what --only names: "utils", "layers", "engines"
    name: str  # unique in the component: "softmax"
    passed: bool
    finding: str  # one-line summary; omits what `measure` shows, unless the check failed
    values: Mapping[str, Value] = field(default_factory=dict)  # all details, for --json
    measure: Measure | None = None
    note: str = ""  # a further line below
    # Shares of our results, 0 to 1: "right" are correctly rounded, "=NumPy" have the same bits as NumPy's.
    shares: Mapping[str, float] = field(default_factory=dict)
    run: bool = True  # False: it could not be run; the finding says why


def short(number: float) -> str:
    """Return an error in a short form.

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
    """Return the result of `check`; if it raises an exception, a failed check with that name and the error."""
    try:
        return check(*arguments)
    except ModuleNotFoundError:
        raise
    except Exception as error:  # any error: the other checks go on
        return Check(component, name, False, told(error), {"error": type(error).__name__})


def told(error: Exception) -> str:
    """Return "breaks down in linear_layer.py, add_matrices.py: ...", with the engine's files from the traceback."""
    while isinstance(error.__cause__, Exception):
        error = error.__cause__
    frames = [Path(frame.filename) for frame in extract_tb(error.__traceback__)]
    files = list(dict.fromkeys(path.name for path in frames if _ENGINE in path.parents))
    place = f" in {', '.join(files[-2:])}" if files else ""
    return f"breaks down{place}: {type(error).__name__}: {' '.join(str(error).split())}".removesuffix(": ")
