"""Sums and products of vectors and matrices. Addition and transposition must have equal bits.

The error of a product a.b is measured in u sum|a_i b_i|, u = 2^-53. The bound is 2 of these units; docs/BOUNDS.md has
the proof. An ulp of the result is not a useful unit: if the terms cancel, the result and its ulp can be arbitrarily
small. Products below 2^-1022 underflow: there u sum|a_i b_i| is less than the smallest float, 2^-1074. So errors are
then measured in 2^-1074, and the bound is larger by 1 for each such product. Sums must be correctly rounded.
"""

from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from operator import mul

import numpy as np
import torch

from starchart.utils.add_matrices import add_matrices
from starchart.utils.exact_sum import exact_sum
from starchart.utils.matrix_multiply import dot_product, matrix_multiply, multiply_transposed
from starchart.utils.transpose_matrix import transpose_matrix
from starport.verify.check import Check, attempt
from starport.verify.comparison import COMPONENT, Comparison, check_of
from starport.verify.named_inputs import ROW_SETS, WIDTH, rows
from starport.verify.truth import Floats, truth_of

Matrix = list[list[float]]
_COLUMNS = 5
UNIT = "u sum|a b|"
_SMALLEST = 2.0**-1074
_UNDERFLOW = "a product that underflows has an error of at most 2^-1075"


def _second(inputs: str, count: int) -> Matrix:  # -> [count][WIDTH]
    """Return the second factor for a set: random numbers; cancelling rows still cancel in the product."""
    if inputs != "cancelling":
        return rows("random", count=count, salt=f"beside {inputs}")
    return [half * 2 for half in rows("random", count=count, width=WIDTH // 2, salt="beside cancelling")]


def _exact_products(a: Sequence[float], b: Sequence[float]) -> list[Fraction]:
    return list(map(mul, map(Fraction, a), map(Fraction, b)))


def _compare_products(inputs: str, a: Matrix, b: Matrix, ours: Floats, peers: dict[str, Floats]) -> Comparison:
    """Compare the products of row i of `a` and row i of `b`. `ours` and `peers` are flat."""
    products = [_exact_products(row, other) for row, other in zip(a, b, strict=True)]
    truth = truth_of((sum(terms, Fraction(0)) for terms in products), ours.shape)
    sizes = np.array([float(sum(map(abs, terms), Fraction(0))) for terms in products]).reshape(ours.shape)
    underflowing = np.array([sum(0 < abs(term) < Fraction(2) ** -1022 for term in terms) for terms in products])
    if underflowing.any():
        unit, bar = np.full(ours.shape, _SMALLEST), sizes / _SMALLEST * 2.0**-52 + underflowing.reshape(ours.shape)
        return Comparison(inputs, truth, unit, bar, ours, peers, unit_name="of 2^-1074")
    return Comparison(inputs, truth, sizes * 2.0**-53, np.full(ours.shape, 2.0), ours, peers)


def compare_dot(inputs: str) -> Comparison:
    """Compare dot_product on one set."""
    a = rows(inputs)
    b = _second(inputs, len(a))
    x, y = torch.tensor(a, dtype=torch.float64), torch.tensor(b, dtype=torch.float64)
    peers = {
        "numpy": np.array([np.dot(row, other) for row, other in zip(x.numpy(), y.numpy(), strict=True)]),
        "torch64": torch.stack(list(map(torch.dot, x, y))).numpy(),
        "torch32": torch.stack(list(map(torch.dot, x.float(), y.float()))).double().numpy(),
    }
    return _compare_products(inputs, a, b, np.array(list(map(dot_product, a, b))), peers)


def compare_matrix_multiply(inputs: str) -> Comparison:
    """Compare matrix_multiply on one set."""
    a = rows(inputs, salt="left")
    columns = _second(inputs, _COLUMNS)
    x, y = torch.tensor(a, dtype=torch.float64), torch.tensor(columns, dtype=torch.float64).T
    peers = {
        "numpy": x.numpy() @ y.numpy(),
        "torch64": (x @ y).numpy(),
        "torch32": (x.float() @ y.float()).double().numpy(),
    }
    ours = matrix_multiply(a, transpose_matrix(columns))
    if ours != multiply_transposed(a, columns):
        raise ArithmeticError("multiply_transposed(a, b) is not matrix_multiply(a, transpose_matrix(b))")
    left, right = [row for row in a for _ in columns], columns * len(a)
    return _compare_products(
        inputs, left, right, np.array(ours).ravel(), {name: values.ravel() for name, values in peers.items()}
    )


def compare_sum(inputs: str) -> Comparison:
    """Compare exact_sum on one set: it must be correctly rounded."""
    a = rows(inputs, salt="sum")
    x = torch.tensor(a, dtype=torch.float64)
    peers = {
        "numpy": x.numpy().sum(axis=-1),
        "torch64": x.sum(-1).numpy(),
        "torch32": x.float().sum(-1).double().numpy(),
    }
    truth = truth_of((sum(map(Fraction, row), Fraction(0)) for row in a), (len(a),))
    ours = np.array(list(map(exact_sum, a)))
    bar = np.where(ours == truth.nearest, 0.5, np.nextafter(0.5, 0.0))  # of a tie only the even float
    return Comparison(inputs, truth, truth.ulp, bar, ours, peers)


def check_bits() -> Iterator[Check]:
    """Yield the checks of operations that must have the same bits as NumPy and PyTorch."""
    yield attempt(COMPONENT, "add_matrices", _check_bits, "add_matrices", _added_alike)
    yield attempt(COMPONENT, "transpose_matrix", _check_bits, "transpose_matrix", _turned_alike)


def _check_bits(name: str, alike: Callable[[str], bool]) -> Check:
    wrong = [inputs for inputs in ROW_SETS if not alike(inputs)]
    finding = f"different bits on {', '.join(wrong)}" if wrong else "same bits as NumPy and PyTorch on every set"
    return Check(COMPONENT, name, not wrong, finding)


def _added_alike(inputs: str) -> bool:
    a, b = rows(inputs), _second(inputs, len(rows(inputs)))
    x, y = torch.tensor(a, dtype=torch.float64), torch.tensor(b, dtype=torch.float64)
    return _same_bits(add_matrices(a, b), x.numpy() + y.numpy(), (x + y).numpy())


def _turned_alike(inputs: str) -> bool:
    a = rows(inputs)
    x = torch.tensor(a, dtype=torch.float64)
    return _same_bits(transpose_matrix(a), x.numpy().T, x.T.contiguous().numpy())


def _same_bits(ours: Sequence[Sequence[float]], *theirs: Floats) -> bool:
    values = np.array([list(row) for row in ours])
    return all(
        values.shape == other.shape and values.tobytes() == np.ascontiguousarray(other).tobytes() for other in theirs
    )


def checks() -> Iterator[Check]:
    """Yield a check for each operation, over all sets."""
    yield from check_bits()
    yield check_of("exact_sum", "ulp", compare_sum, ROW_SETS)
    yield check_of("dot_product", UNIT, compare_dot, ROW_SETS, _UNDERFLOW)
    yield check_of("matrix_multiply", UNIT, compare_matrix_multiply, ROW_SETS, _UNDERFLOW)
