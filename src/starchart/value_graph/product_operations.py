"""The operations that are matrix products: every entry is a sum of products of two numbers."""

from typing import Any

from starchart.embeddings.output_projection import output_projection
from starchart.layers.linear_layer import linear_layer
from starchart.layers.scaled_dot_product_attention import attention_scores, join_heads
from starchart.utils.matrix import Matrix
from starchart.utils.matrix_multiply import matrix_multiply
from starchart.value_graph.operation import Index, Operation, Value, weight_entry
from starchart.value_graph.run import Run
from starchart.value_graph.worked import Line, Operand, constant, line, product, result_of


def _linear(value: Value, run: Run) -> list[list[float]]:  # -> [T][out]
    weight, bias = value.weights
    return linear_layer(run.values[value.inputs[0]], run.weights[weight], run.weights[bias])


def _linear_of_heads(value: Value, run: Run) -> list[list[float]]:  # -> [T][C]
    weight, bias = value.weights
    return linear_layer(join_heads(run.values[value.inputs[0]]), run.weights[weight], run.weights[bias])


def _linear_entry(value: Value, index: Index, run: Run) -> list[Line]:
    token = index[0]
    row = run.values[value.inputs[0]][token]
    inputs = [Operand(f"x_{i}", x, value.inputs[0], (token, i)) for i, x in enumerate(row)]
    return _linear_lines(inputs, value, index, run)


def _linear_of_heads_entry(value: Value, index: Index, run: Run) -> list[Line]:
    name, token = value.inputs[0], index[0]
    inputs = [
        Operand(f"z_{head},{channel}", z, name, (head, token, channel))
        for head, rows in enumerate(run.values[name])
        for channel, z in enumerate(rows[token])
    ]
    return _linear_lines(inputs, value, index, run)


def _linear_lines(inputs: list[Operand], value: Value, index: Index, run: Run) -> list[Line]:
    weight, bias = value.weights
    column = index[1]
    matrix: Matrix = run.weights[weight]
    terms = [
        product(f"{x.label} W_{i},{column}", x, Operand(f"W_{i},{column}", row[column], weight, (i, column)))
        for i, (x, row) in enumerate(zip(inputs, matrix, strict=True))
    ]
    lines = [line("sum", "dot", f"sum_i x_i W_i,{column}", terms)]
    operands = [result_of(lines), weight_entry(run, bias, (column,), f"b_{column}")]
    return [*lines, line(value.name, "add", f"sum + b_{column}", operands)]


def _scores(value: Value, run: Run) -> list[list[list[float]]]:  # -> [H][T][S]
    queries, keys = value.inputs
    pairs = zip(run.values[queries], run.all_tokens(keys), strict=True)
    return [attention_scores(q, k, value.setting) for q, k in pairs]


def _scores_entry(value: Value, index: Index, run: Run) -> list[Line]:
    (queries, keys), (head, token, position) = value.inputs, index
    key = _token(run, keys, head, position)
    terms = [
        product(f"q_{d} k_{d}", Operand(f"q_{d}", q, queries, (head, token, d)), _of_token(run, keys, k, index, d))
        for d, (q, k) in enumerate(zip(run.values[queries][head][token], key, strict=True))
    ]
    lines = [line("product", "dot", "q . k = sum_d q_d k_d", terms)]
    return [*lines, line(value.name, "multiply", "scale (q . k)", [_scale(value.setting), result_of(lines)])]


def _mix(value: Value, run: Run) -> list[list[list[float]]]:  # -> [H][T][D]
    pattern, values = value.inputs
    pairs = zip(run.values[pattern], run.all_tokens(values), strict=True)
    return [matrix_multiply(weights, v) for weights, v in pairs]


def _mix_entry(value: Value, index: Index, run: Run) -> list[Line]:
    (pattern, values), (head, token, channel) = value.inputs, index
    terms = []
    for s, weight in enumerate(run.values[pattern][head][token]):
        number = _token(run, values, head, s)[channel]
        operand = Operand(f"pattern_{s}", weight, pattern, (head, token, s))
        terms.append(product(f"pattern_{s} v_{s}", operand, _of_token(run, values, number, (head, token, s), channel)))
    return [line(value.name, "dot", f"sum_s pattern_s v_s,{channel}", terms)]


def _token(run: Run, name: str, head: int, position: int) -> Any:  # -> [D]
    """Return the key or the value of a position, which may be in the cache."""
    return run.values[name][head][position - run.first_position] if position >= run.first_position else (
        run.past[name][head][position]
    )  # fmt: skip


def _of_token(run: Run, name: str, number: float, index: Index, channel: int) -> Operand:
    """Return a number of a key or a value as an operand. What is in the cache has no index in this run."""
    head, _, position = index
    label = f"{name.rpartition('.')[2]}_{channel if name.endswith('k') else position}"
    if position < run.first_position:
        return Operand(label, number)
    return Operand(label, number, name, (head, position - run.first_position, channel))


def _scale(scale: float) -> Operand:
    return constant(scale, "scale")


def _project(value: Value, run: Run) -> list[list[float]]:  # -> [T][V]
    return output_projection(run.values[value.inputs[0]], run.weights[value.weights[0]], run.last_only)


def _project_entry(value: Value, index: Index, run: Run) -> list[Line]:
    name, table = value.inputs[0], value.weights[0]
    rows: Matrix = run.values[name]
    token = len(rows) - 1 if run.last_only else index[0]
    terms = [
        product(f"x_{c} w_{c}", Operand(f"x_{c}", x, name, (token, c)), Operand(f"w_{c}", w, table, (index[1], c)))
        for c, (x, w) in enumerate(zip(rows[token], run.weights[table][index[1]], strict=True))
    ]
    return [line(value.name, "dot", f"sum_c x_c w_c, w row {index[1]} of the table", terms)]


LINEAR = Operation("linear", "y_j = sum_i x_i W_ij + b_j", linear_layer, _linear, _linear_entry)
LINEAR_OF_HEADS = Operation(
    "linear", "y_j = sum_i x_i W_ij + b_j, x all heads side by side", linear_layer, _linear_of_heads,
    _linear_of_heads_entry,
)  # fmt: skip
SCORES = Operation("attention_scores", "score_ts = scale (q_t . k_s)", attention_scores, _scores, _scores_entry)
MIX = Operation("matrix_multiply", "z_t = sum_s pattern_ts v_s", matrix_multiply, _mix, _mix_entry)
PROJECT = Operation("output_projection", "logit_v = sum_c x_c w_vc", output_projection, _project, _project_entry)
