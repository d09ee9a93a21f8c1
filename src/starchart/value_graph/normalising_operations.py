"""Operations in which one number depends on a whole row: layer norm and the softmax of attention."""

from starchart.utils.elementary.exp import exp
from starchart.utils.layer_norm import layer_norm
from starchart.utils.masked_softmax import masked_softmax
from starchart.value_graph.operation import Index, Operation, Value, entry, weight_entry
from starchart.value_graph.run import Run
from starchart.value_graph.worked import Line, Operand, constant, line, product, result_of


def _layer_norm(value: Value, run: Run) -> list[list[float]]:  # -> [T][C]
    weight, bias = value.weights
    return layer_norm(run.values[value.inputs[0]], run.weights[weight], run.weights[bias], value.setting)


def _layer_norm_entry(value: Value, index: Index, run: Run) -> list[Line]:
    (token, channel), (weight, bias) = index, value.weights
    row = run.values[value.inputs[0]][token]
    x = [Operand(f"x_{c}", number, value.inputs[0], (token, c)) for c, number in enumerate(row)]
    lines = [line("mean", "mean", "mean = sum_c x_c / C", x)]
    # The mean is rounded. What is left of it in the differences is taken away too.
    shifted = [Operand(f"x_{c} - mean", number.value - lines[0].value) for c, number in enumerate(x)]
    lines.append(line("rest of the mean", "mean", "rest = sum_c (x_c - mean) / C", shifted))
    centred = [Operand(f"x_{c} - mean - rest", number.value - lines[1].value) for c, number in enumerate(shifted)]
    squares = [product(f"(x_{c} - mean - rest)^2", number, number) for c, number in enumerate(centred)]
    lines.append(line("variance", "mean_square", "variance = sum_c (x_c - mean - rest)^2 / C", squares))
    epsilon = constant(value.setting, "epsilon")
    lines.append(line("deviation", "root", "deviation = sqrt(variance + epsilon)", [result_of(lines), epsilon]))
    away = [x[channel], result_of(lines, 0), result_of(lines, 1)]
    lines.append(line("centred", "subtract", f"x_{channel} - mean - rest", away))
    lines.append(line("normalised", "divide", "centred / deviation", [result_of(lines), result_of(lines, 3)]))
    scaled = [result_of(lines), weight_entry(run, weight, (channel,), "weight")]
    lines.append(line("scaled", "multiply", "normalised weight", scaled))
    shift = weight_entry(run, bias, (channel,), "bias")
    return [*lines, line(value.name, "add", "scaled + bias", [result_of(lines), shift])]


def _pattern(value: Value, run: Run) -> list[list[list[float]]]:  # -> [H][T][S]
    return [masked_softmax(head) for head in run.values[value.inputs[0]]]


def _pattern_entry(value: Value, index: Index, run: Run) -> list[Line]:
    name, (head, token, position) = value.inputs[0], index
    rows = run.values[name][head]
    visible = len(rows[token]) - len(rows) + token + 1
    if position >= visible:
        return [line(value.name, "masked", "0: a token does not look ahead", [])]
    return softmax_lines(value.name, [entry(run, name, (head, token, s), f"s_{s}") for s in range(visible)], position)


def softmax_lines(label: str, scores: list[Operand], position: int) -> list[Line]:
    """Return the lines of one result of softmax."""
    lines = [line("largest", "max", "m = max_s s_s", scores)]
    lines.append(line("difference", "subtract", f"s_{position} - m", [scores[position], result_of(lines)]))
    lines.append(line("numerator", "exp", f"exp(s_{position} - m)", [result_of(lines)]))
    largest = lines[0].value
    powers = [Operand(f"exp({score.label} - m)", exp(score.value - largest)) for score in scores]
    lines.append(line("denominator", "sum", "sum_s exp(s_s - m)", powers))
    return [*lines, line(label, "divide", "numerator / denominator", [result_of(lines, 2), result_of(lines, 3)])]


LAYER_NORM = Operation(
    "layer_norm", "y_c = weight_c (x_c - mean) / sqrt(variance + epsilon) + bias_c", layer_norm, _layer_norm,
    _layer_norm_entry,
)  # fmt: skip
PATTERN = Operation(
    "masked_softmax", "p_s = exp(s_s - m) / sum_j exp(s_j - m) over the visible positions, m the largest score",
    masked_softmax, _pattern, _pattern_entry,
)  # fmt: skip
