"""Operations on rows: softmax, masked softmax, log softmax and layer norm, in ulps of the row's largest output.

docs/BOUNDS.md has the proofs of the bounds.
"""

from collections.abc import Callable, Iterator, Sequence
from math import inf, log

import mpmath  # type: ignore[import-untyped]
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from starchart.utils.layer_norm import layer_norm
from starchart.utils.log_softmax import log_probability
from starchart.utils.masked_softmax import masked_softmax
from starchart.utils.softmax import softmax
from starport.verify.check import Check, Measure, attempt, short
from starport.verify.comparison import COMPONENT, Comparison, check_of
from starport.verify.named_inputs import ROW_SETS, rows
from starport.verify.truth import DIGITS, Exact, Floats, Truth, mpf, truth_of

UNIT = "row ulp"
EPSILON = 1e-5
Row = Sequence[float]
Bar = Callable[[Floats, Truth], Floats]


def _exponentials(row: Row) -> list[Exact]:
    largest = mpf(max(row))
    # exp(-2000) and less changes neither the sum nor the result.
    return [mpmath.exp(mpf(x) - largest) if x - max(row) > -2000.0 else mpf(0) for x in row]


def softmax_truth(row: Row) -> list[Exact]:  # [S] -> [S]
    """Return the true softmax."""
    weights = _exponentials(row)
    total = mpmath.fsum(weights)
    return [weight / total for weight in weights]


def log_softmax_truth(row: Row) -> list[Exact]:  # [S] -> [S]
    """Return the true logarithms of softmax."""
    shift = mpf(max(row)) + mpmath.log(mpmath.fsum(_exponentials(row)))
    return [mpf(x) - shift for x in row]


def layer_norm_truth(row: Row, weight: Row, bias: Row) -> list[Exact]:  # [C] -> [C]
    """Return the true layer norm with EPSILON."""
    exact = [mpf(x) for x in row]
    mean = mpmath.fsum(exact) / len(exact)
    variance = mpmath.fsum((x - mean) ** 2 for x in exact) / len(exact)
    deviation = mpmath.sqrt(variance + mpf(EPSILON))
    return [(x - mean) / deviation * mpf(w) + mpf(b) for x, w, b in zip(exact, weight, bias, strict=True)]


def softmax_bar(x: Floats, _: Truth) -> Floats:
    """Return 4.1 + ln S."""
    return np.full(x.shape, _softmax_bar(x.shape[-1]))


def _softmax_bar(s: int) -> float:
    return 4.1 + log(s)


def log_softmax_bar(x: Floats, truth: Truth) -> Floats:
    """Return 1.52 + (2.1 + ln S)/L, L the size of the row's largest output."""
    return np.broadcast_to(
        1.52 + (2.1 + np.log(x.shape[-1])) / np.abs(truth.nearest).max(axis=-1, keepdims=True), x.shape
    )


def layer_norm_bar(weight: Floats) -> Bar:
    """Return 1 + max_c |w_c| (9 |z_c| + 1 + 2^-51 |mean| / deviation) / Y, Y the row's largest output."""

    def bar(x: Floats, truth: Truth) -> Floats:
        largest = np.abs(truth.nearest).max(axis=-1, keepdims=True)
        mean = x.mean(axis=-1, keepdims=True)
        deviation = np.sqrt(x.var(axis=-1, keepdims=True) + EPSILON)
        size = np.abs(weight) * (9.0 * np.abs(x - mean) / deviation + 1.0 + 2.0**-51 * np.abs(mean) / deviation)
        return np.broadcast_to(1.0 + size.max(axis=-1, keepdims=True) / largest, x.shape)

    return bar


def _compare(
    inputs: str,
    truth_of_row: Callable[[Row], list[Exact]],
    ours: Callable[[list[list[float]]], list[list[float]]],
    numpy: Callable[[Floats], Floats],
    torch_function: Callable[[Tensor], Tensor],
    bar: Bar,
) -> Comparison:
    """Compare an operation on the rows of one set."""
    x = rows(inputs)
    floats = np.array(x)
    with mpmath.workdps(DIGITS):
        truth = truth_of((value for row in x for value in truth_of_row(row)), floats.shape)
    tensor = torch.from_numpy(floats)
    with np.errstate(all="ignore"):
        peers = {
            "numpy": numpy(floats),
            "torch64": torch_function(tensor).numpy(),
            "torch32": torch_function(tensor.float()).double().numpy(),
        }
    return Comparison(inputs, truth, truth.row_ulp(), bar(floats, truth), np.array(ours(x)), peers)


