"""The activation function of the feed-forward network, worked step by step for every one that config.json may name."""

from collections.abc import Callable, Sequence
from functools import partial

from starchart.utils.activations import ACTIVATIONS, activate
from starchart.utils.elementary.tanh import tanh
from starchart.utils.gelu import gelu, gelu_fast, gelu_new
from starchart.utils.relu import relu
from starchart.utils.silu import silu
from starchart.value_graph.operation import Index, Operation, Value, entry
from starchart.value_graph.run import Run
from starchart.value_graph.worked import Line, Operand, constant, line, result_of


def _activate(value: Value, run: Run) -> list[list[float]]:  # -> [T][F]
    return activate(run.values[value.inputs[0]], value.setting)


def _activation_entry(value: Value, index: Index, run: Run) -> list[Line]:
    return _LINES[ACTIVATIONS[value.setting]](entry(run, value.inputs[0], index, "x"))


def _gelu_new_lines(x: Operand, root: float) -> list[Line]:
    lines = [line("cube", "multiply", "x x x", [x, x, x])]
    lines.append(line("bend", "multiply", "0.044715 x^3", [constant(0.044715), result_of(lines)]))
    lines.append(line("inner", "add", "x + 0.044715 x^3", [x, result_of(lines)]))
    lines.append(line("u", "multiply", "sqrt(2/pi) (x + 0.044715 x^3)", [constant(root), result_of(lines)]))
    lines.append(line("exponent", "multiply", "-2u", [constant(-2.0), result_of(lines)]))
    return _divided_by_one_and_exp(x, lines)


def _silu_lines(x: Operand) -> list[Line]:
    return _divided_by_one_and_exp(x, [line("exponent", "multiply", "-x", [constant(-1.0), x])])


def _divided_by_one_and_exp(x: Operand, lines: Sequence[Line]) -> list[Line]:
    """Return these lines, and those of x / (1 + exp(e)), e the value of the last one."""
    lines = [*lines, line("power", "exp", "exp(exponent)", [result_of(lines)])]
    lines.append(line("divisor", "add", "1 + exp(exponent)", [constant(1.0), result_of(lines)]))
    return [*lines, line("act", "divide", "x / (1 + exp(exponent))", [x, result_of(lines)])]


def _gelu_lines(x: Operand) -> list[Line]:
    lines = [line("Phi", "normal_cdf", "Phi(x), the normal distribution", [x])]
    return [*lines, line("act", "multiply", "x Phi(x)", [x, result_of(lines)])]


def _relu_lines(x: Operand) -> list[Line]:
    return [line("act", "max", "max(0, x)", [constant(0.0), x])]


def _tanh_lines(x: Operand) -> list[Line]:
    return [line("act", "tanh", "tanh(x)", [x])]


_LINES: dict[Callable[[float], float], Callable[[Operand], list[Line]]] = {
    gelu_new: partial(_gelu_new_lines, root=0.7978845608028654),
    gelu_fast: partial(_gelu_new_lines, root=0.7978845608),
    gelu: _gelu_lines,
    relu: _relu_lines,
    silu: _silu_lines,
    tanh: _tanh_lines,
}


def activation(name: str) -> Operation:
    """Return the operation of an activation function, by its name in config.json."""
    formula = f"act = {name}(x), every number by itself"
    return Operation("activation", formula, ACTIVATIONS[name], _activate, _activation_entry)
