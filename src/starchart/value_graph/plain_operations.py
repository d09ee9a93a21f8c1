"""Operations that move numbers or add two of them: embeddings, residual connections, the split into heads."""

from collections.abc import Sequence
from typing import Any

from starchart.embeddings.embedding_lookup import embed
from starchart.layers.scaled_dot_product_attention import split_heads
from starchart.layers.transformer_block import transformer_block
from starchart.utils.add_matrices import add_matrices
from starchart.value_graph.operation import Index, Operation, Value, entry, weight_entry
from starchart.value_graph.run import Run
from starchart.value_graph.worked import Line, line


def _rows(value: Value, run: Run) -> Sequence[int]:  # -> [T]
    """Return which rows of the table are taken: ids, or positions."""
    return run.ids if value.name == "wte" else range(run.first_position, run.first_position + len(run.ids))


def _embed(value: Value, run: Run) -> list[list[float]]:  # -> [T][C]
    return embed(_rows(value, run), run.weights[value.weights[0]])


def _embed_entry(value: Value, index: Index, run: Run) -> list[Line]:
    token, channel = index
    number = weight_entry(run, value.weights[0], (_rows(value, run)[token], channel))
    return [line(value.name, "copy", number.label, [number])]


def _add(value: Value, run: Run) -> list[list[float]]:  # -> [T][C]
    a, b = value.inputs
    return add_matrices(run.values[a], run.values[b])


def _add_entry(value: Value, index: Index, run: Run) -> list[Line]:
    operands = [entry(run, name, index) for name in value.inputs]
    return [line(value.name, "add", " + ".join(operand.label for operand in operands), operands)]


def _same(value: Value, run: Run) -> Any:
    return run.values[value.inputs[0]]


def _same_entry(value: Value, index: Index, run: Run) -> list[Line]:
    same = entry(run, value.inputs[0], index)
    return [line(value.name, "copy", same.label, [same])]


def _heads(value: Value, run: Run) -> list[list[list[float]]]:  # -> [H][T][D]
    part, heads = value.setting
    return split_heads(run.values[value.inputs[0]], 3 * heads)[part * heads : (part + 1) * heads]


def _heads_entry(value: Value, index: Index, run: Run) -> list[Line]:
    (part, heads), (head, token, channel) = value.setting, index
    size = len(run.values[value.inputs[0]][token]) // (3 * heads)  # D
    column = (part * heads + head) * size + channel
    same = entry(run, value.inputs[0], (token, column))
    return [line(value.name, "copy", f"column ({part} H + {head}) D + {channel} = {column} of c_attn", [same])]


EMBED = Operation("embed", "row of the table: x_t = table[id_t]", embed, _embed, _embed_entry)
ADD = Operation("add", "x = a + b", add_matrices, _add, _add_entry)
SAME = Operation("same", "x = what the block before it wrote", transformer_block, _same, _same_entry)
HEADS = Operation("split_heads", "head h has channels h D to (h + 1) D - 1", split_heads, _heads, _heads_entry)
