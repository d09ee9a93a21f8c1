"""The answer to `number`: the story of one number, from its operands to its value."""

from typing import Any, Protocol

from starchart.value_graph.run import Run
from starchart.value_graph.worked import Line, Operand, shortened
from starport.explorer.names import part_of, place, shape_of
from starport.explorer.plain_data import plain_number, plain_numbers
from starport.explorer.question import Question
from starport.explorer.rounding import rounding_of
from starport.explorer.sources import source_of

_MOST_TERMS = 10_000


class _Node(Protocol):
    """What a value of the graph and a derived value have in common."""

    @property
    def meaning(self) -> str: ...
    @property
    def operation(self) -> Any: ...
    @property
    def work(self) -> Any: ...


def number_answer(question: Question) -> dict[str, Any]:
    """Return the story of a number of a value, a derived value or a weight."""
    request, model = question.request, question.model
    name = request.text("name")
    shape = shape_of(question, name)
    index = request.index("index", shape)
    most = request.whole("most", _MOST_TERMS + 1, 8)
    value = part_of(question, name, index)
    story = {"name": name, "index": list(index), "shape": list(shape), "value": plain_number(value)}
    if name in model.weights.tensors:
        return story | _weight_story(question, name, value)
    trace = question.trace
    node: _Node = model.graph.get(name) or model.derived[name]
    lines: list[Line] = node.work(index, Run(trace.ids, trace.derived, model.weights))
    computed = place(trace.before[name], index) if name in trace.before else value
    return story | {
        "kind": "value" if name in model.graph else "derived",
        "operation": node.operation.name,
        "formula": node.operation.formula,
        "about": node.meaning,
        "lines": [line_data(shortened(line, most)) for line in lines],
        "result": plain_number(lines[-1].value),
        "rounding": rounding_of(question, name, index, lines, computed),
        "change": _change(computed, value),
        "source": source_of(node.operation.function),
        "stored": None,
    }


def line_data(line: Line) -> dict[str, Any]:
    """Return a line as the contract has it."""
    return {
        "label": line.label,
        "rule": line.rule,
        "formula": line.formula,
        "operands": [_operand(operand) for operand in line.operands],
        "rest": {"count": line.left_out, "values": plain_numbers(line.rest)} if line.left_out else None,
        "value": plain_number(line.value),
    }


def _operand(operand: Operand) -> dict[str, Any]:
    data: dict[str, Any] = {"label": operand.label, "value": plain_number(operand.value)}
    if operand.name:
        data |= {"name": operand.name, "index": list(operand.index)}
    if operand.line is not None:
        data["line"] = operand.line
    if operand.factors:
        data["factors"] = [_operand(factor) for factor in operand.factors]
    return data


def _change(computed: float, value: float) -> dict[str, Any] | None:
    same = computed == value or (computed != computed and value != value)
    return None if same else {"before": plain_number(computed), "text": "replaced by a change that you asked for"}


def _weight_story(question: Question, name: str, value: float) -> dict[str, Any]:
    tensor = question.model.weights.tensors[name]
    return {
        "kind": "weight",
        "operation": "stored",
        "formula": "a number of the file: training found it",
        "about": f"a weight of the model, {name}",
        "lines": [],
        "result": plain_number(value),
        "rounding": None,
        "change": None,
        "source": None,
        "stored": {"file": tensor.path.name, "tensor": tensor.name, "dtype": tensor.dtype},
    }
