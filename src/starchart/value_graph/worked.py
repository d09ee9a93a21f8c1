"""A worked number: the steps that lead from its operands to it, each a line with a rule that anyone can check.

The last line's value is the number, to the bit. The rules round as the reference engine does: a sum of many terms once,
every other operation of two floats once.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from math import sqrt
from operator import add, mul, sub, truediv

from starchart.utils.elementary.exp import exp
from starchart.utils.elementary.normal_cdf import normal_cdf
from starchart.utils.elementary.tanh import tanh
from starchart.utils.exact_sum import exact_sum


@dataclass(frozen=True)
class Operand:
    """A number that goes into a line. With a name and an index it has a story of its own.

    `line`: it is the value of that line of the same story. `factors`: it is their product.
    """

    label: str
    value: float
    name: str = ""  # of a value or a weight
    index: tuple[int, ...] = ()
    line: int | None = None
    factors: tuple["Operand", ...] = ()


@dataclass(frozen=True)
class Line:
    """One step: `value` is what RULES[rule] gives for the values of the operands, and those of `rest`."""

    label: str
    rule: str
    formula: str
    operands: tuple[Operand, ...]
    value: float
    rest: tuple[float, ...] = ()  # floats whose exact sum is that of the operands left out
    left_out: int = 0  # how many they are


def _mean(values: Sequence[float], count: int) -> float:
    return exact_sum(values) / count


def _from_left(operation: Callable[[float, float], float]) -> Callable[[Sequence[float], int], float]:
    return lambda values, _: reduce(operation, values)


# rule -> the value from those of the operands and of the rest, and from the count of all operands
RULES: dict[str, Callable[[Sequence[float], int], float]] = {
    "copy": lambda values, _: values[0],
    "sum": lambda values, _: exact_sum(values),
    "dot": lambda values, _: exact_sum(values),
    "mean": _mean,
    "mean_square": _mean,
    "add": _from_left(add),
    "subtract": _from_left(sub),
    "multiply": _from_left(mul),
    "divide": _from_left(truediv),
    "root": lambda values, _: sqrt(values[0] + values[1]),
    "exp": lambda values, _: exp(values[0]),
    "tanh": lambda values, _: tanh(values[0]),
    "normal_cdf": lambda values, _: normal_cdf(values[0]),
    "max": lambda values, _: max(values),
    "masked": lambda values, _: 0.0,  # noqa: ARG005
}
_SHORTENED = {"sum", "dot", "mean", "mean_square", "max"}


def line(label: str, rule: str, formula: str, operands: Iterable[Operand]) -> Line:
    """Return a line with its value."""
    operands = tuple(operands)
    return Line(label, rule, formula, operands, RULES[rule]([operand.value for operand in operands], len(operands)))


def product(label: str, a: Operand, b: Operand) -> Operand:
    """Return the rounded product of two operands as an operand."""
    return Operand(label, a.value * b.value, factors=(a, b))


def constant(value: float, label: str = "") -> Operand:
    """Return a number of the formula itself."""
    return Operand(label or repr(value), value)


def result_of(lines: Sequence[Line], number: int = -1) -> Operand:
    """Return the value of an earlier line, by default the last one, as an operand."""
    return Operand(lines[number].label, lines[number].value, line=number % len(lines))


def shortened(whole: Line, most: int) -> Line:
    """Return a line with the `most` largest of its terms; the rest are summed. Rules of few operands keep them all.

    The value stays the same to the bit, since the rest is given exactly. Of `max` nothing is left to be said of it.
    """
    if whole.rule not in _SHORTENED or len(whole.operands) <= most:
        return whole
    is_max = whole.rule == "max"
    values = [operand.value if is_max else abs(operand.value) for operand in whole.operands]
    places = sorted(range(len(values)), key=values.__getitem__, reverse=True)
    kept = tuple(whole.operands[place] for place in places[:most])
    rest = [] if is_max else expansion([whole.operands[place].value for place in places[most:]])
    return replace(whole, operands=kept, rest=tuple(rest), left_out=len(places) - most)


def expansion(values: Sequence[float]) -> list[float]:
    """Return a few floats whose exact sum is that of `values`: the rounded sum, its rounding error, and so on.

    >>> expansion([1.0, 1e-20, 2.0])
    [3.0, 1e-20]
    """
    parts = [exact_sum(values)]
    while parts[-1] and parts[-1] - parts[-1] == 0.0:  # nan and infinity end it
        parts.append(exact_sum([*values, *(-part for part in parts)]))
    return [part for part in parts if part] or [0.0]
