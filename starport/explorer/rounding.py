"""The rounding of the packed engine: what a value differs by from the reference operation on the same operands."""

from typing import Any

from starchart.value_graph.operation import Index
from starchart.value_graph.worked import Line
from starport.explorer.plain_data import plain_number
from starport.explorer.question import Question


def rounding_of(
    question: Question, name: str, index: Index, lines: list[Line], computed: float
) -> dict[str, Any] | None:
    """Return the size and the bound of the rounding; None where the number is that of the reference engine."""
    result = lines[-1].value
    same = result == computed or (result != result and computed != computed)
    if question.trace.engine == "reference" or same:
        return None
    return {"value": plain_number(computed - result), "bound": None, "text": "rounding of the packed engine"}
