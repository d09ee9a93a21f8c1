"""Derived values: numbers that the model does not compute, but that say something about those it does.

Lengths of vectors, probabilities, the logit lens and contributions to a logit. Each has the lines of a worked number,
as the values of the model have in `starchart.value_graph`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Any

from starchart.utils.matrix import Vector
from starchart.utils.matrix_multiply import dot_product
from starchart.value_graph.normalising_operations import softmax_lines
from starchart.value_graph.operation import entry, weight_entry
from starchart.value_graph.run import Run
from starchart.value_graph.worked import Line, Operand, constant, line, product, result_of

Work = Callable[[Sequence[int], Run], list[Line]]


@dataclass(frozen=True)
class DerivedOperation:
    """How a derived value is made; the fields are those of `starchart.value_graph.operation.Operation`."""

    name: str
    formula: str
    function: Callable[..., Any]


@dataclass(frozen=True)
class DerivedValue:
    """A derived value: where it comes from, and how one entry follows from its operands."""

    name: str
    shape: tuple[str, ...]  # in the letters of docs/NAMES.md
    meaning: str
    operation: DerivedOperation
    work: Work


def norm(vector: Vector) -> float:  # [C] -> one number
    """Return the Euclidean length of a vector."""
    return sqrt(dot_product(vector, vector))


def given(pattern: Vector, lengths: Vector) -> list[float]:  # [S], [S] -> [S]
    """Return attention weights times the lengths of the value vectors: how much each token gives."""
    return [weight * length for weight, length in zip(pattern, lengths, strict=True)]


def norm_work(source: str) -> Work:
    """Return the work of the length of a row of `source`."""

    def work(index: Sequence[int], run: Run) -> list[Line]:
        row = run.values[source][index[0]]
        return _length_lines([Operand(f"x_{c}", x, source, (index[0], c)) for c, x in enumerate(row)])

    return work


def _length_lines(vector: Sequence[Operand]) -> list[Line]:
    lines = [line("squares", "dot", "sum_c x_c^2", [product(f"{x.label}^2", x, x) for x in vector])]
    return [*lines, line("length", "root", "sqrt(squares)", [result_of(lines), constant(0.0)])]


def probability_work(source: str) -> Work:
    """Return the work of the softmax of a row of logits."""

    def work(index: Sequence[int], run: Run) -> list[Line]:
        token, place = index
        row = run.values[source][token]
        scores = [Operand(f"s_{v}", logit, source, (token, v)) for v, logit in enumerate(row)]
        return softmax_lines("probability", scores, place)

    return work


def given_work(attention: str) -> Work:
    """Return the work of `given`; `attention` is "h.3.attn."."""

    def work(index: Sequence[int], run: Run) -> list[Line]:
        head, _, position = index
        name = f"{attention}v"
        row = run.values[name][head][position]
        lines = _length_lines([Operand(f"v_{d}", x, name, (head, position, d)) for d, x in enumerate(row)])
        weight = entry(run, f"{attention}pattern", index, "pattern")
        return [*lines, line("given", "multiply", "pattern |v|", [weight, result_of(lines)])]

    return work


def direction_work(table: str, stream: str, epsilon: float) -> Work:
    """Return the work of g_c, by which a channel of the residual stream raises a logit."""

    def work(index: Sequence[int], run: Run) -> list[Line]:
        position, token, channel = index
        row = run.values[stream][position]
        x = [Operand(f"x_{c}", number, stream, (position, c)) for c, number in enumerate(row)]
        lines = [line("mean", "mean", "mean = sum_c x_c / C", x)]
        centred = [Operand(f"x_{c} - mean", number.value - lines[0].value) for c, number in enumerate(x)]
        squares = [product(f"(x_{c} - mean)^2", number, number) for c, number in enumerate(centred)]
        lines.append(line("sum of squares", "dot", "sum_c (x_c - mean)^2", squares))
        lines.append(line("variance", "divide", "sum of squares / C", [result_of(lines), constant(float(len(x)))]))
        operands = [result_of(lines), constant(epsilon, "epsilon")]
        lines.append(line("deviation", "root", "d = sqrt(variance + epsilon)", operands))
        pairs = enumerate(zip(run.weights[table][token], run.weights["ln_f.weight"], strict=True))
        scaled = [
            product(
                f"w_{c} weight_{c}",
                Operand(f"w_{c}", w, table, (token, c)),
                Operand(f"weight_{c}", weight, "ln_f.weight", (c,)),
            )
            for c, (w, weight) in pairs
        ]
        lines.append(line("mean of w weight", "mean_square", "sum_c w_c weight_c / C", scaled))
        factors = scaled[channel].factors
        lines.append(line("w weight", "multiply", f"w_{channel} weight_{channel}", factors))
        lines.append(line("centred", "subtract", "w weight - mean", [result_of(lines), result_of(lines, 4)]))
        return [*lines, line("g", "divide", "g_c = centred / d", [result_of(lines), result_of(lines, 3)])]

    return work


def written_work(weight: str, direction: str) -> Work:
    """Return the work of how much channel i of the joined heads raises a logit: row i of c_proj times g."""

    def work(index: Sequence[int], run: Run) -> list[Line]:
        *place, row = index
        g = run.values[direction][place[0]][place[1]]
        terms = [
            product(
                f"W_{row},{c} g_{c}",
                Operand(f"W_{row},{c}", w, weight, (row, c)),
                Operand(f"g_{c}", number, direction, (*place, c)),
            )
            for c, (w, number) in enumerate(zip(run.weights[weight][row], g, strict=True))
        ]
        return [line("written", "dot", f"sum_c W_{row},c g_c", terms)]

    return work


def part_work(source: str, direction: str, is_weight: bool) -> Work:
    """Return the work of the contribution of a vector of the residual stream: its product with g."""

    def work(index: Sequence[int], run: Run) -> list[Line]:
        position, token = index
        g = run.values[direction][position][token]
        place = () if is_weight else (position,)
        row = run.weights[source] if is_weight else run.values[source][position]
        terms = [
            product(
                f"u_{c} g_{c}",
                Operand(f"u_{c}", u, source, (*place, c)),
                Operand(f"g_{c}", number, direction, (position, token, c)),
            )
            for c, (u, number) in enumerate(zip(row, g, strict=True))
        ]
        return [line("contribution", "dot", "sum_c u_c g_c", terms)]

    return work


def head_work(source: str, written: str) -> Work:
    """Return the work of the contribution of a head: its output z times what each of its channels writes."""

    def work(index: Sequence[int], run: Run) -> list[Line]:
        head, position, token = index
        z = run.values[source][head][position]
        own = run.values[written][position][token][head * len(z) : (head + 1) * len(z)]
        terms = [
            product(
                f"z_{d} written_{d}",
                Operand(f"z_{d}", number, source, (head, position, d)),
                Operand(f"written_{d}", w, written, (position, token, head * len(z) + d)),
            )
            for d, (number, w) in enumerate(zip(z, own, strict=True))
        ]
        return [line("contribution", "dot", "sum_d z_d written_d", terms)]

    return work


def bias_work(table: str) -> Work:
    """Return the work of the contribution of ln_f's bias."""

    def work(index: Sequence[int], run: Run) -> list[Line]:
        token = index[1]
        terms = [
            product(f"w_{c} bias_{c}", Operand(f"w_{c}", w, table, (token, c)), weight_entry(run, "ln_f.bias", (c,)))
            for c, w in enumerate(run.weights[table][token])
        ]
        return [line("contribution", "dot", "sum_c w_c bias_c", terms)]

    return work