def _softmax_numpy(x: Floats) -> Floats:
    weights: Floats = np.exp(x - x.max(axis=-1, keepdims=True))
    quotients: Floats = weights / weights.sum(axis=-1, keepdims=True)
    return quotients


def _log_softmax_numpy(x: Floats) -> Floats:
    shifted = x - x.max(axis=-1, keepdims=True)
    logarithms: Floats = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    return logarithms


def _layer_norm_numpy(x: Floats, weight: Floats, bias: Floats) -> Floats:
    mean = x.mean(axis=-1, keepdims=True)
    normal: Floats = (x - mean) / np.sqrt(x.var(axis=-1, keepdims=True) + EPSILON) * weight + bias
    return normal


def compare_softmax(inputs: str) -> Comparison:
    """Compare softmax on one set."""
    ours = lambda x: [softmax(row) for row in x]  # noqa: E731
    return _compare(inputs, softmax_truth, ours, _softmax_numpy, lambda x: torch.softmax(x, -1), softmax_bar)


def compare_log_softmax(inputs: str) -> Comparison:
    """Compare log softmax on one set."""
    ours = lambda x: [[log_probability(row, i) for i in range(len(row))] for row in x]  # noqa: E731
    theirs = lambda x: torch.log_softmax(x, -1)  # noqa: E731
    return _compare(inputs, log_softmax_truth, ours, _log_softmax_numpy, theirs, log_softmax_bar)


def compare_layer_norm(inputs: str) -> Comparison:
    """Compare layer norm on one set, with random gamma and beta."""
    weight, bias = rows("random", count=2, salt="gamma and beta")
    w, b = np.array(weight), np.array(bias)

    def theirs(x: Tensor) -> Tensor:
        return functional.layer_norm(
            x, w.shape, torch.from_numpy(w).to(x.dtype), torch.from_numpy(b).to(x.dtype), EPSILON
        )

    return _compare(
        inputs,
        lambda row: layer_norm_truth(row, weight, bias),
        lambda x: layer_norm(x, weight, bias, EPSILON),
        lambda x: _layer_norm_numpy(x, w, b),
        theirs,
        layer_norm_bar(w),
    )


def check_mask() -> Check:
    """Return the check of masked softmax: zeros exactly where PyTorch has them, and softmax of the rest.

    The rest must have the bits of our softmax, and be within its bound of PyTorch's masked softmax.
    """
    wrong, measures = [], []
    for t, s in ((1, 1), (1, 48), (24, 24), (7, 48)):
        scores = rows("random", count=t, width=s, salt="scores")
        hidden = torch.ones(t, s, dtype=torch.bool).triu(s - t + 1)
        theirs = torch.softmax(torch.tensor(scores, dtype=torch.float64).masked_fill(hidden, -inf), -1)
        ours = masked_softmax(scores)
        cut = [softmax(row[: s - t + i + 1]) + [0.0] * (t - i - 1) for i, row in enumerate(scores)]
        measures.append(_beside_torch(np.array(ours), theirs.numpy()))
        if ours != cut or not np.array_equal(np.array(ours) == 0.0, theirs.numpy() == 0.0):
            wrong.append(f"[{t}][{s}]")
    finding = "zeros exactly where PyTorch has them, the bits of softmax elsewhere"
    worst = max(measures, key=lambda measure: measure.share)
    if not worst.share <= 1.0:
        finding = f"{short(worst.ours)} {UNIT} from PyTorch's masked softmax, the bound is {short(worst.bar)}"
    if wrong:
        finding = f"zeros where PyTorch has none, or another softmax of the rest: {', '.join(wrong)}"
    return Check(COMPONENT, "masked_softmax", not wrong and worst.share <= 1.0, finding, {}, worst)


def _beside_torch(ours: Floats, theirs: Floats) -> Measure:  # [T][S], [T][S]
    """Return our distance from PyTorch in ulps of each row's largest number, with the bound of softmax."""
    far = np.abs(ours - theirs) / np.spacing(theirs.max(axis=-1, keepdims=True))
    return Measure(float(np.nan_to_num(far, nan=inf).max()), _softmax_bar(ours.shape[-1]), UNIT, at="beside PyTorch")


def checks() -> Iterator[Check]:
    """Yield a check for each operation, over all sets of inputs."""
    yield check_of("softmax", UNIT, compare_softmax, ROW_SETS)
    yield attempt(COMPONENT, "masked_softmax", check_mask)
    yield check_of("log_softmax", UNIT, compare_log_softmax, ROW_SETS, "the sum of the weights is rounded")
    yield check_of("layer_norm", UNIT, compare_layer_norm, ROW_SETS, "each step rounds a large z")
