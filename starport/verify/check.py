"""What a check found."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

Value: TypeAlias = float | int | str | bool | None


@dataclass(frozen=True)
class Check:
    """One thing that was compared. A component yields its checks one after another."""

    component: str  # what --only names: "utils", "layers", "engines"
    name: str  # what of it, unique in the component: "softmax, one huge value"
    passed: bool
    finding: str  # for a person, one line: "0.51 ulp at worst; NumPy 0.74, PyTorch 0.62"
    values: Mapping[str, Value] = field(default_factory=dict)  # for a program, in full
