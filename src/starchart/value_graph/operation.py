"""What a value of the graph is: a name, the operation that makes it, and what goes in."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from starchart.value_graph.run import Run
from starchart.value_graph.worked import Line, Operand

Index: TypeAlias = Sequence[int]


@dataclass(frozen=True)
class Operation:
    """One operation of the reference engine.

    `function` is the function that computes it there. `compute(value, run)` calls it on the inputs that `run` has and
    returns the whole value. `work(value, index, run)` returns the lines that lead to one entry.
    """

    name: str
    formula: str
    function: Callable[..., Any]
    compute: Callable[["Value", Run], Any]
    work: Callable[["Value", Index, Run], list[Line]]


@dataclass(frozen=True)
class Value:
    """A named value: `shape` in the letters of docs/NAMES.md, `inputs` and `weights` by name, in the order of the code.

    `setting` is what the operation takes from the configuration: the scale of the scores, epsilon of a layer norm, the
    name of the activation function, or which part of c_attn it is (0 queries, 1 keys, 2 values) and H.
    """

    name: str
    shape: tuple[str, ...]
    meaning: str
    operation: Operation
    inputs: tuple[str, ...] = ()
    weights: tuple[str, ...] = ()
    setting: Any = None

    def compute(self, run: Run) -> Any:
        """Return the value that the reference engine's function gives for the inputs in `run`."""
        return self.operation.compute(self, run)

    def work(self, index: Index, run: Run) -> list[Line]:
        """Return the lines that lead from the operands to entry `index`; the last one's value is the entry."""
        return self.operation.work(self, index, run)


def entry(run: Run, name: str, index: Index, label: str = "") -> Operand:
    """Return one number of a value as an operand. Its label is name[i][j] unless one is given."""
    return _operand(run.values[name], name, index, label)


def weight_entry(run: Run, name: str, index: Index, label: str = "") -> Operand:
    """Return one number of a weight as an operand."""
    return _operand(run.weights[name], name, index, label)


def _operand(numbers: Any, name: str, index: Index, label: str) -> Operand:
    for place in index:
        numbers = numbers[place]
    return Operand(label or name + "".join(f"[{place}]" for place in index), numbers, name, tuple(index))
