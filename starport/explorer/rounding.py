"""The rounding of an engine: what a value differs by from the reference operation on the same operands."""

from typing import Any

from starchart.value_graph.operation import Index
from starchart.value_graph.worked import Line
from starport.explorer.packed_arithmetic import attention_arithmetic, matrix_arithmetic
from starport.explorer.plain_data import plain_number
from starport.explorer.question import Question
from starport.explorer.rounding_bounds import linear_bound, mix_bound, score_bound


def rounding_of(
    question: Question, name: str, index: Index, lines: list[Line], computed: float
) -> dict[str, Any] | None:
    """Return the size and the bound of the rounding; None where the number is that of the reference engine."""
    result = lines[-1].value
    engine = question.trace.engine
    same = result == computed or (result != result and computed != computed)
    if engine == "reference" or same:
        return None
    bound = _packed_bound(question, name, index, lines) if engine == "packed" else None
    return {
        "value": plain_number(computed - result),
        "bound": None if bound is None else plain_number(bound),
        "text": f"rounding of the {engine} engine",
    }


def _packed_bound(question: Question, name: str, index: Index, lines: list[Line]) -> float | None:
    """Return the bound from the operands of a product, which are all in its first line."""
    trace, model = question.trace, question.model
    gpt2 = model.gpt2(trace.engine, trace.precision)
    kind = (model.graph.get(name) or model.derived[name]).operation.name
    pairs = [operand.factors for operand in lines[0].operands if operand.factors]
    x, w = [a.value for a, _ in pairs], [b.value for _, b in pairs]
    if kind in ("linear", "output_projection"):
        lanes, bound, sizes = matrix_arithmetic(gpt2, pairs[0][1].name)
        bias = lines[-1].operands[1].value if kind == "linear" else 0.0
        return linear_bound(x, w, bias, lanes, bound, sizes)
    lanes = attention_arithmetic(gpt2)
    if kind == "attention_scores":
        return score_bound(x, w, lines[-1].operands[0].value, lanes)
    if kind == "matrix_multiply":
        head, _, channel = index
        return mix_bound(x, trace.values[model.graph[name].inputs[1]][head], channel, lanes)
    return None
